// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// The memory for upcast values is bounded, whether they are small or large.
func TestUpcastValuesKept(t *testing.T) {
	for size, values := range map[int]int{1 << 20: 64, 16: 40_000} {
		e := openEngine(t, newLog(t))
		require.NoError(t, e.Upcast("s", func(json.RawMessage) (json.RawMessage, error) {
			return []byte(`"` + strings.Repeat("x", size) + `"`), nil
		}))
		var b backend.Batch
		for n := range values {
			b.Facts = append(b.Facts, backend.Fact{Store: "s", Key: fmt.Sprint(n), Value: []byte("1"), SchemaVersion: 1})
		}
		_, err := e.WriteBatch(t.Context(), b)
		require.NoError(t, err)
		before := heap()
		for r := range e.Facts(t.Context(), "s", 0) {
			v, err := r.Upcast()
			require.NoError(t, err)
			require.Len(t, v, size+2)
		}
		require.Less(t, heap(), before+40<<20)
	}
}

func TestUpcasting(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, l)
	calls := 0
	require.NoError(t, e.Upcast("s",
		func(v json.RawMessage) (json.RawMessage, error) {
			calls++
			if string(v) == "13" {
				return nil, errors.New("unlucky")
			}
			return fmt.Appendf(nil, `{"n":%s}`, v), nil
		},
		func(v json.RawMessage) (json.RawMessage, error) { return fmt.Appendf(nil, `{"of":%s}`, v), nil },
	))
	require.ErrorIs(t, e.Upcast("s", nil), backend.ErrInvalid)
	write := func(key, value string, version int) store.Record {
		_, err := e.Write(t.Context(), backend.Fact{Store: "s", Key: key, Value: []byte(value), SchemaVersion: version})
		require.NoError(t, err)
		return e.Latest("s", key)
	}
	old := write("old", "1", 1)
	for range 3 {
		v, err := old.Upcast()
		require.NoError(t, err)
		require.Equal(t, `{"of":{"n":1}}`, string(v))
	}
	require.Equal(t, 1, calls, "it is kept")
	require.Equal(t, "1", string(old.Value()))
	v, err := write("newer", `{"n":1}`, 2).Upcast()
	require.NoError(t, err)
	require.Equal(t, `{"of":{"n":1}}`, string(v))
	v, err = write("now", `{"of":{"n":2}}`, 3).Upcast()
	require.NoError(t, err)
	require.Equal(t, `{"of":{"n":2}}`, string(v))
	v, err = write("gone", "null", 1).Upcast()
	require.NoError(t, err)
	require.Equal(t, "null", string(v))
	_, err = write("future", "1", 4).Upcast()
	require.ErrorIs(t, err, store.ErrNewer)
	_, err = write("unlucky", "13", 1).Upcast()
	require.ErrorContains(t, err, "unlucky")

	ones, err := e.Scope("s", "ones", store.Filter{Where: map[store.Field]any{"of.n": 1}})
	require.NoError(t, err)
	keys := func() (keys []string) {
		for r := range ones.List(t.Context(), store.Query{}) {
			keys = append(keys, r.Key())
		}
		return keys
	}
	require.Equal(t, []string{"old", "newer"}, keys())
	constant := func(json.RawMessage) (json.RawMessage, error) { return []byte(`{"of":{"n":1}}`), nil }
	require.ErrorIs(t, e.Upcast("s", constant), backend.ErrInvalid)
	require.Equal(t, []string{"old", "newer"}, keys())

	late := openEngine(t, l)
	ones, err = late.Scope("s", "ones", store.Filter{Where: map[store.Field]any{"of.n": 1}})
	require.NoError(t, err)
	require.Empty(t, keys())
	require.NoError(t, late.Upcast("s", constant))
	require.Equal(t, []string{"old", "unlucky"}, keys(), "other upcasters, another scope")
}
