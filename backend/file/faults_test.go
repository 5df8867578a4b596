// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// A faultCase says which steps of a disk fail, and how.
type faultCase struct {
	fault vfstest.Fault
	at    int  // the first step that fails
	later bool // and then each later one of its kind

	mu     sync.Mutex
	op     string // the first operation that failed
	file   string
	named  map[string]bool // whether the last file created under a name was renamed since
	synced bool            // a sync of a segment's facts has failed
}

func (c *faultCase) hook(op, name string, n int) *vfstest.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.named == nil {
		c.named = map[string]bool{}
	}
	if op == "create" || op == "rename" {
		c.named[name] = op == "rename" // an open file keeps the name under which it was created
	}
	if n == c.at {
		c.op, c.file = op, name
	}
	if n != c.at && (!c.later || n < c.at || op != c.op) {
		return nil
	}
	c.synced = c.synced || op == "sync" && (strings.HasSuffix(name, segmentExt) || strings.HasSuffix(name, segmentExt+tempExt) && c.named[name])
	return &c.fault
}

func (c *faultCase) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := []string{"fails", "is done and fails", "is done in part and fails"}[c.fault.Kind]
	if c.later {
		kind += ", as do those after it"
	}
	return fmt.Sprintf("step %d, %s %s, %s", c.at, c.op, c.file, kind)
}

// failedSync reports whether the log cannot know any more what is durable.
func (c *faultCase) failedSync() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced
}

// forgetSync is called before the log is opened again.
func (c *faultCase) forgetSync() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.synced = false
}

// fullSegment reports whether the only fault is that there was no room in a segment.
func (c *faultCase) fullSegment() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault.Kind == vfstest.Short && !c.later && c.op == "write" && strings.HasSuffix(strings.TrimSuffix(c.file, tempExt), segmentExt)
}

// TestFaultAtEachStep makes each step of a workload fail, once or from then on: the step is not done, is done but reports
// an error, or a write is done in part because there is no room. The log reports each failure, stays readable, and never
// loses an acknowledged fact.
func TestFaultAtEachStep(t *testing.T) {
	for _, policy := range []Sync{SyncAlways, SyncInterval} {
		t.Run(string(policy), func(t *testing.T) {
			var faults atomic.Int64
			err := faultCheck(t.Context(), crashSetup{sync: policy, short: true}, &faults)
			t.Logf("%d faults", faults.Load())
			require.NoError(t, err)
		})
	}
}

// faultCheck runs the workload with each fault.
func faultCheck(ctx context.Context, s crashSetup, count *atomic.Int64) error {
	whole := vfstest.New()
	if err := s.run(ctx, whole, newCrashModel()); err != nil {
		return fmt.Errorf("without a fault: %w", err)
	}
	steps := whole.Steps()
	var cases []*faultCase
	for i, step := range steps {
		for _, kind := range []vfstest.Kind{vfstest.NotDone, vfstest.Done, vfstest.Short} {
			for _, later := range []bool{false, true} {
				if kind == vfstest.Short && !strings.HasPrefix(step, "write") || !crashSoak && later && (i+int(kind))%3 > 0 {
					continue
				}
				cases = append(cases, &faultCase{fault: vfstest.Fault{Kind: kind, N: i * 97 % 700}, at: i + 1, later: later})
			}
		}
	}
	return crashEach(len(cases), func(i int) error {
		count.Add(1)
		if err := s.checkFault(ctx, cases[i]); err != nil {
			return fmt.Errorf("%s: %w", cases[i], err)
		}
		return nil
	})
}

// checkFault runs the workload with a fault, and recovers afterwards on a sound disk.
func (s crashSetup) checkFault(ctx context.Context, c *faultCase) error {
	d, m := vfstest.New(), newCrashModel()
	d.Fault = c.hook
	l, err := s.faultyRun(ctx, d, m, c)
	if err != nil {
		return err
	}
	var count crashCount
	for i, seed := range []uint64{0, 1, uint64(c.at) + 1} {
		if s.sync != SyncAlways || !crashSoak && i > 0 && c.at%2 == i-1 {
			continue
		}
		if err := s.opened(ctx, d.Image(seed, vfstest.PowerCut), m, loseNothing, 0, &count); err != nil {
			return fmt.Errorf("then a power cut, seed %d: %w", seed, err)
		}
	}
	if l != nil {
		_ = l.Close() // may fail like everything else
	}
	d.With(func() { d.Fault = nil })
	l, err = s.reopened(ctx, d, m, loseNothing, &count)
	if err != nil {
		return fmt.Errorf("opened again: %w", err)
	}
	err = m.noneRefused(slices.Collect(maps.Values(m.acked)))
	if err == nil {
		err = m.goOn(ctx, l)
	}
	return errors.Join(err, l.Close())
}

// noneRefused checks that the log has no fact that was reported as not written.
func (m *crashModel) noneRefused(found []backend.Fact) error {
	for _, f := range found {
		if m.refused[f.ID] {
			return broken("fact %s is there, and it was said that it was not written", f.ID)
		}
	}
	return nil
}

// faultyRun runs the workload, and goes on after expected errors. The log that it returns is nil if it could not be opened.
func (s crashSetup) faultyRun(ctx context.Context, d *vfstest.Disk, m *crashModel, c *faultCase) (l *crashLog, err error) {
	reopen := func() (bool, error) {
		var promise *brokenPromise
		c.forgetSync()
		if l, err = s.open(ctx, d, m, false); errors.As(err, &promise) || errors.Is(err, backend.ErrCorrupt) {
			return false, err
		}
		return err == nil, nil
	}
	ok, err := reopen()
	for _, step := range s.steps() {
		if err != nil || !ok {
			return nil, err
		}
		if step.do == nil {
			_ = l.Close() // the checks after it find facts that are not durable
			if ok, err = reopen(); ok && err == nil {
				var found []backend.Fact
				if found, err = m.verify(ctx, l, loseNothing); err == nil {
					err = m.noneRefused(found)
				}
				m.settle(found)
			}
			continue
		}
		doubtful := maps.Clone(m.doubt)
		failed := step.do(ctx, l, m)
		if err := m.afterFault(ctx, l, c, step.name, failed, doubtful); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", step.name, err), l.Close())
		}
	}
	if !ok {
		l = nil
	}
	return l, err
}

// afterFault checks how a step has failed, if it has, and the log afterwards.
func (m *crashModel) afterFault(ctx context.Context, l *crashLog, c *faultCase, step string, failed error, before map[string]backend.Fact) error {
	var promise *brokenPromise
	if errors.As(failed, &promise) {
		return failed
	}
	writing := step == "write" || step == "batch"
	if failed != nil && !errors.Is(failed, backend.ErrFailed) && writing {
		if c.fullSegment() && !errors.Is(failed, backend.ErrFull) {
			return broken("there was no room, and the error does not say so: %v", failed)
		}
		for id := range m.doubt {
			if _, old := before[id]; !old {
				m.refused[id] = true
			}
		}
	}
	found, err := m.verify(ctx, l, loseNothing)
	if err == nil {
		err = m.noneRefused(found)
	}
	if err != nil {
		return fmt.Errorf("read after %v: %w", failed, err)
	}
	clear(m.gone)
	for seq := range m.pruning {
		m.gone[seq] = !slices.ContainsFunc(found, func(f backend.Fact) bool { return f.Seq == seq })
	}
	if !c.failedSync() && !errors.Is(failed, backend.ErrFailed) {
		return nil
	}
	for range 2 {
		if err := m.write(ctx, l, m.fact()); !errors.Is(err, backend.ErrFailed) {
			return broken("after %s, a write is answered with %v, and not with ErrFailed", c, err)
		}
		if stats, err := l.Stats(ctx); err == nil && stats.Failed == "" {
			return broken("after %s, Stats do not say that the log has failed", c)
		}
	}
	return nil
}

// TestFaultNoRoom fills a disk: writes fail with ErrFull, the facts stay readable, and writes succeed again
// once there is room, without opening the log again.
func TestFaultNoRoom(t *testing.T) {
	ctx := t.Context()
	for _, room := range []int64{0, 1, 100, 511, 2000, 4500, 9000} {
		d, m := vfstest.New(), newCrashModel()
		s := crashSetup{sync: SyncAlways}
		l, err := s.open(ctx, d, m, false)
		require.NoError(t, err)
		require.NoError(t, m.write(ctx, l, m.fact(), m.fact()))
		d.Fill(room)
		for err = nil; err == nil; err = m.write(ctx, l, m.fact()) {
			if len(m.acked) > 100 {
				t.Fatal("the disk does not get full")
			}
		}
		require.ErrorIs(t, err, backend.ErrFull)
		require.ErrorIs(t, m.write(ctx, l, m.fact(), m.fact(), m.fact(), m.fact(), m.fact(), m.fact()), backend.ErrFull)
		m.refused = map[string]bool{}
		for id := range m.doubt {
			m.refused[id] = true
		}
		found, err := m.verify(ctx, l, loseNothing)
		require.NoError(t, err)
		require.NoError(t, m.noneRefused(found))
		d.With(func() { d.Capacity += 100 << 10 })
		require.NoError(t, m.goOn(ctx, l))
		require.NoError(t, l.Close())
		var count crashCount
		require.NoError(t, s.recovered(ctx, d.Image(0, vfstest.PowerCut), m, loseNothing, 2, &count))
	}
}

// TestFaultConcurrently runs many writers on a disk that fails now and then, and in the end always. Every acknowledged fact
// is there afterwards.
func TestFaultConcurrently(t *testing.T) {
	rounds := 8
	if crashSoak {
		rounds = 400
	}
	for round := range rounds {
		d, m := vfstest.New(), newCrashModel()
		s := crashSetup{sync: []Sync{SyncAlways, SyncInterval}[round%2]}
		d.Fault = func(op, _ string, n int) *vfstest.Fault {
			luck := int((uint32(n)*2654435761 + uint32(round)*40503) >> 7 % 29)
			switch {
			case n < 20, luck > 3, op == "sync" && n < 300+round*20, op == "truncate" && luck > 0, op == "syncdir", op == "rename":
				return nil
			}
			return &vfstest.Fault{Kind: vfstest.Kind(luck % 3), N: luck * 100, Err: []error{nil, syscall.EDQUOT}[n%2]}
		}
		l, err := s.open(t.Context(), d, m, false)
		require.NoError(t, err)
		var mu sync.Mutex
		var writers sync.WaitGroup
		for i := range 16 {
			writers.Go(func() {
				for n := range 25 {
					f, err := l.WriteFact(t.Context(), newCrashFact(i*1000+n, n%3 > 0))
					mu.Lock()
					if err == nil {
						m.acked[f.Seq] = f
					} else {
						m.refused[newCrashFact(i*1000+n, true).ID] = true
					}
					mu.Unlock()
				}
			})
		}
		writers.Wait()
		require.NotEmpty(t, m.acked)
		require.NotEmpty(t, m.refused)
		images := []*vfstest.Disk{d.Image(0, vfstest.ProcessKill)}
		if s.sync == SyncAlways {
			images = append(images, d.Image(0, vfstest.PowerCut), d.Image(uint64(round)+2, vfstest.PowerCut))
		}
		_ = l.Close() // it may have failed
		for _, after := range images {
			l, err := s.open(t.Context(), after, m.clone(), false)
			require.NoError(t, err)
			there := map[uint64]backend.Fact{}
			for f, err := range backend.Facts(l.Replay(t.Context(), backend.Range{})) {
				require.NoError(t, err)
				there[f.Seq] = f
			}
			for seq, f := range m.acked {
				require.Empty(t, crashDiff(f, there[seq]))
			}
			require.NoError(t, l.Close())
		}
	}
}
