// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/store"
)

// Reads as of the head of an empty log find nothing, whatever is written later.
func TestAsOfNothing(t *testing.T) {
	e := openEngine(t, newLog(t))
	scope, err := e.Scope("s", "all", store.Filter{})
	require.NoError(t, err)
	index, err := e.Index("s", "n")
	require.NoError(t, err)
	then := store.AsOf(e.Head())
	_, err = e.Write(t.Context(), fact("k", 1))
	require.NoError(t, err)
	for at, want := range map[store.Moment]int{then: 0, store.AsOf(e.Head()): 1, {}: 1} {
		_, ok, _ := e.GetAt(t.Context(), "s", "k", at)
		require.Equal(t, want == 1, ok)
		require.Len(t, factsOf(e.List(t.Context(), "s", store.Query{At: at})), want)
		require.Len(t, factsOf(scope.List(t.Context(), store.Query{At: at})), want)
		require.Len(t, factsOf(index.List(t.Context(), 1, at)), want)
	}
}

// A Moment goes through JSON as it is: the empty log and ValidNow do not become the present.
func TestJSONOfMoments(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for text, m := range map[string]store.Moment{
		`{}`:              {},
		`{"seq":0}`:       store.AsOf(0),
		`{"seq":3}`:       store.AsOf(3),
		`{"valid":"now"}`: store.ValidNow(),
		`{"seq":3,"time":"2026-01-02T03:04:05.000000006Z","valid":"2026-01-02T03:04:05.000000006Z"}`: {Seq: 3, Time: at, Valid: at},
	} {
		written, err := json.Marshal(m)
		require.NoError(t, err)
		require.Equal(t, text, string(written))
		back := store.Moment{Seq: 9}
		require.NoError(t, json.Unmarshal(written, &back))
		require.Equal(t, m, back)
		q := store.Query{At: m, Limit: 3}
		written, err = json.Marshal(q)
		require.NoError(t, err)
		var again store.Query
		require.NoError(t, json.Unmarshal(written, &again))
		require.Equal(t, q, again)
	}
	back := store.AsOf(3)
	require.NoError(t, json.Unmarshal([]byte(`null`), &back))
	require.Equal(t, store.AsOf(3), back)
	for _, text := range []string{`{"sek":1}`, `{"valid":"then"}`, `{"seq":-1}`, `[]`, `{"time":"now"}`} {
		require.Error(t, json.Unmarshal([]byte(text), &back), text)
	}
}
