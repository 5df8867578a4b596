// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Reads by valid time of keys with many facts are right on all axes while facts are added and pruned, some of them
// valid before earlier ones.
func TestValidTimesOfDeepKeys(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	second := func(n int) time.Time {
		if n < 0 {
			return time.Time{}
		}
		return time.Unix(int64(n), 0).UTC()
	}
	e := openEngine(t, newLog(t))
	var o oracle
	check := func() {
		for range 30 {
			m := store.Moment{Valid: second(draw.IntN(120))}
			if draw.IntN(2) == 0 {
				m.Seq = uint64(draw.IntN(len(o) + 1))
			}
			if draw.IntN(2) == 0 {
				m.Time = second(draw.IntN(120) - 1)
			}
			h := e.Horizon("s")
			if _, _, err := e.GetAt(t.Context(), "s", "k", m); errors.Is(err, backend.ErrCompacted) {
				require.True(t, m.Seq != 0 && m.Seq < h.Seq || !m.Time.IsZero() && m.Time.Before(h.Time) || m.Valid.Before(h.Time), "%+v, %+v", m, h)
				continue
			}
			checkAt(t, o, e, "s", "k", m)
		}
	}
	for n := range 400 {
		f := fact("k", n)
		f.ID = fmt.Sprint(n)
		f.TransactionTime = second(n/5 + draw.IntN(10) + 1)
		if draw.IntN(3) == 0 {
			f.ValidTime = second(draw.IntN(100))
		}
		written, err := e.Import(t.Context(), f)
		require.NoError(t, err)
		o = append(o, written)
		if draw.IntN(4) == 0 {
			check()
		}
	}
	require.NoError(t, e.Retain("s", store.Retention{Versions: 250}))
	_, err := e.Compact(t.Context())
	require.NoError(t, err)
	check()
	require.Less(t, len(factsOf(e.Facts(t.Context(), "s", 0))), 400)
}

// Reads by valid time see all earlier writes while more facts are written.
func TestValidTimesWhileWriting(t *testing.T) {
	e := openEngine(t, newLog(t))
	const facts = 3000
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for e.Head() < facts && !t.Failed() {
				head := e.Head()
				r, ok, _ := e.GetAt(t.Context(), "s", "k", store.Moment{Seq: head, Valid: time.Unix(2*facts, 0)})
				if head > 0 && (!ok || r.Seq() != max(head-head%7, min(head, 6))) {
					t.Errorf("as of seq %d: seq %d", head, r.Seq())
				}
			}
		})
	}
	for n := 1; n <= facts; n++ {
		f := fact("k", n)
		f.ValidTime = time.Unix(int64(n), 0) // every seventh is valid after the six that follow
		if n%7 != 0 && n > 6 {
			f.ValidTime = time.Unix(int64(n-n%7-7), 0)
		}
		if _, err := e.Write(t.Context(), f); err != nil {
			t.Error(err)
			break
		}
	}
	wg.Wait()
}
