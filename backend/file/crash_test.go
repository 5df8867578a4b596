// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// A crashCount counts what a check has tried.
type crashCount struct {
	points atomic.Int64 // steps of the disk at which a run crashed
	images atomic.Int64 // disks found afterwards, each with a log to recover
}

func (c *crashCount) String() string {
	return fmt.Sprintf("%d crashes, %d disks recovered", c.points.Load(), c.images.Load())
}

// TestCrashAtEachStep cuts the power, or kills the process, at each step of the disk during a workload, and
// again during recovery. Afterwards the log has every acknowledged fact that its Sync promises to keep, and no fact that
// was never written.
func TestCrashAtEachStep(t *testing.T) {
	for _, policy := range []Sync{SyncAlways, SyncInterval, SyncNever} {
		t.Run(string(policy), func(t *testing.T) {
			var count crashCount
			err := crashCheck(t.Context(), crashSetup{sync: policy, short: policy != SyncAlways && !crashSoak}, &count)
			t.Log(&count)
			require.NoError(t, err)
		})
	}
}

// crashCheck runs the workload up to a crash at each step, and recovers the disks that may be found.
func crashCheck(ctx context.Context, s crashSetup, count *crashCount) error {
	whole := vfstest.New()
	if err := s.run(ctx, whole, newCrashModel()); err != nil {
		return fmt.Errorf("without a crash: %w", err)
	}
	steps := len(whole.Steps())
	// The flusher works beside the workload, so that runs differ by a few steps.
	return crashEach(steps+4, func(i int) error {
		k := i + 1
		d, m := vfstest.New(), newCrashModel()
		d.CrashAt, d.CrashSeed = k, uint64(k)
		err := s.run(ctx, d, m)
		if err != nil && !crashedUnder(d, err) {
			return fmt.Errorf("crash at step %d: before it: %w", k, err)
		}
		count.points.Add(1)
		if err := s.afterCrash(ctx, d, m, count); err != nil {
			return fmt.Errorf("crash at step %d, %s: %w", k, crashStepOf(d), err)
		}
		return nil
	})
}

// crashStepOf names the last step of a disk.
func crashStepOf(d *vfstest.Disk) string {
	if steps := d.Steps(); len(steps) > 0 {
		return steps[len(steps)-1]
	}
	return ""
}

// loss returns what a power cut may lose.
func (s crashSetup) loss() crashLoss {
	if s.sync != SyncAlways {
		return loseTail
	}
	return loseNothing
}

// afterCrash recovers several disks that are possible after a crash.
func (s crashSetup) afterCrash(ctx context.Context, d *vfstest.Disk, m *crashModel, count *crashCount) error {
	k := uint64(d.CrashAt)
	seeds := []uint64{0, 1, k*10 + 2} // of power cuts
	kill := true
	switch {
	case crashSoak:
	case s.sync == SyncAlways && k%4 > 0:
		seeds = []uint64{0, seeds[2]}
	case s.sync != SyncAlways:
		seeds, kill = []uint64{seeds[2], k % 4 / 2}[k%2:], k%2 > 0
	}
	for i, seed := range seeds {
		if err := s.recovered(ctx, d.Image(seed, vfstest.PowerCut), m, s.loss(), k+uint64(i), count); err != nil {
			return fmt.Errorf("power cut, seed %d: %w", seed, err)
		}
	}
	if kill {
		if err := s.recovered(ctx, d.Image(0, vfstest.ProcessKill), m, loseNothing, k, count); err != nil {
			return fmt.Errorf("kill: %w", err)
		}
	}
	if crashSoak || k%40 == 0 || s.sync == SyncAlways && s.namesAtStake(d) {
		if err := s.crashAgain(ctx, d.Image(0, vfstest.ProcessKill), m, loseNothing, count); err != nil {
			return fmt.Errorf("kill, then %w", err)
		}
	}
	if crashSoak || k%40 == 20 {
		if err := s.crashAgain(ctx, d.Image(seeds[0], vfstest.PowerCut), m, s.loss(), count); err != nil {
			return fmt.Errorf("power cut, seed %d, then %w", seeds[0], err)
		}
	}
	return nil
}

// namesAtStake reports whether the disk crashed after a rename that was not durable yet. Then recovery has the most work.
func (s crashSetup) namesAtStake(d *vfstest.Disk) bool {
	if !strings.HasPrefix(crashStepOf(d), "syncdir") {
		return false
	}
	steps := d.Steps()
	before := steps[max(0, len(steps)-2)]
	return strings.HasSuffix(before, snapshotExt) || d.CrashAt%3 == 0
}

// recovered opens the log after a crash, checks it and writes to it. Then the power is cut, which loses
// everything that was not synced, or the log is closed, and it is checked again.
func (s crashSetup) recovered(ctx context.Context, d *vfstest.Disk, m *crashModel, loss crashLoss, turn uint64, count *crashCount) error {
	m = m.clone()
	l, err := s.reopened(ctx, d, m, loss, count)
	if err != nil {
		return err
	}
	if err = m.goOn(ctx, l); err != nil {
		return fmt.Errorf("going on: %w", errors.Join(err, l.Close()))
	}
	m.observe(ctx, l)
	switch turn % 4 {
	case 0:
		return l.Close()
	case 1:
		if err := l.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
		loss = loseNothing
	default:
		d, loss = d.Crash(0, vfstest.PowerCut), s.loss()
		_ = l.Close() // its disk is dead
	}
	if l, err = s.reopened(ctx, d, m, loss, count); err != nil {
		return fmt.Errorf("opened again: %w", err)
	}
	return l.Close()
}

// opened opens the log after a crash, checks it, and closes it.
func (s crashSetup) opened(ctx context.Context, d *vfstest.Disk, m *crashModel, loss crashLoss, _ uint64, count *crashCount) error {
	l, err := s.reopened(ctx, d, m.clone(), loss, count)
	if err != nil {
		return err
	}
	return l.Close()
}

// reopened opens the log after a crash and checks it.
func (s crashSetup) reopened(ctx context.Context, d *vfstest.Disk, m *crashModel, loss crashLoss, count *crashCount) (*crashLog, error) {
	count.images.Add(1)
	l, err := s.open(ctx, d, m, false)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	found, err := m.verify(ctx, l, loss)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if missing := l.Report().Missing; missing != nil {
		return nil, errors.Join(broken("missing after a crash: %v", missing), l.Close())
	}
	m.settle(found)
	return l, nil
}

// crashAgain crashes at each step of recovery and of the first write after it.
func (s crashSetup) crashAgain(ctx context.Context, from *vfstest.Disk, before *crashModel, loss crashLoss, count *crashCount) error {
	for j := 1; ; j++ {
		d, m := from.Image(0, vfstest.ProcessKill), before.clone()
		d.CrashAt, d.CrashSeed = j, uint64(j)
		still := loss
		l, err := s.open(ctx, d, m, false)
		if err == nil {
			var found, err2 = m.verify(ctx, l, loss)
			if err = err2; err == nil {
				m.settle(found)
				still = loseNothing
				err = m.write(ctx, l, m.fact())
			}
			m.observe(ctx, l)
			if closed := l.Close(); err == nil {
				err = closed
			}
		}
		if err == nil {
			return nil
		}
		if !crashedUnder(d, err) {
			return fmt.Errorf("before a crash at step %d: %w", j, err)
		}
		count.points.Add(1)
		check := s.opened
		if crashSoak || j%5 == 0 {
			check = s.recovered
		}
		for _, seed := range []uint64{0, uint64(j) + 2} {
			cut := max(still, s.loss())
			if err := check(ctx, d.Image(seed, vfstest.PowerCut), m, cut, uint64(j), count); err != nil {
				return fmt.Errorf("power cut at step %d, %s, seed %d: %w", j, crashStepOf(d), seed, err)
			}
		}
		if err := check(ctx, d.Image(0, vfstest.ProcessKill), m, still, uint64(j), count); err != nil {
			return fmt.Errorf("kill at step %d, %s: %w", j, crashStepOf(d), err)
		}
	}
}
