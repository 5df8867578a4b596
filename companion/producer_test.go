package companion_test

import (
	"context"
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
