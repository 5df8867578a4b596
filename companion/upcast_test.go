// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
)

// TestNewerValues reads what a newer version of the app wrote: as it is if Upcast was never called, and not at all if
// Upcast said that version 1 is the current one.
func TestNewerValues(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	s, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	defer s.Close()
	tasks := tasksOf(t, s)
	keep := func(v json.RawMessage) (json.RawMessage, error) { return v, nil }
	require.NoError(t, tasks.Upcast(keep))
	_, err = tasks.Put(t.Context(), "t", Task{Title: "x"})
	require.NoError(t, err)

	unaware, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	defer unaware.Close()
	old := tasksOf(t, unaware)
	r, err := old.Get(t.Context(), "t")
	require.NoError(t, err)
	require.Equal(t, "x", r.Value.Title)
	require.Equal(t, 2, r.Schema)
	require.NoError(t, old.Upcast())
	_, err = old.Get(t.Context(), "t")
	require.ErrorIs(t, err, companion.ErrNewer)
	_, err = old.Update(t.Context(), "t", func(r companion.Record[Task]) (Task, error) { return r.Value, nil })
	require.ErrorIs(t, err, companion.ErrNewer)
}

// Values that are no T are errors.
func TestValuesOfOtherTypes(t *testing.T) {
	s := openStore(t)
	texts, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	_, err = texts.Append(t.Context(), "text")
	require.NoError(t, err)
	numbers, err := companion.NewEvents[int](s, "notes")
	require.NoError(t, err)
	sum := companion.NewFold(numbers, 0, func(n int, _, r companion.Record[int]) int { return n + r.Value })
	require.ErrorContains(t, sum.Read(t.Context(), func(n int, _ uint64) { require.Zero(t, n) }), "decode fact")
	for _, err := range numbers.Tail(t.Context(), 0) {
		require.ErrorContains(t, err, "decode fact")
		break
	}
	records, err := companion.NewRecords[string](s, "records")
	require.NoError(t, err)
	require.NoError(t, records.Upcast())
	future := records.Change("k", "x")
	_, err = s.Write(t.Context(), future)
	require.NoError(t, err)
	_, err = s.Engine().Write(t.Context(), backend.Fact{Store: "records", Key: "k", Value: []byte(`"y"`), SchemaVersion: 2})
	require.NoError(t, err)
	_, err = records.Get(t.Context(), "k")
	require.ErrorIs(t, err, companion.ErrNewer)
	require.NoError(t, records.Upcast(func(v json.RawMessage) (json.RawMessage, error) { return v, nil }))
	r, err := records.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "y", r.Value)
}
