// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
)

// A Store opened with an empty list of Stores reads a store when Load asks for it.
func ExampleStore_Load() {
	ctx := context.Background()
	log := memory.New(memory.Options{})
	defer log.Close()
	writer := must(companion.New(ctx, log, companion.Options{}))
	defer writer.Close()
	must(must(companion.NewRecords[string](writer, "notes")).Put(ctx, "n1", "milk"))

	s := must(companion.New(ctx, log, companion.Options{Stores: []string{}}))
	defer s.Close()
	_, err := companion.NewRecords[string](s, "notes")
	fmt.Println(errors.Is(err, companion.ErrNotLoaded))

	if err := s.Load(ctx, "notes"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(must(must(companion.NewRecords[string](s, "notes")).Get(ctx, "n1")).Value)
	// Output:
	// true
	// milk
}

func TestNotLoaded(t *testing.T) {
	o, err := read(t, `{"stores":[]}`)
	require.NoError(t, err)
	text, err := json.Marshal(o)
	require.NoError(t, err)
	require.JSONEq(t, `{"stores":[]}`, string(text), "an empty list is not nil")
	s, err := companion.Open(t.Context(), o)
	require.NoError(t, err)
	defer s.Close()
	_, err = companion.NewRecords[string](s, "notes")
	require.ErrorIs(t, err, companion.ErrNotLoaded)
	_, err = companion.NewEvents[string](s, "events")
	require.ErrorIs(t, err, companion.ErrNotLoaded)
	require.NoError(t, s.Load(t.Context(), "events"))
	h, err := companion.NewEvents[string](s, "events")
	require.NoError(t, err)
	_, err = h.Append(t.Context(), "hello")
	require.NoError(t, err)
}
