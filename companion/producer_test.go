// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/companion"
)

func TestTraces(t *testing.T) {
	type traceKey struct{}
	s, err := companion.Open(t.Context(), companion.Options{Trace: func(ctx context.Context) string {
		id, _ := ctx.Value(traceKey{}).(string)
		return id
	}})
	require.NoError(t, err)
	defer s.Close()
	notes, err := companion.NewEvents[int](s, "notes")
	require.NoError(t, err)
	traced := context.WithValue(t.Context(), traceKey{}, "abc")
	want := []string{"", `{"trace":"abc"}`, `{"trace":"abc","who":"ana"}`, `{"by":"ana","trace":"abc"}`, `{"trace":"abc"}`, `"ana"`}
	for i, ctx := range []context.Context{
		t.Context(), traced, companion.WithProducer(traced, map[string]string{"who": "ana"}), companion.WithProducer(traced, "ana"),
		companion.WithProducer(traced, nil), companion.WithProducer(t.Context(), "ana"),
	} {
		_, err := notes.Append(ctx, i)
		require.NoError(t, err)
	}
	var got []string
	for r, err := range s.Engine().Facts(t.Context(), "notes", 0) {
		require.NoError(t, err)
		got = append(got, string(r.Producer()))
	}
	require.Equal(t, want, got)
}

func TestProducer(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	outer := companion.WithProducer(t.Context(), map[string]string{"who": "ana"})
	for _, c := range []struct {
		ctx  context.Context
		want string
	}{{outer, `{"who":"ana"}`}, {companion.WithProducer(outer, "bob"), `"bob"`}, {t.Context(), ""}, {companion.WithProducer(outer, nil), ""}} {
		_, err := tasks.Put(c.ctx, "k", Task{})
		require.NoError(t, err)
		r, err := tasks.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, c.want, string(r.Producer))
	}
}

// A trace changes nothing else in a producer: no digits of numbers, no key of the app's own.
func TestTraceKeepsProducer(t *testing.T) {
	s, err := companion.Open(t.Context(), companion.Options{Trace: func(context.Context) string { return `t"<1` }})
	require.NoError(t, err)
	defer s.Close()
	notes, err := companion.NewRecords[int](s, "notes")
	require.NoError(t, err)
	for _, c := range []struct {
		producer any
		want     string
	}{
		{map[string]any{"order": uint64(1<<63 + 1), "a": json.Number("1.50")}, `{"trace":"t\"\u003c1","a":1.50,"order":9223372036854775809}`},
		{json.RawMessage(` { "z" : 1 , "a" : [ 1e400, 12345678901234567890.10 ] } `), `{"trace":"t\"\u003c1","z":1,"a":[1e400,12345678901234567890.10]}`},
		{map[string]any{}, `{"trace":"t\"\u003c1"}`},
		{json.RawMessage("null"), `{"trace":"t\"\u003c1"}`},
		{map[string]any{"trace": 5}, `{"by":{"trace":5},"trace":"t\"\u003c1"}`},
		{json.RawMessage(`{"\u0074race":"own"}`), `{"by":{"\u0074race":"own"},"trace":"t\"\u003c1"}`},
		{map[string]any{"trace": `t"<1`, "who": "ana"}, `{"trace":"t\"\u003c1","who":"ana"}`},
		{map[string]any{"Trace": "own"}, `{"trace":"t\"\u003c1","Trace":"own"}`},
		{uint64(1<<63 + 1), `{"by":9223372036854775809,"trace":"t\"\u003c1"}`},
		{[]string{"a"}, `{"by":["a"],"trace":"t\"\u003c1"}`},
	} {
		_, err := notes.Put(companion.WithProducer(t.Context(), c.producer), "k", 1)
		require.NoError(t, err)
		r, err := notes.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, c.want, string(r.Producer))
	}
}
