// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// flip changes a bit of the unit at a position. The caller holds mu.
func (s *store) flip(at uint64) {
	body := slices.Clone(s.entries[at-1].Body)
	body[len(body)/2] ^= 4
	s.entries[at-1].Body = body
}

// TestDamage removes or changes acknowledged facts. A process that opens the log, an earlier writer and an earlier reader,
// and processes that read the place again, report it, with the seqs around the damage.
func TestDamage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm  func(*store)
		seqs  string // that the error names
		knows bool   // an earlier process can detect it without reading again
	}{
		"purged":         {func(s *store) { s.entries[2] = Entry{} }, "seq 4 to 8, at position 3, were taken away: seq 3 is followed by seq 9", false},
		"purged first":   {func(s *store) { s.entries[0] = Entry{} }, "seq 1 to 2, at position 1, were taken away: seq 0 is followed by seq 3", false},
		"purged last":    {func(s *store) { s.entries[4] = Entry{} }, "seq 9, at position ", false},
		"cut":            {func(s *store) { s.entries = s.entries[:3] }, "", true},
		"flipped":        {func(s *store) { s.flip(3) }, "seqs 4 to 8: the bytes are not what was written", false},
		"flipped header": {func(s *store) { h := []byte(s.entries[2].Header); h[len(h)-1] ^= 1; s.entries[2].Header = string(h) }, "after seq 3", false},
		"swapped": {func(s *store) {
			s.entries[1].Unit, s.entries[3].Unit = s.entries[3].Unit, s.entries[1].Unit
		}, "does not follow seq 2", false},
		"foreign":  {func(s *store) { s.entries[2].Header = "" }, "another program may publish there", false},
		"replaced": {func(s *store) { s.id = backend.LogID{2}; s.entries = nil }, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(backend.LogID{1}, nil)
			var old [2]*Log
			for i := range old {
				var err error
				old[i], err = Open(t.Context(), s.port(nil), Options{})
				require.NoError(t, err)
				defer old[i].Close()
			}
			writeBatches(t, old[0], 2, 1, 5, 1, 1)
			require.Len(t, replay(t, old[1]), 10)
			s.mu.Lock()
			c.harm(s)
			s.mu.Unlock()
			s.change.Notify()
			wanted := backend.ErrCorrupt
			if name == "replaced" {
				wanted = backend.ErrDiverged
			}
			if c.knows {
				_, err := old[0].WriteFact(t.Context(), backend.Fact{ID: "x", Store: "s", Key: "k", Value: []byte("1")})
				require.ErrorIs(t, err, wanted)
				_, err = old[1].Stats(t.Context())
				require.ErrorIs(t, err, wanted)
				require.Regexp(t, "(held facts through seq 10, .* ends with seq 8)|cursor 10@", err.Error())
				for _, err := range old[1].Follow(t.Context(), backend.Range{}) {
					require.ErrorIs(t, err, wanted)
				}
				return
			}
			_, err := Open(t.Context(), s.port(nil), Options{})
			require.ErrorIs(t, err, wanted)
			require.ErrorContains(t, err, c.seqs)
			old[0].mu.Lock()
			old[0].recent, old[0].places = recent{}, nil
			old[0].mu.Unlock()
			n := 0
			for p, e := range old[0].Replay(context.WithoutCancel(t.Context()), backend.Range{}) {
				if err = e; err == nil {
					n += len(p.Facts)
				}
			}
			require.ErrorIs(t, err, wanted, "after %d facts", n)
			require.ErrorContains(t, err, c.seqs)
			_, err = old[0].WriteFact(t.Context(), backend.Fact{ID: "x", Store: "s", Key: "k", Value: []byte("1")})
			require.ErrorIs(t, err, wanted, "a log that is known to be damaged takes no writes")
		})
	}
}

// TestLastPosition removes the last unit before any process has read it. The place knows that it was there.
func TestLastPosition(t *testing.T) {
	t.Parallel()
	for _, doubt := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore(backend.LogID{1}, nil)
			l, err := open(t.Context(), s.port(nil), Options{Doubt: doubt}, defaultIndexEvery)
			require.NoError(t, err)
			writeBatches(t, l, 2, 1)
			s.mu.Lock()
			s.entries = append(s.entries, Entry{})
			s.mu.Unlock()
			const words = "positions through 3 were given out, and the log ends with seq 3, at position 2"
			began := time.Now()
			_, err = l.WriteFact(t.Context(), backend.Fact{ID: "x", Store: "s", Key: "k", Value: []byte("1")})
			require.ErrorIs(t, err, backend.ErrCorrupt, "a writer")
			require.ErrorContains(t, err, words)
			require.GreaterOrEqual(t, time.Since(began), doubt)
			_, err = l.Stats(t.Context())
			require.ErrorContains(t, err, words, "a reader")
			_, err = Open(t.Context(), s.port(nil), Options{Doubt: doubt})
			require.ErrorIs(t, err, backend.ErrCorrupt)
			require.ErrorContains(t, err, words, "a process that opens the log")
			left, err := Open(t.Context(), s.port(nil), Options{Doubt: doubt, Salvage: true})
			require.NoError(t, err)
			time.Sleep(2 * pulse)
			require.Len(t, replay(t, left), 3)
			require.NoError(t, left.Close())
			require.NoError(t, l.Close())
		})
	}
}

// TestDoubt: while the place reports an end before the known one, nothing is appended. A replaced leader may have answered,
// or the last units were removed.
func TestDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(backend.LogID{1}, nil)
		p := s.port(nil)
		l, err := open(t.Context(), p, Options{Doubt: time.Minute}, defaultIndexEvery)
		require.NoError(t, err)
		writeBatches(t, l, 1, 1)
		entries := func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.entries)
		}
		write := func(id string) <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := l.WriteFact(t.Context(), backend.Fact{ID: id, Store: "s", Key: "k", Value: []byte("1")})
				done <- err
			}()
			return done
		}
		look := func() <-chan error { // it gets the first answer below the known end
			done := make(chan error, 1)
			go func() {
				_, err := l.Stats(t.Context())
				done <- err
			}()
			time.Sleep(time.Second)
			return done
		}
		p.stale.Store(1)
		looked := look()
		done := write("stale")
		time.Sleep(30 * time.Second)
		require.Equal(t, 2, entries())
		p.stale.Store(0)
		require.NoError(t, <-done)
		require.NoError(t, <-looked)
		require.Equal(t, 3, entries())
		s.remove(3)
		looked = look()
		err = <-write("lost")
		require.ErrorIs(t, <-looked, backend.ErrCorrupt)
		require.ErrorIs(t, err, backend.ErrCorrupt)
		require.ErrorContains(t, err, "held facts through seq 3, at position 3, and now ends with seq 2, at position 2")
		require.Equal(t, 3, entries())
		require.NoError(t, l.Close())
	})
}

// TestScrub: a process that only writes finds damage to facts that it read long ago, or has not read because it was opened
// with an index. This takes some seconds after it was opened or the server has changed, and otherwise up to an hour.
func TestScrub(t *testing.T) {
	t.Parallel()
	const words = "seqs 4 to 8: the bytes are not what was written"
	for name, found := range map[string]func(s *store) time.Duration{
		"other leader": func(s *store) time.Duration { s.leader = "other"; return pulse },
		"same leader":  func(s *store) time.Duration { return scrubPause },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore(backend.LogID{1}, nil)
				l := openIndexed(t, s, 0)
				write := func(l *Log) error {
					_, err := l.WriteFact(t.Context(), backend.Fact{ID: backend.NewLogID().String(), Store: "s", Key: "k", Value: []byte("1")})
					return err
				}
				writeBatches(t, l, 2, 1, 5, 1, 1)
				pruneSome(t, l, replay(t, l)[:1], nil)
				time.Sleep(2*pulse + pulse/2) // not at the moment of a pulse
				require.NoError(t, l.WriteSnapshot(t.Context(), 0))
				s.mu.Lock()
				s.flip(3)
				s.mu.Unlock()
				indexed := openIndexed(t, s, l.index.Pos)
				require.NoError(t, write(l))
				require.NoError(t, write(indexed))
				s.mu.Lock()
				after := found(s)
				s.mu.Unlock()
				for _, c := range []struct {
					log  *Log
					wait time.Duration
				}{{indexed, pulse}, {l, after}} {
					time.Sleep(2 * c.wait)
					err := write(c.log)
					require.ErrorIs(t, err, backend.ErrCorrupt)
					require.ErrorContains(t, err, words)
					require.NoError(t, c.log.Close())
				}
			})
		})
	}
}
