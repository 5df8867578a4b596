package store

import (
	"container/heap"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// Of those who wait for one seq, the one who brings the fact is first, whoever came first: the others
// wait for it.
func TestWaitersWithTheFactComeFirst(t *testing.T) {
	for _, first := range []int{0, 1, 2} {
		var w waiters
		for i := range 3 {
			x := waiter{seq: 5}
			if i == first {
				x.fact = new(backend.Fact)
			}
			heap.Push(&w, x)
		}
		heap.Push(&w, waiter{seq: 4})
		require.Equal(t, uint64(4), heap.Pop(&w).(waiter).seq)
		require.NotNil(t, heap.Pop(&w).(waiter).fact)
	}
}
