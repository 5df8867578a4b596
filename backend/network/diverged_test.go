// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// fourMethods is a log without identity.
type fourMethods struct{ backend.Backend }

func (f fourMethods) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for p, err := range f.Backend.Replay(ctx, r) {
			if p.Through.Log = (backend.LogID{}); !yield(p, err) {
				return
			}
		}
	}
}

// logOf returns a log in memory with n facts, named after it.
func logOf(t *testing.T, name string, n int) backend.Log {
	l := memory.New(memory.Options{})
	for i := range n {
		f := numbered(i)
		f.ID = name + f.ID
		_, err := l.WriteFact(t.Context(), f)
		require.NoError(t, err)
	}
	return l
}

// restored returns a log in files with the first facts of another one.
func restored(t *testing.T, from backend.Log, through uint64) backend.Log {
	o := file.Options{Path: t.TempDir(), Sync: file.SyncNever}
	_, err := file.Restore(t.Context(), o, from.Stats, from.Replay(t.Context(), backend.Range{Through: through}))
	require.NoError(t, err)
	l, err := file.Open(t.Context(), o)
	require.NoError(t, err)
	return l
}

// TestServerComesBackWith replaces the log that a client has read or written. If the new log has the facts that the client
// was given, the client goes on. If not, every method returns a DivergedError, until the server is dialed again.
func TestServerComesBackWith(t *testing.T) {
	t.Parallel()
	const written = 10
	for _, c := range []struct {
		what   string
		mute   bool // the logs have no identity
		log    func(t *testing.T, old backend.Log) backend.Log
		given  uint64 // the last seq that the client is given before
		common uint64 // math.MaxUint64: the client goes on
	}{
		{"the same log", false, func(t *testing.T, old backend.Log) backend.Log { return old }, written, math.MaxUint64},
		{"a log restored to an earlier seq", false, func(t *testing.T, old backend.Log) backend.Log { return restored(t, old, 6) }, written, 6},
		{"a log restored to what the client has", false, func(t *testing.T, old backend.Log) backend.Log { return restored(t, old, 6) }, 6, math.MaxUint64},
		{"a log restored whole", false, func(t *testing.T, old backend.Log) backend.Log { return restored(t, old, written) }, written, math.MaxUint64},
		{"an empty log", false, func(t *testing.T, old backend.Log) backend.Log { return logOf(t, "", 0) }, written, 0},
		{"another log", false, func(t *testing.T, old backend.Log) backend.Log { return logOf(t, "other", 3*written) }, 4, 0},
		{"another log, and the client has nothing", false, func(t *testing.T, old backend.Log) backend.Log { return logOf(t, "other", 3) }, 0, math.MaxUint64},
		{"a log without identity", false, func(t *testing.T, old backend.Log) backend.Log {
			return backend.Complete(fourMethods{logOf(t, "", 6)})
		}, written, 6},
		{"a shorter one, without identity", true, func(t *testing.T, old backend.Log) backend.Log {
			return backend.Complete(fourMethods{logOf(t, "", 6)})
		}, written, 6},
	} {
		for _, how := range []string{"write", "batches", "read", "follow", "stats"} {
			t.Run(c.what+"/"+how, func(t *testing.T) {
				t.Parallel()
				old := logOf(t, "", written-1)
				if c.mute {
					old = backend.Complete(fourMethods{old})
				}
				s := startLog(t, old, server.Options{})
				p := startProxy(t, s.options.Address)
				client := connect(t, hasty(p.through(s.options)))
				switch last := numbered(written - 1); {
				case c.given == 0:
				case c.given < written:
					facts, err := collect(client.Replay(t.Context(), backend.Range{Through: c.given}))
					require.NoError(t, err)
					require.Len(t, facts, int(c.given))
				case how == "write":
					_, err := client.WriteFact(t.Context(), last)
					require.NoError(t, err)
				case how == "batches":
					for _, w := range client.Write(t.Context(), backend.Batch{Facts: batchOf(0, 0)}, backend.Batch{Facts: []backend.Fact{last}}) {
						require.NoError(t, w.Err)
					}
				default:
					_, err := old.WriteFact(t.Context(), last)
					require.NoError(t, err)
				}
				follower := make(chan error, 1)
				var begun chan struct{}
				switch {
				case c.given < written:
				case how == "read":
					facts, err := collect(client.Replay(t.Context(), backend.Range{}))
					require.NoError(t, err)
					require.Len(t, facts, written)
				case how == "stats":
					stats, err := client.Stats(t.Context())
					require.NoError(t, err)
					require.Equal(t, !c.mute, stats.Log != backend.LogID{})
				case how == "follow":
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					begun = make(chan struct{})
					go func() {
						for p, err := range client.Follow(ctx, backend.Range{}) {
							if err != nil {
								follower <- err
								return
							}
							if p.Through.Seq == written {
								close(begun)
							}
						}
					}()
					<-begun
				}

				next := c.log(t, old)
				if next != old {
					back := startLog(t, next, server.Options{})
					p.redirect(back.options.Address)
				}
				p.cut()

				another := numbered(1000)
				if c.common == math.MaxUint64 {
					f, err := client.WriteFact(t.Context(), another)
					require.NoError(t, err)
					all := contents(t, client)
					require.Equal(t, f.ID, all[len(all)-1].ID)
					same(t, contents(t, next), all)
					return
				}
				before := contents(t, next)
				check := func(what string, err error) {
					var diverged *backend.DivergedError
					require.ErrorAs(t, err, &diverged, what)
					require.Equal(t, c.common, diverged.Common, what)
					require.Equal(t, c.given, diverged.Cursor.Seq, what)
				}
				for range 2 {
					_, err := client.WriteFact(t.Context(), another)
					check("WriteFact", err)
					for _, w := range client.Write(t.Context(), backend.Batch{Facts: []backend.Fact{another}, Expect: []backend.Expect{{Store: "s", Key: "none"}}}, backend.Batch{Facts: batchOf(2000, 2003)}) {
						check("Write", w.Err)
					}
					_, err = collect(client.Replay(t.Context(), backend.Range{}))
					check("Replay", err)
					_, err = collect(client.Follow(t.Context(), backend.Range{}))
					check("Follow", err)
					_, err = client.Stats(t.Context())
					check("Stats", err)
					check("WriteSnapshot", client.WriteSnapshot(t.Context(), 0))
					_, err = client.Prune(t.Context(), slices.Values([]uint64{1}), backend.Horizon{})
					check("Prune", err)
				}
				if begun != nil {
					check("the follower", <-follower)
				}
				same(t, before, contents(t, next))
				again := connect(t, hasty(p.through(s.options)))
				_, err := again.WriteFact(t.Context(), another)
				require.NoError(t, err)
				require.NoError(t, client.Close())
				_, err = client.Stats(t.Context())
				require.True(t, errors.Is(err, backend.ErrClosed))
			})
		}
	}
}
