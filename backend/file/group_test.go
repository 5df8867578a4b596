// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// queued waits until n writes wait for the committer.
func queued(t *testing.T, l *Log, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.queue) == n
	}, time.Minute, time.Millisecond)
}

// oneGroup lets writes gather during the sync of another write, and returns their errors. The first write to the segment
// after that sync finds no room.
func oneGroup(t *testing.T, d *vfstest.Disk, l *Log, batches ...backend.Batch) []error {
	t.Helper()
	reached, open := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	state := 0
	d.With(func() {
		d.Fault = func(op, name string, _ int) *vfstest.Fault {
			mu.Lock()
			was := state
			if op == "sync" && was == 0 || op == "write" && was == 1 {
				state++
			}
			mu.Unlock()
			switch {
			case op == "sync" && was == 0:
				close(reached)
				<-open
			case op == "write" && was == 1:
				return &vfstest.Fault{Kind: vfstest.Short, N: 3}
			}
			return nil
		}
	})
	var writers sync.WaitGroup
	writers.Go(func() { _, _ = l.WriteFact(context.Background(), newFact(500)) })
	<-reached
	errs := make([]error, len(batches))
	for i, b := range batches {
		writers.Go(func() {
			var facts []backend.Fact
			if facts, errs[i] = writeBatch(t.Context(), l, b); errs[i] == nil {
				copy(b.Facts, facts)
			}
		})
		queued(t, l, i+1)
	}
	close(open)
	writers.Wait()
	return errs
}

// TestJudgedByWhatIsNotWritten writes a group whose frame cannot be written. Writes that were refused or accepted because
// of a fact in the group get the error that nothing was written, since that fact does not exist.
func TestJudgedByWhatIsNotWritten(t *testing.T) {
	d := vfstest.New()
	l := openTest(t, Options{fs: d})
	writeSome(t, l, 0, 1)
	expect := func(id string) []backend.Expect {
		return []backend.Expect{{Store: "tasks", Key: "task-000000", ID: id}}
	}
	a := newFact(1000) // of the key that newFact(0) has
	other := a
	other.Value = json.RawMessage(`"other"`)
	errs := oneGroup(t, d, l,
		backend.Batch{Facts: []backend.Fact{a}},
		backend.Batch{Facts: []backend.Fact{newFact(2001)}, Expect: expect(newFact(0).ID)},
		backend.Batch{Facts: []backend.Fact{other}},
		backend.Batch{Expect: expect(a.ID)},
		backend.Batch{Facts: []backend.Fact{newFact(0)}, Expect: expect("none")}, // held already, whatever was expected
	)
	for _, err := range errs[:4] {
		require.ErrorIs(t, err, backend.ErrFull)
	}
	require.NoError(t, errs[4])
	require.Equal(t, 2, count(t, l, 0))
	_, err := writeBatch(t.Context(), l, backend.Batch{Expect: expect(newFact(0).ID)})
	require.NoError(t, err)
}

// TestCausationIsThere makes a write that does not fit the frame of an earlier write, and lets the earlier one fail. The
// causation of the later write is a fact that exists.
func TestCausationIsThere(t *testing.T) {
	d := vfstest.New()
	l := openTest(t, Options{fs: d, MaxFrame: 4 << 10})
	writeSome(t, l, 0, 1)
	large := func(n int) backend.Batch {
		f := newFact(n)
		f.Value = json.RawMessage(`"` + strings.Repeat("x", 2500) + `"`)
		return backend.Batch{Facts: []backend.Fact{f}}
	}
	a, b := large(1000), large(2000)
	errs := oneGroup(t, d, l, a, b)
	require.ErrorIs(t, errs[0], backend.ErrFull)
	require.NoError(t, errs[1])
	require.Equal(t, newFact(0).ID, b.Facts[0].Causation)
}
