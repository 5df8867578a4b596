// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// An absent backend can't be reached while it is down.
type absent struct {
	*memory.Log
	down  atomic.Bool
	tries atomic.Int64
}

func (a *absent) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	a.tries.Add(1)
	return eachPage(a.Log.Follow(ctx, r), func(p *backend.Page) error {
		if a.down.Load() && len(p.Facts) > 0 {
			return fmt.Errorf("absent: %w", backend.ErrUnavailable)
		}
		return nil
	})
}

// The engine waits for the end of an outage of any length, trying less and less often; after the outage it tries
// often again.
func TestOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &absent{Log: memory.New(memory.Options{})}
		defer a.Close()
		e, err := store.Open(t.Context(), a, store.Options{})
		require.NoError(t, err)
		defer e.Close()
		var firsts []int64
		for n := range 3 {
			a.down.Store(true)
			written, err := a.WriteFact(t.Context(), withID(fact("k", n), fmt.Sprint(n)))
			require.NoError(t, err)
			before := a.tries.Load()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			firsts = append(firsts, a.tries.Load()-before)
			time.Sleep(time.Hour)
			synctest.Wait()
			require.NoError(t, e.Err())
			require.Less(t, e.Head(), written.Seq)
			require.Less(t, a.tries.Load()-before, int64(3600), "one in two seconds or so")
			a.down.Store(false)
			require.NoError(t, e.WaitFor(t.Context(), written.Seq))
		}
		for _, tries := range firsts {
			require.GreaterOrEqual(t, tries, int64(2), "%v", firsts)
		}
	})
}
