// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/store"
)

// serveAt serves a log at a socket until the function that it returns is called.
func serveAt(t *testing.T, path string, log backend.Backend) (stop func()) {
	return servertest.Serve(t, log, "unix", path, server.Options{Heartbeat: 100 * time.Millisecond}).Stop
}

// restoredFrom returns a log that is made of the first facts of another one.
func restoredFrom(t *testing.T, from backend.Log, through uint64) backend.Log {
	o := file.Options{Path: t.TempDir(), Sync: file.SyncNever}
	_, err := file.Restore(t.Context(), o, from.Stats, from.Replay(t.Context(), backend.Range{Through: through}))
	require.NoError(t, err)
	l, err := file.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func put(t *testing.T, w interface {
	Write(context.Context, backend.Fact) (backend.Fact, error)
}, key string) backend.Fact {
	f, err := w.Write(t.Context(), backend.Fact{Store: "s", Key: key, Value: []byte("1")})
	require.NoError(t, err)
	return f
}

// TestLogComesBackAs serves another log to an open engine, in place of the one that it has read.
func TestLogComesBackAs(t *testing.T) {
	const head = 10
	for _, c := range []struct {
		what   string
		log    func(t *testing.T, old backend.Log) backend.Log
		common uint64 // math.MaxUint64: the engine goes on
	}{
		{"the same", func(_ *testing.T, old backend.Log) backend.Log { return old }, math.MaxUint64},
		{"restored whole", func(t *testing.T, old backend.Log) backend.Log { return restoredFrom(t, old, head) }, math.MaxUint64},
		{"restored to an earlier seq", func(t *testing.T, old backend.Log) backend.Log { return restoredFrom(t, old, 3) }, 3},
		{"restored to an earlier seq, and written to since", func(t *testing.T, old backend.Log) backend.Log {
			l := restoredFrom(t, old, 3)
			for i := range 2 * head {
				_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("since", i), Store: "s", Key: "k", Value: []byte("1")})
				require.NoError(t, err)
			}
			return l
		}, 3},
		{"empty", func(*testing.T, backend.Log) backend.Log { return memory.New(memory.Options{}) }, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			old := memory.New(memory.Options{})
			stop := serveAt(t, path, old)
			client, err := network.Dial(t.Context(), network.Options{Transport: "unix", Address: path, MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond})
			require.NoError(t, err)
			defer client.Close()
			e, err := store.Open(t.Context(), client, store.Options{})
			require.NoError(t, err)
			defer e.Close()
			for i := range head {
				put(t, e, fmt.Sprint("k", i))
			}
			cursor := backend.Cursor{Log: e.Cursor().Log, Seq: e.Head()}
			tail := make(chan error, 1)
			go func() {
				for _, err := range e.Tail(t.Context(), "s", e.Head()) {
					if err != nil {
						tail <- err
						return
					}
				}
			}()
			stop()
			next := c.log(t, old)
			serveAt(t, path, next)

			if c.common == math.MaxUint64 {
				for range 3 { // own writes are shown before their pages come
					f := put(t, e, "after")
					require.Equal(t, f.ID, e.Latest("s", "after").ID())
					require.NoError(t, e.Sync(t.Context()))
				}
				after, err := e.Resume(t.Context(), cursor)
				require.NoError(t, err)
				require.EqualValues(t, head, after)
				stats, err := next.Stats(t.Context())
				require.NoError(t, err)
				require.Eventually(t, func() bool { return e.Cursor() == backend.Cursor{Log: stats.Log, Seq: head + 3} }, time.Minute, time.Millisecond)
				require.NoError(t, e.Err())
				return
			}
			diverged := func(what string, err error) {
				t.Helper()
				var d *backend.DivergedError
				require.ErrorAs(t, err, &d, what)
				require.Equal(t, c.common, d.Common, what)
			}
			_, err = e.Write(t.Context(), backend.Fact{Store: "s", Key: "new", Value: []byte("1")})
			diverged("Write", err)
			_, err = e.WriteIf(t.Context(), e.Latest("s", "k1").ID(), backend.Fact{Store: "s", Key: "k1", Value: []byte("2")})
			diverged("WriteIf", err)
			_, err = e.Update(t.Context(), "s", "k1", func(store.Record) (backend.Fact, error) { return backend.Fact{Value: []byte("2")}, nil })
			diverged("Update", err)
			diverged("Sync", e.Sync(t.Context()))
			diverged("Err", e.Err())
			diverged("Tail", <-tail)
			diverged("WaitFor", e.WaitFor(t.Context(), 100))
			require.EqualValues(t, head, e.Head())
			for i := range head {
				require.Equal(t, "1", string(e.Latest("s", fmt.Sprint("k", i)).Value()), "reads go on from memory")
			}
			require.Empty(t, e.Latest("s", "new").ID())
			_, _, err = e.GetAt(t.Context(), "s", "k1", store.AsOf(head))
			require.NoError(t, err, "of what it has")
			beyond := store.AsOf(head + 5) // which the log may have reached since, with other facts
			_, _, err = e.GetAt(t.Context(), "s", "k1", beyond)
			diverged("GetAt", err)
			_, err = e.Query(t.Context(), "s", store.Query{At: beyond})
			diverged("Query", err)
			for what, loop := range map[string]iter.Seq2[store.Record, error]{
				"History": e.History(t.Context(), "s", "k1", beyond), "Facts": e.Facts(t.Context(), "s", head+5), "List": e.List(t.Context(), "s", store.Query{At: beyond}),
			} {
				n := 0
				for _, err := range loop {
					diverged(what, err)
					n++
				}
				require.Equal(t, 1, n, what)
			}

			// Another engine over another client shows the log as it is, and knows where consumers of the old one stand.
			again, err := network.Dial(t.Context(), network.Options{Transport: "unix", Address: path})
			require.NoError(t, err)
			defer again.Close()
			fresh, err := store.Open(t.Context(), again, store.Options{})
			require.NoError(t, err)
			defer fresh.Close()
			put(t, fresh, "new")
			_, err = fresh.Resume(t.Context(), cursor)
			diverged("Resume", err)
			cursor.Seq = c.common
			after, err := fresh.Resume(t.Context(), cursor)
			require.NoError(t, err)
			require.Equal(t, c.common, after)
		})
	}
}

// TestConsumerBeyondTheEnd asks for the facts after a seq that the log does not have.
func TestConsumerBeyondTheEnd(t *testing.T) {
	e, err := store.Open(t.Context(), memory.New(memory.Options{}), store.Options{})
	require.NoError(t, err)
	defer e.Close()
	last := put(t, e, "k").Seq
	scope, err := e.Scope("s", "all", store.Filter{})
	require.NoError(t, err)
	for what, loop := range map[string]func(after uint64) error{
		"Tail":  func(after uint64) error { return firstError(e.Tail(t.Context(), "s", after)) },
		"Facts": func(after uint64) error { return firstError(e.Facts(t.Context(), "s", after)) },
		"Fold": func(after uint64) error {
			fold := store.NewFold(e, 0, func(n int, _ store.Record) int { return n }, "s")
			require.NoError(t, fold.Begin(t.Context(), 0, after))
			return fold.Read(t.Context(), func(int, uint64) {})
		},
		"Watch": func(after uint64) error {
			for _, err := range scope.Watch(t.Context(), after) {
				return err
			}
			return nil
		},
	} {
		var diverged *backend.DivergedError
		require.ErrorAs(t, loop(last+1), &diverged, what)
		require.Equal(t, last, diverged.Common, what)
		require.NoError(t, e.Err(), "the log is the same")
	}
	require.NoError(t, firstError(e.Facts(t.Context(), "s", last)))
}

func firstError(loop iter.Seq2[store.Record, error]) error {
	for _, err := range loop {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestLogGivesSeqsAgain writes to a log whose place has come to hold a shorter one, which neither it nor anything on the way
// has noticed.
func TestLogGivesSeqsAgain(t *testing.T) {
	for _, sync := range []bool{false, true} {
		old, next := memory.New(memory.Options{}), memory.New(memory.Options{})
		replaced := false
		e, err := store.Open(t.Context(), backend.Intercept(old, backend.Hooks{
			Write: func(ctx context.Context, all []backend.Batch, write func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
				if replaced {
					return next.Write(ctx, all...)
				}
				return write(ctx, all...)
			},
			Stats: func(ctx context.Context, stats func(context.Context) (backend.Stats, error)) (backend.Stats, error) {
				if replaced {
					return next.Stats(ctx)
				}
				return stats(ctx)
			},
		}), store.Options{})
		require.NoError(t, err)
		defer e.Close()
		for range 3 {
			put(t, e, "k")
		}
		replaced = true
		if sync {
			err = e.Sync(t.Context())
		} else {
			_, err = e.Write(t.Context(), backend.Fact{Store: "s", Key: "k", Value: []byte("2")})
		}
		require.ErrorIs(t, err, backend.ErrDiverged)
		require.ErrorIs(t, e.Err(), backend.ErrDiverged)
		_, err = e.Write(t.Context(), backend.Fact{Store: "s", Key: "k", Value: []byte("2")})
		require.ErrorIs(t, err, backend.ErrDiverged)
	}
}
