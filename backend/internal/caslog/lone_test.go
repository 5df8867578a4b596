// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestLargeGivenUp: a caller whose context ends returns, even if the place takes long for its large fact and ignores the
// context.
func TestLargeGivenUp(t *testing.T) {
	t.Parallel()
	s := newStore(backend.LogID{1}, nil)
	taken := make(chan struct{})
	l, err := Open(t.Context(), s.port(func(_ context.Context, op string) fault {
		if op == "append" {
			<-taken
		}
		return fine
	}), Options{})
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	large := backend.Fact{ID: "large", Store: "s1", Key: "k1", Value: []byte(`"` + strings.Repeat("x", loneBytes) + `"`)}
	_, err = l.WriteFact(ctx, large)
	require.ErrorIs(t, err, context.Canceled)
	close(taken)
	f, err := l.WriteFact(t.Context(), large)
	require.NoError(t, err)
	require.Equal(t, []backend.Fact{f}, replay(t, l))
}

// TestNoAnswer: a caller whose deadline passes while the place does not answer gets an error that says so, whether it
// appends its facts itself or waits for its turn.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		l, err := Open(t.Context(), newStore(backend.LogID{1}, nil).port(func(ctx context.Context, op string) fault {
			if (op == "append" || op == "head") && hangs.Load() {
				<-ctx.Done()
			}
			return fine
		}), Options{})
		require.NoError(t, err)
		defer l.Close()
		hangs.Store(true)
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*noAnswer)
				defer cancel()
				_, err := l.WriteFact(ctx, backend.Fact{ID: fmt.Sprint(i), Store: "s1", Key: "k1", Value: []byte("2")})
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, backend.ErrUnavailable) {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

// TestLoneCaller: a single caller appends its fact itself. If its context ends meanwhile, it returns at once, others go on,
// and the fact is in the log once or not at all. If the log is closed meanwhile, the error is ErrClosed.
func TestLoneCaller(t *testing.T) {
	t.Parallel()
	for _, landed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore(backend.LogID{1}, nil)
			var hangs atomic.Bool
			l, err := Open(t.Context(), s.port(func(ctx context.Context, op string) fault {
				if op == "append" && hangs.Load() {
					<-ctx.Done()
				}
				return fine
			}), Options{})
			require.NoError(t, err)
			writeNamed(t, l, "first")
			hangs.Store(true)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			fact := backend.Fact{ID: "given up", Store: "s1", Key: "k1", Value: []byte("2")}
			go func() {
				_, err := l.WriteFact(ctx, fact)
				done <- err
			}()
			synctest.Wait()
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			hangs.Store(false)
			if landed { // appended although the caller got an error
				other := openIndexed(t, s, 0)
				_, err = other.WriteFact(t.Context(), fact)
				require.NoError(t, err)
				require.NoError(t, other.Close())
			}
			second := writeNamed(t, l, "second")
			again, err := l.WriteFact(t.Context(), fact)
			require.NoError(t, err)
			facts := replay(t, l)
			require.Len(t, facts, 3)
			require.Contains(t, facts, again)
			require.Contains(t, facts, second)

			hangs.Store(true)
			go func() {
				_, err := l.WriteFact(t.Context(), backend.Fact{ID: "at the end", Store: "s1", Key: "k1", Value: []byte("2")})
				done <- err
			}()
			synctest.Wait()
			require.NoError(t, l.Close())
			require.ErrorIs(t, <-done, backend.ErrClosed, fmt.Sprint(landed))
		})
	}
}
