// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

func TestComplete(t *testing.T) {
	ctx := context.Background()
	l := new(list)
	log := backend.Complete(l)
	require.Same(t, log, backend.Complete(log), "a Log is complete already")
	require.Equal(t, backend.Features{Poll: backend.DefaultPoll}, log.Features())

	f, err := log.WriteFact(ctx, valid())
	require.NoError(t, err)
	require.Equal(t, uint64(1), f.Seq)
	_, err = log.Prune(ctx, slices.Values([]uint64{1}), backend.Horizon{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "*backend_test.list removes no facts")
	require.NoError(t, log.WriteSnapshot(ctx, 0))
	require.NoError(t, log.Close())
	require.True(t, l.closed)
	_, err = log.Stats(ctx)
	require.ErrorIs(t, err, backend.ErrClosed)
}

func TestDefaultsWrite(t *testing.T) {
	ctx := context.Background()
	log := backend.Complete(new(list))
	two, invalid, second := valid(), valid(), valid()
	second.ID, invalid.Store = "second", ""
	all := log.Write(ctx,
		backend.Batch{Facts: []backend.Fact{valid()}},
		backend.Batch{Facts: []backend.Fact{invalid}},
		backend.Batch{Facts: []backend.Fact{valid(), two}},
		backend.Batch{Facts: []backend.Fact{valid()}, Expect: []backend.Expect{{Store: "s"}}},
		backend.Batch{},
		backend.Batch{Facts: []backend.Fact{second}},
		backend.Batch{Expect: []backend.Expect{{Store: "s"}}},
	)
	for i, want := range []error{nil, backend.ErrInvalid, errors.ErrUnsupported, errors.ErrUnsupported, nil, nil, errors.ErrUnsupported} {
		require.ErrorIs(t, all[i].Err, want, "batch %d", i)
		require.Zero(t, all[i].First, "it is not known which facts are new")
	}
	require.ErrorContains(t, all[2].Err, "*backend_test.list writes single facts only")
	require.Len(t, all[0].Facts, 1)
	require.Equal(t, uint64(2), all[5].Facts[0].Seq)
	require.Empty(t, log.Write(ctx))

	ctx, cancel := context.WithCancel(ctx)
	cancel()
	for _, w := range log.Write(ctx, backend.Batch{}, backend.Batch{Facts: []backend.Fact{valid()}}) {
		require.ErrorIs(t, w.Err, context.Canceled)
	}
}

func TestWritten(t *testing.T) {
	all := backend.Refused(2, backend.ErrForbidden)
	require.Equal(t, []backend.Written{{Err: backend.ErrForbidden}, {Err: backend.ErrForbidden}}, all)
	w := backend.Written{Facts: []backend.Fact{{Seq: 4}, {Seq: 9}}, First: 9}
	require.False(t, w.New(&w.Facts[0]))
	require.True(t, w.New(&w.Facts[1]))
	w.First = 0
	require.False(t, w.New(&w.Facts[1]), "it is not known")
}

// ranged records the ranges that a backend is asked to replay.
type ranged struct {
	*list
	ranges []backend.Range
}

func (r *ranged) Replay(ctx context.Context, asked backend.Range) iter.Seq2[backend.Page, error] {
	r.ranges = append(r.ranges, asked)
	return r.list.Replay(ctx, asked)
}

func TestDefaultsStats(t *testing.T) {
	ctx := context.Background()
	r := &ranged{list: new(list)}
	d := backend.DefaultsOf(r, 0)
	s, err := d.Stats(ctx)
	require.NoError(t, err)
	require.Zero(t, s)

	r.add("s", 3, 4, 7)
	r.add("t", 9)
	s, err = d.Stats(ctx)
	require.NoError(t, err)
	require.NotZero(t, s.Bytes)
	s.Bytes = 0
	require.Equal(t, backend.Stats{FirstSeq: 3, LastSeq: 9, Facts: 4}, s)

	r.ranges = nil
	r.add("s", 12)
	for range 2 {
		s, err = d.Stats(ctx)
		require.NoError(t, err)
		require.Equal(t, uint64(12), s.LastSeq)
		require.Equal(t, uint64(5), s.Facts)
	}
	require.Equal(t, []backend.Range{{After: backend.Cursor{Seq: 9}}, {After: backend.Cursor{Seq: 12}}}, r.ranges, "counting goes on where it ended")

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = d.Stats(cancelled)
	require.ErrorIs(t, err, context.Canceled)
	s, err = d.Stats(ctx)
	require.NoError(t, err)
	require.Equal(t, uint64(5), s.Facts, "an error leaves the count as it was")
}

// A follower follows a log in its own goroutine of a synctest bubble, and records the pages and their times.
type follower struct {
	began  time.Time
	pages  []backend.Page
	after  []time.Duration // when each page came, after the beginning
	err    error
	ended  bool
	cancel context.CancelFunc
}

func follow(t *testing.T, d *backend.Defaults, r backend.Range) *follower {
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{began: time.Now(), cancel: cancel}
	go func() {
		for p, err := range d.Follow(ctx, r) {
			if err != nil {
				f.err = err
				break
			}
			f.pages, f.after = append(f.pages, p), append(f.after, time.Since(f.began))
		}
		f.ended = true
	}()
	synctest.Wait()
	return f
}

// TestFollowWakes checks that Follow shows own writes at once, and reads the log only after Wake.
func TestFollowWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(list)
		d := backend.DefaultsOf(l, 0)
		all, other, none := follow(t, d, backend.Range{}), follow(t, d, backend.Range{Stores: []string{"t"}}), follow(t, d, backend.Range{Stores: []string{}})
		require.Equal(t, []string{"<=0"}, pageText(all.pages), "the first page comes at once")
		for _, seq := range []uint64{1, 2, 5} {
			l.add("s", seq)
			d.Wake()
			synctest.Wait()
		}
		replays := l.replays.Load()
		d.Wake() // nothing has changed
		synctest.Wait()
		require.Equal(t, replays+3, l.replays.Load())
		require.Equal(t, []string{"<=0", "1 <=1", "2 <=2", "5 <=5"}, pageText(all.pages))
		for _, f := range []*follower{other, none} {
			require.Equal(t, []string{"<=0", "<=1", "<=2", "<=5"}, pageText(f.pages), "Through moves over other stores")
		}
		require.Equal(t, make([]time.Duration, 4), all.after, "no time has passed")
		replays = l.replays.Load()
		time.Sleep(24 * time.Hour)
		require.Equal(t, replays, l.replays.Load(), "nothing is read while nothing changes")
		for _, f := range []*follower{all, other, none} {
			f.cancel()
			synctest.Wait()
			require.True(t, f.ended)
			require.ErrorIs(t, f.err, context.Canceled)
		}
	})
}

// TestFollowTells: a horizon comes once, with the next page, although each Replay tells it again.
func TestFollowTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type horizons = map[string]backend.Horizon
		l := &list{horizons: horizons{"s": {Seq: 1}, "t": {Seq: 1}}}
		d := backend.DefaultsOf(l, 0)
		all, other := follow(t, d, backend.Range{}), follow(t, d, backend.Range{Stores: []string{"t"}})
		for seq := range uint64(3) {
			if seq == 1 {
				l.mu.Lock()
				l.horizons = horizons{"s": {Seq: 1}, "t": {Seq: 2}}
				l.mu.Unlock()
				d.Wake() // with nothing else
				synctest.Wait()
			}
			l.add("s", seq+1)
			d.Wake()
			synctest.Wait()
		}
		for f, first := range map[*follower]horizons{all: {"s": {Seq: 1}, "t": {Seq: 1}}, other: {"t": {Seq: 1}}} {
			require.Len(t, f.pages, 4)
			for i, want := range []horizons{first, nil, {"t": {Seq: 2}}, nil} {
				require.Equal(t, want, f.pages[i].Horizons, "page %d", i)
			}
			f.cancel()
			synctest.Wait()
		}
	})
}

// TestFollowPolls checks when Follow looks for writes without a Wake.
func TestFollowPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(list)
		d := backend.DefaultsOf(l, 2*time.Second)
		require.Equal(t, 2*time.Second, d.Features().Poll)
		f := follow(t, d, backend.Range{})
		looks := func(replays int64, pause time.Duration) {
			t.Helper()
			before := l.replays.Load()
			time.Sleep(pause - time.Nanosecond)
			synctest.Wait()
			require.Equal(t, before, l.replays.Load())
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			require.Equal(t, before+replays, l.replays.Load())
		}
		for range 2 {
			looks(1, 250*time.Millisecond)
			looks(1, 500*time.Millisecond)
			looks(1, time.Second)
			looks(1, 2*time.Second)
			looks(1, 2*time.Second)
			pages := len(f.pages)
			l.addNext() // by another process
			looks(1, 2*time.Second)
			require.Len(t, f.pages, pages+1)
		}
		require.Equal(t, []string{"<=0", "1 <=1", "2 <=2"}, pageText(f.pages), "a look that finds nothing gives no page")
		l.add("s", 3)
		d.Wake()
		synctest.Wait()
		require.Len(t, f.pages, 4, "own writes show at once")
		f.cancel()
		synctest.Wait()
		require.True(t, f.ended)

		short := follow(t, backend.DefaultsOf(l, time.Millisecond), backend.Range{})
		for range 3 {
			looks(1, time.Millisecond)
		}
		short.cancel()
		synctest.Wait()
	})
}

// A busy backend calls a function while it is replayed.
type busy struct {
	*list
	begin, end func() // called once each, at a loop's beginning and before it ends; nil: not
}

func (b *busy) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		if f := b.begin; f != nil {
			b.begin = nil
			f()
		}
		b.list.Replay(ctx, r)(yield)
		if f := b.end; f != nil {
			b.end = nil
			f()
		}
	}
}

// TestFollowMissesNothing checks that Follow shows a write at any moment without another Wake.
func TestFollowMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{list: new(list)}
		d := backend.DefaultsOf(b, 0)
		write := func() {
			b.addNext()
			d.Wake()
		}
		b.begin, b.end = write, write
		f := follow(t, d, backend.Range{})
		require.Equal(t, []string{"1 <=1", "2 <=2"}, pageText(f.pages), "as the first loop begins and ends")
		b.begin, b.end = write, write
		write()
		synctest.Wait()
		require.Equal(t, []string{"1 <=1", "2 <=2", "3 4 <=4", "5 <=5"}, pageText(f.pages), "as later loops begin and end")
		f.cancel()
		synctest.Wait()

		n := 0
		for p, err := range d.Follow(t.Context(), backend.Range{After: backend.Cursor{Seq: 5}}) { // in the body
			require.NoError(t, err)
			if len(p.Facts) > 0 {
				n++
			}
			if n == 5 {
				break
			}
			write()
		}
		require.Equal(t, uint64(10), b.last())
	})
}

func TestFollowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(list)
		log := backend.Complete(l)
		d := backend.DefaultsOf(l, 0)
		l.add("s", 1, 2, 3)
		l.add("s", 7)
		for _, r := range []backend.Range{{Through: 2}, {Through: 7}, {After: backend.Cursor{Seq: 3}, Through: 5}, {After: backend.Cursor{Seq: 7}, Through: 4}} {
			f := follow(t, d, r)
			require.True(t, f.ended, "%+v", r)
			require.NoError(t, f.err)
			require.Equal(t, max(r.Through, r.After.Seq), f.pages[len(f.pages)-1].Through.Seq)
		}
		f := follow(t, d, backend.Range{After: backend.Cursor{Seq: 7}, Through: 9, Stores: []string{"s"}})
		l.add("t", 8)
		d.Wake()
		synctest.Wait()
		require.False(t, f.ended)
		l.add("t", 20)
		d.Wake()
		synctest.Wait()
		require.True(t, f.ended)
		require.NoError(t, f.err)
		require.Equal(t, []string{"<=7", "<=8", "<=9"}, pageText(f.pages))

		f = follow(t, d, backend.Range{After: backend.Cursor{Seq: 21}})
		require.ErrorIs(t, f.err, backend.ErrDiverged)

		ended := make(chan error)
		go func() {
			_, err := collect(log.Follow(t.Context(), backend.Range{}))
			ended <- err
		}()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, log.Close())
		require.ErrorIs(t, <-ended, backend.ErrClosed)
		require.Equal(t, began, time.Now(), "a follower ends at once when the log is closed")
	})
}

// TestFollowOwnWrites checks that a completed backend wakes followers after its own writes.
func TestFollowOwnWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := backend.Complete(new(list))
		began, n := time.Now(), 0
		for p, err := range log.Follow(t.Context(), backend.Range{}) {
			require.NoError(t, err)
			if n += len(p.Facts); n == 4 {
				break
			}
			f := valid()
			f.ID = string(rune('a' + n))
			if n%2 == 0 {
				_, err = log.WriteFact(t.Context(), f)
			} else {
				err = log.Write(t.Context(), backend.Batch{Facts: []backend.Fact{f}})[0].Err
			}
			require.NoError(t, err)
		}
		require.Equal(t, began, time.Now())
	})
}
