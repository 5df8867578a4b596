// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// batches returns a batch for each of some sizes, of the facts numbered from 1 on.
func batches(sizes ...int) (all []backend.Batch) {
	n := 0
	for _, size := range sizes {
		all = append(all, backend.Batch{Facts: batchOf(n+1, n+size)})
		n += size
	}
	return all
}

// TestWrite writes many batches with one call: each has its own verdict, and a batch that the client or the server refuses
// does not affect the others.
func TestWrite(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{MaxFrame: 64 << 10})
	c := connect(t, s.options)
	all := batches(1, 3, 1, 2, 1, 1, 2)
	all[1].Expect = []backend.Expect{{Store: "s", Key: "k1", ID: "f1"}}        // holds
	all[2].Expect = []backend.Expect{{Store: "s", Key: "k1", ID: "f1"}}        // does not
	all[3].Facts[1].Key = strings.Repeat("x", 2000)                            // the client refuses it
	all[4].Facts[0].Value = []byte(`"` + strings.Repeat("x", 64<<10-20) + `"`) // its frame is too large
	all[5].Facts[0].ID = "f1"                                                  // the log has another one
	all = append(all, all[1], backend.Batch{}, backend.Batch{Expect: all[2].Expect}, backend.Batch{Facts: append(batchOf(1, 2), batchOf(12, 13)...)})
	w := c.Write(t.Context(), all...)
	require.Len(t, w, len(all))
	for i, err := range []error{nil, nil, backend.ErrConflict, backend.ErrInvalid, backend.ErrTooLarge, backend.ErrIDReused, nil, nil, nil, backend.ErrConflict, nil} {
		require.ErrorIs(t, w[i].Err, err, i)
		if err != nil {
			require.Equal(t, backend.Written{Err: w[i].Err}, w[i])
			require.ErrorContains(t, w[i].Err, fmt.Sprintf("network: write batch of %d facts: ", len(all[i].Facts)))
		}
	}
	first := func(i int) uint64 { return w[i].First }
	require.Equal(t, []uint64{1, 2, 5, 0, 0, 7}, []uint64{first(0), first(1), first(6), first(7), first(8), first(10)})
	require.Equal(t, w[1].Facts, w[7].Facts, "written again")
	var held []backend.Fact
	for _, i := range []int{0, 1, 6} {
		held = append(held, w[i].Facts...)
	}
	held = append(held, w[10].Facts[2:]...)
	same(t, contents(t, s.log), held)
	same(t, held[:2], w[10].Facts[:2])
	stats, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(1), stats.Connection.Connects)
	require.Equal(t, 0, len(c.Write(t.Context())))
}

// TestWriteMuch writes more batches than the client sends at once.
func TestWriteMuch(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{})
	c := connect(t, s.options)
	var all []backend.Batch
	for n := range 40 {
		all = append(all, backend.Batch{Facts: batchOf(10*n+1, 10*n+10)})
		all[n].Facts[n%10].Value = []byte(`"` + strings.Repeat("x", 120<<10) + `"`)
	}
	for n, w := range c.Write(t.Context(), all...) {
		require.NoError(t, w.Err)
		require.Equal(t, uint64(10*n+1), w.First)
		require.Len(t, w.Facts, 10)
	}
	require.Len(t, contents(t, s.log), 400)
}

// TestCutWrites cuts the connection at each of the requests and answers of one Write: every batch is written once, in
// order, and First never names an old fact.
func TestCutWrites(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{})
	p := startProxy(t, s.options.Address)
	c := connect(t, hasty(p.through(s.options)))
	n := 0
	for _, isUp := range []bool{true, false} {
		for _, keep := range []int{0, 3, 1 << 30} {
			for at := range 6 {
				seen := 0
				happened := p.once(func(f passing) bool {
					if f.up != isUp || !strings.HasPrefix(f.op, "write_") {
						return false
					}
					seen++
					return seen > at
				}, action{fate: isCut, keep: keep})
				var all []backend.Batch
				latest := ""
				for size := range 6 { // each expects the batch before it
					b := backend.Batch{Facts: batchOf(n+1, n+1+size)}
					for i := range b.Facts {
						b.Facts[i].Key = "k"
					}
					if size > 0 {
						b.Expect = []backend.Expect{{Store: "s", Key: "k", ID: latest}}
					}
					n += size + 1
					latest = fmt.Sprintf("f%d", n)
					all = append(all, b)
				}
				for i, w := range c.Write(t.Context(), all...) {
					require.NoError(t, w.Err)
					require.Equal(t, all[i].Facts[0].ID, fmt.Sprintf("f%d", w.Facts[0].Seq))
					require.Contains(t, []uint64{0, w.Facts[0].Seq}, w.First)
				}
				<-happened
			}
		}
	}
	p.rules(nil)
	for i, f := range contents(t, s.log) {
		require.Equal(t, fmt.Sprintf("f%d", i+1), f.ID)
		require.Equal(t, uint64(i)+1, f.Seq)
	}
	require.Len(t, contents(t, s.log), n)
}

// TestWriteGivenUp cancels a Write whose batches the server does not answer: all verdicts report it at once, and writing
// the same batches again finds the written ones.
func TestWriteGivenUp(t *testing.T) {
	t.Parallel()
	log := newGatedLog()
	s := startLog(t, log, server.Options{})
	c := connect(t, s.options)
	log.shut()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan []backend.Written)
	go func() { done <- c.Write(ctx, batches(1, 2, 3)...) }()
	<-log.waiting
	cancel()
	for _, w := range <-done {
		require.ErrorIs(t, w.Err, context.Canceled)
		require.Nil(t, w.Facts)
	}
	for _, w := range c.Write(ctx, batches(1, 2)...) {
		require.ErrorIs(t, w.Err, context.Canceled)
	}
	log.open()
	for i, w := range c.Write(t.Context(), batches(1, 2, 3)...) {
		require.NoError(t, w.Err)
		require.Zero(t, w.First, i)
	}
	require.Len(t, contents(t, log), 6)
}

// An unavailableLog does not write facts of some stores, for the time being.
type unavailableLog struct {
	*memory.Log
	refused func(n int, b backend.Batch) bool // of the n-th batch
	n       int
}

func (l *unavailableLog) Write(ctx context.Context, batches ...backend.Batch) (all []backend.Written) {
	for _, b := range batches {
		l.n++
		if l.refused(l.n, b) {
			all = append(all, backend.Refused(1, fmt.Errorf("%w: not now", backend.ErrUnavailable))...)
		} else {
			all = append(all, l.Log.Write(ctx, b)...)
		}
	}
	return all
}

// TestWriteUnavailable writes to a log that is unavailable for a while: the last batches are retried. A batch before a
// written one is not, since it would come after it.
func TestWriteUnavailable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refused map[int]bool
		want    []int // the batches that are written, in order
	}{
		"the last ones":     {map[int]bool{4: true, 5: true, 6: true}, []int{1, 2, 3, 4, 5}},
		"one":               {map[int]bool{2: true}, []int{1, 3, 4, 5}},
		"one, and the last": {map[int]bool{2: true, 5: true, 6: true}, []int{1, 3, 4, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &unavailableLog{Log: memory.New(memory.Options{}), refused: func(n int, _ backend.Batch) bool { return c.refused[n] }}
			s := startLog(t, log, server.Options{})
			all := batches(2, 2, 2, 2, 2)
			wants := map[int]bool{}
			for _, i := range c.want {
				wants[i] = true
			}
			for i, w := range connect(t, hasty(s.options)).Write(t.Context(), all...) {
				if wants[i+1] {
					require.NoError(t, w.Err)
				} else {
					require.ErrorIs(t, w.Err, backend.ErrUnavailable)
				}
			}
			var got []int
			for i, f := range contents(t, log) {
				if i%2 == 0 {
					var n int
					_, err := fmt.Sscanf(f.ID, "f%d", &n)
					require.NoError(t, err)
					got = append(got, (n+1)/2)
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}

// TestFeatures checks the features of the server's log, also after a reconnect and after Close.
func TestFeatures(t *testing.T) {
	t.Parallel()
	s := serve(t, memory.New(memory.Options{MaxFrame: 5000}), "tcp", server.Options{})
	p := startProxy(t, s.options.Address)
	c := connect(t, hasty(p.through(s.options)))
	require.Equal(t, s.log.Features(), c.Features())
	require.True(t, c.Features().Batches && c.Features().Prune)
	require.Equal(t, 5000, c.Features().MaxFrame)
	p.cut()
	s.stop(t)
	require.Equal(t, 5000, c.Features().MaxFrame, "as it was last")

	again := startLog(t, backend.Complete(struct{ backend.Backend }{memory.New(memory.Options{})}), server.Options{MaxFrame: 4000})
	p.redirect(again.options.Address)
	_, err := c.WriteFact(t.Context(), numbered(1))
	require.NoError(t, err)
	require.Equal(t, again.log.Features(), c.Features())
	require.Equal(t, backend.DefaultPoll, c.Features().Poll)
	require.False(t, c.Features().Batches || c.Features().Prune)
	w := c.Write(t.Context(), backend.Batch{Facts: batchOf(2, 2)}, backend.Batch{Facts: batchOf(3, 4)}, backend.Batch{})
	require.NoError(t, w[0].Err)
	require.Zero(t, w[0].First, "it is not known")
	require.ErrorIs(t, w[1].Err, errors.ErrUnsupported)
	require.NoError(t, w[2].Err)
	_, err = c.Prune(t.Context(), slices.Values([]uint64{1}), backend.Horizon{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	f := numbered(5)
	f.Value = []byte(`"` + strings.Repeat("x", 4000) + `"`)
	_, err = c.WriteFact(t.Context(), f)
	require.ErrorIs(t, err, backend.ErrTooLarge)
	require.ErrorContains(t, err, "4000 bytes", "the limit of the server of now")
	require.NoError(t, c.Close())
	require.Equal(t, again.log.Features(), c.Features())
}

// TestFeaturesOfGrant checks the stores that the client may read.
func TestFeaturesOfGrant(t *testing.T) {
	t.Parallel()
	token, tokens := loadTokens(t, "read: [b, a]")
	s := start(t, server.Options{Tokens: tokens})
	s.options.Token = token
	c := connect(t, s.options)
	c.Features().Stores[0] = "x" // the caller owns it
	require.Equal(t, []string{"a", "b"}, c.Features().Stores)
}

// TestOtherVersion reconnects to a server that speaks another version of the protocol: its log is another one.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{})
	o := startOld(t, s.options.Address)
	for _, old := range []bool{false, true} {
		o.knowsHello(!old)
		c := connect(t, hasty(o.through(s.options)))
		_, err := c.WriteFact(t.Context(), numbered(1))
		require.NoError(t, err)
		o.knowsHello(old)
		o.cut()
		for name, call := range every(c) {
			if old && (strings.HasPrefix(name, "Write of") || name == "Write" || name == "Prune") {
				continue // there is no such request
			}
			require.Eventually(t, func() bool { return errors.Is(call(t.Context()), backend.ErrDiverged) }, eventually, tick, name)
		}
	}
}
