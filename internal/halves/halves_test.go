package halves_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/halves"
)

func double(from, into []int) error {
	for i, n := range from {
		into[i] += 2 * n
	}
	return nil
}

func TestDo(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 33, 1000} {
		from, into, want := make([]int, n), make([]int, n+1), make([]int, n+1)
		for i := range from {
			from[i], want[i] = i, 2*i
		}
		require.NoError(t, halves.Do(from, into, double))
		require.Equal(t, want, into)
	}
	few := make([]int, 31)
	require.Zero(t, testing.AllocsPerRun(10, func() { _ = halves.Do(few, few, double) }))
}

func TestErrors(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	from := make([]int, 100)
	from[99] = 1
	fail := func(from, _ []int) error {
		if from[len(from)-1] == 1 {
			return second
		}
		return first
	}
	require.Equal(t, first, halves.Do(from, from, fail))
	require.Equal(t, second, halves.Do(from, from, func(from, into []int) error {
		if err := fail(from, into); err == second {
			return err
		}
		return nil
	}))
}
