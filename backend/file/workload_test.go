// SPDX-License-Identifier: Apache-2.0

package file

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// crashSoak asks for many more seeds than fit a run of all tests.
var crashSoak = os.Getenv("IGNITER_SOAK") != ""

// A crashSetup is a log under test on a disk.
type crashSetup struct {
	sync   Sync
	wrap   func(vfs.FS) vfs.FS // puts a seeded bug between the log and the disk
	silent bool                // a seeded bug of Replay
	short  bool                // a workload of fewer steps
}

// open opens the log on a disk. It shares the clock of the model, so that times go on after a crash.
func (s crashSetup) open(ctx context.Context, d *vfstest.Disk, m *crashModel, repair bool) (*crashLog, error) {
	fsys := vfs.FS(d)
	if s.wrap != nil {
		fsys = s.wrap(d)
	}
	l, err := Open(ctx, Options{
		Path: "/log", Sync: s.sync, SyncInterval: time.Hour, SegmentSize: minSegment, Repair: repair,
		Now: m.now, fs: fsys,
	})
	if err != nil {
		return nil, err
	}
	return &crashLog{l, s.silent}, nil
}

// A crashStep is a part of a workload. It expects of the log what the model says.
type crashStep struct {
	name string
	do   func(ctx context.Context, l *crashLog, m *crashModel) error // nil: close the log and open it again
}

func crashWrites(n int) crashStep {
	return crashStep{"write", func(ctx context.Context, l *crashLog, m *crashModel) error {
		for range n {
			if err := m.write(ctx, l, m.fact()); err != nil {
				return err
			}
		}
		return nil
	}}
}

func crashBatch(n int) crashStep {
	return crashStep{"batch", func(ctx context.Context, l *crashLog, m *crashModel) error {
		var facts []backend.Fact
		for range n {
			facts = append(facts, m.fact())
		}
		return m.write(ctx, l, facts...)
	}}
}

// crashAgain writes a fact that the log holds already.
func crashAgain() crashStep {
	return crashStep{"again", func(ctx context.Context, l *crashLog, m *crashModel) error {
		seqs := m.seqs()
		if len(seqs) == 0 {
			return nil
		}
		return m.again(ctx, l, m.acked[seqs[len(seqs)/2]])
	}}
}

// crashSnapshot consolidates the log through the fact that has a part of all facts before it.
func crashSnapshot(part float64) crashStep {
	return crashStep{"snapshot", func(ctx context.Context, l *crashLog, m *crashModel) error {
		through := uint64(0)
		if seqs := m.seqs(); part < 1 && len(seqs) > 0 {
			through = seqs[int(part*float64(len(seqs)))]
		}
		return l.WriteSnapshot(ctx, through)
	}}
}

// crashPrune prunes facts at parts of the log; 1 is the last one.
func crashPrune(parts ...float64) crashStep {
	return crashStep{"prune", func(ctx context.Context, l *crashLog, m *crashModel) error {
		var gone []uint64
		if seqs := m.seqs(); len(seqs) > 0 {
			for _, part := range parts {
				gone = append(gone, seqs[int(part*float64(len(seqs)-1))])
			}
		}
		return m.prune(ctx, l, gone)
	}}
}

// crashTick syncs as the flusher does at intervals under SyncInterval.
func crashTick() crashStep {
	return crashStep{"tick", func(_ context.Context, l *crashLog, _ *crashModel) error {
		if l.opts.Sync == SyncInterval {
			l.syncUnsynced()
		}
		return nil
	}}
}

// steps returns the steps of the workload: it writes single facts, batches and facts twice, into several
// segments, makes snapshots of segments and of a snapshot, and prunes facts from all of them.
func (s crashSetup) steps() []crashStep {
	again := crashStep{name: "reopen"}
	if s.short {
		return []crashStep{
			crashWrites(3), crashBatch(3), crashTick(), crashWrites(4), crashSnapshot(0.5), crashWrites(2), crashPrune(0, 0.7, 1),
			crashWrites(1), again, crashWrites(2), crashBatch(2), crashSnapshot(1), crashWrites(1), crashAgain(),
		}
	}
	return []crashStep{
		crashWrites(4), crashBatch(3), crashTick(), crashAgain(), crashWrites(9), crashTick(), crashWrites(3), crashSnapshot(0.4),
		crashBatch(4), crashPrune(0.1, 0.5, 0.9), crashWrites(4), crashTick(), crashSnapshot(1), crashWrites(2), crashPrune(0.2, 1),
		crashWrites(1), again, crashWrites(5), crashAgain(), crashBatch(2), crashTick(), crashPrune(0.95), crashWrites(3),
	}
}

// run runs the workload on a disk up to the first error. The model knows what was acknowledged.
func (s crashSetup) run(ctx context.Context, d *vfstest.Disk, m *crashModel) (err error) {
	l, err := s.open(ctx, d, m, false)
	if err != nil {
		return err
	}
	defer func() {
		if l != nil {
			err = cmp.Or(err, l.Close())
		}
	}()
	for _, step := range s.steps() {
		if step.do != nil {
			err = step.do(ctx, l, m)
		} else if err = l.Close(); err == nil {
			l, err = s.open(ctx, d, m, false)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		m.observe(ctx, l)
	}
	return nil
}

// crashEach calls do with 0 to n-1 on all processors, and returns the errors, at most a few.
func crashEach(n int, do func(i int) error) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var next atomic.Int64
	var errs []error
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				err := do(i)
				mu.Lock()
				if err != nil {
					errs = append(errs, err)
				}
				enough := len(errs) >= 3
				mu.Unlock()
				if enough {
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// crashedUnder reports whether an error only says that the disk has crashed.
func crashedUnder(d *vfstest.Disk, err error) bool {
	return d.Crashed() && errors.Is(err, vfstest.ErrCrashed)
}

// A brokenPromise is an error that no failure of the disk excuses.
type brokenPromise struct{ what string }

func (e *brokenPromise) Error() string { return e.what }

func broken(format string, args ...any) error { return &brokenPromise{fmt.Sprintf(format, args...)} }

// A crashLog is a log, perhaps with a bug of its own.
type crashLog struct {
	*Log
	silent bool
}

// newCrashFact returns the n-th fact of a workload. Some are larger than several sectors of a disk.
func newCrashFact(n int, small bool) backend.Fact {
	id := fmt.Sprintf("0190b5a2-0000-7000-8000-%012d", n)
	if n%5 == 4 {
		id = fmt.Sprintf("order/%d", n)
	}
	size := 1 + n*7%40
	if n%4 == 1 && !small {
		size = 300 + n*131%1200
	}
	var pad strings.Builder
	for i := range size {
		pad.WriteByte('a' + byte((i*i+n*7)%26))
	}
	return backend.Fact{
		ID: id, Store: fmt.Sprintf("store%d", n%2), Key: fmt.Sprintf("key%d", n%3),
		Value: json.RawMessage(fmt.Sprintf(`{"n":%d,"pad":%q}`, n, pad.String())),
	}
}

// crashResubmitted returns a fact as its writer would write it again.
func crashResubmitted(f backend.Fact) backend.Fact {
	return backend.Fact{ID: f.ID, Store: f.Store, Key: f.Key, Value: f.Value}
}

func (m *crashModel) now() time.Time {
	return time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(m.clock.Add(1)) * time.Millisecond)
}

// clone returns a copy of the model, for a log that goes on from the same moment in another way.
func (m *crashModel) clone() *crashModel {
	c := *m
	c.acked, c.pruned, c.pruning = maps.Clone(m.acked), maps.Clone(m.pruned), maps.Clone(m.pruning)
	c.doubt, c.refused, c.gone = maps.Clone(m.doubt), maps.Clone(m.refused), maps.Clone(m.gone)
	c.batches = slices.Clone(m.batches)
	c.clock = &atomic.Int64{}
	c.clock.Store(m.clock.Load())
	return &c
}
