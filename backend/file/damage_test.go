// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// A damageCount counts what a check has tried.
type damageCount struct{ cuts, flips, zeros, removed atomic.Int64 }

func (c *damageCount) String() string {
	return fmt.Sprintf("%d cuts, %d flips, %d runs of zeros, %d files removed", c.cuts.Load(), c.flips.Load(), c.zeros.Load(), c.removed.Load())
}

// TestDamageEverywhere changes logs at each byte and bit. There is never a wrong fact or a gap without an error. If
// Open without Repair fails, it changes nothing. With Repair it keeps each fact that can still be read, and
// names the seqs of the others.
func TestDamageEverywhere(t *testing.T) {
	var count damageCount
	err := damageCheck(t.Context(), crashSetup{}, &count, 1)
	t.Log(&count)
	require.NoError(t, err)
}

// damagedLogs returns logs to damage: one that was closed, one whose process was killed, one that is synced
// now and then, one with a snapshot and the segments that it was made of, and one with pruned facts.
func damagedLogs(ctx context.Context, s crashSetup) ([]*damagedLog, error) {
	roll := crashStep{"roll", func(ctx context.Context, l *crashLog, _ *crashModel) error { return l.rollIfUsed(ctx) }}
	begin := []crashStep{crashWrites(1), crashBatch(2), crashSnapshot(1), crashBatch(2), roll}
	always, interval, kept := s, s, s
	always.sync, interval.sync, kept.sync = SyncAlways, SyncInterval, SyncAlways
	kept.wrap = func(under vfs.FS) vfs.FS {
		if s.wrap != nil {
			under = s.wrap(under)
		}
		return keepSegments{under}
	}
	var all []*damagedLog
	for _, make := range []func() (*damagedLog, error){
		func() (*damagedLog, error) {
			return newDamagedLog(ctx, "closed", always, true, append(begin, crashWrites(1), crashBatch(2))...)
		},
		func() (*damagedLog, error) {
			return newDamagedLog(ctx, "killed", always, false, crashWrites(2), roll, crashWrites(1), crashBatch(2))
		},
		func() (*damagedLog, error) {
			return newDamagedLog(ctx, "interval", interval, false, crashWrites(1), roll, crashWrites(2), crashTick(), crashBatch(2), crashTick(), crashWrites(3))
		},
		func() (*damagedLog, error) {
			x, err := newDamagedLog(ctx, "half snapshot", kept, true, crashWrites(2), roll, crashWrites(2), crashSnapshot(1), crashWrites(2))
			if err == nil {
				x.crashSetup = always
			}
			return x, err
		},
		func() (*damagedLog, error) {
			return newDamagedLog(ctx, "pruned", always, true, append(begin, crashPrune(0.2, 0.7), crashWrites(2))...)
		},
	} {
		x, err := make()
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// keepSegments is a file system that does not remove segments.
type keepSegments struct{ vfs.FS }

func (k keepSegments) Remove(name string) error {
	if strings.HasSuffix(name, segmentExt) {
		return errors.New("kept")
	}
	return k.FS.Remove(name)
}

// damageCheck tries all damages, or one in so many.
func damageCheck(ctx context.Context, s crashSetup, count *damageCount, oneIn int) error {
	logs, err := damagedLogs(ctx, s)
	if err != nil {
		return fmt.Errorf("undamaged: %w", err)
	}
	for _, x := range logs {
		var all []damage
		for _, name := range slices.Sorted(maps.Keys(x.files)) {
			all = append(all, damagesOf(x, name, count)...)
		}
		err := crashEach((len(all)+oneIn-1)/oneIn, func(i int) error { return x.check(ctx, all[i*oneIn], i) })
		if err != nil {
			return err
		}
	}
	return nil
}

// damagesOf returns the damages of a file: removed, cut at each byte, zeros at each 64th byte, and each bit
// flipped. Without soak, it flips one bit of each byte of the first log, and fewer in indexes, in the other
// logs, and where bytes are alike.
func damagesOf(x *damagedLog, name string, count *damageCount) []damage {
	content := x.files[name]
	size := int64(len(content))
	damages := []damage{{name: "remove " + name, file: name, to: size, gone: true}}
	count.removed.Add(1)
	for at := range size {
		step := int64(1)
		switch {
		case crashSoak:
		case bytes.IndexByte([]byte{0, ' '}, content[at]) >= 0 && at > 0 && content[at-1] == content[at]:
			step = 64
		case strings.HasSuffix(name, indexExt) || x.name != "closed":
			step = 8
		}
		if at%step == 0 {
			damages = append(damages, damage{fmt.Sprintf("cut %s at %d", name, at), name, at, size, true, func(b []byte) []byte { return b[:at:at] }})
			count.cuts.Add(1)
		}
		for bit := range 8 {
			if crashSoak || at%step == step/2 && bit == int(at*5/step%8) {
				damages = append(damages, damage{fmt.Sprintf("flip %s at %d, bit %d", name, at, bit), name, at, at + 1, false, func(b []byte) []byte {
					b[at] ^= 1 << bit
					return b
				}})
				count.flips.Add(1)
			}
		}
		if at%64 == 0 {
			to := min(at+64, size)
			damages = append(damages, damage{fmt.Sprintf("zeros in %s from %d to %d", name, at, to), name, at, to, false, func(b []byte) []byte {
				clear(b[at:to])
				return b
			}})
			count.zeros.Add(1)
		}
	}
	return damages
}

// checkRepair expects that Open with Repair keeps all facts that the damage did not touch, keeps the damaged
// bytes and reports which facts are missing, and that the log is sound afterwards.
func (x *damagedLog) checkRepair(ctx context.Context, a damage) error {
	d, m := x.damaged(a), x.model.clone()
	l, err := x.open(ctx, d, m, true)
	if err != nil {
		return err
	}
	found, err := x.replay(ctx, l)
	if err == nil {
		err = x.checkReport(a, found, l.Report())
	}
	if err == nil {
		err = x.checkCuts(d, a, l.Report().Cuts)
	}
	if kept := keptMissing(d); err == nil && !maps.Equal(kept, seqsIn(l.Report().Missing)) {
		err = broken("the quarantine says that seqs %v are missing, and the report that %v are", kept, l.Report().Missing)
	}
	if err == nil {
		m.settle(found)
		m.last = l.Report().LastSeq
		err = m.goOn(ctx, l)
	}
	if err := errors.Join(err, l.Close()); err != nil {
		return err
	}
	if l, err = x.open(ctx, d, m, false); err != nil {
		return fmt.Errorf("opened again: %w", err)
	}
	_, err = m.verify(ctx, l, loseNothing)
	return errors.Join(err, l.Close())
}

// checkReport checks which facts are missing after a repair, and what the report says about them.
func (x *damagedLog) checkReport(a damage, found []backend.Fact, report RecoveryReport) error {
	there := map[uint64]bool{}
	last := uint64(0)
	for _, f := range found {
		there[f.Seq], last = true, f.Seq
	}
	named := seqsIn(report.Missing)
	for seq := range named {
		if there[seq] {
			return broken("seq %d is said to be missing and is there", seq)
		}
	}
	could := x.touched(a)
	for i, f := range x.facts {
		switch {
		case there[f.Seq]:
		case !could[f.Seq] && (x.sync == SyncAlways || f.Seq < last): // what was not synced may be cut off with damage before it
			return broken("the fact at seq %d is gone, and nothing of it was damaged; missing are %v", f.Seq, report.Missing)
		case named[f.Seq]:
			delete(named, f.Seq)
		case f.Seq < last:
			return broken("the fact at seq %d is gone, and is not said to be missing: %v", f.Seq, report.Missing)
		default:
			return x.checkTail(a, x.facts[i:], report.Cuts)
		}
	}
	if len(named) > 0 && !x.pruned {
		return broken("seqs %v are said to be missing and held nothing", slices.Sorted(maps.Keys(named)))
	}
	if len(found) < len(x.facts) && !a.gone && !slices.ContainsFunc(report.Cuts, func(c Cut) bool {
		return c.File == a.file && c.Offset <= a.from && a.from <= c.Offset+c.Bytes // it may be zeros that are left
	}) {
		return broken("byte %d of %s is not in the quarantine: %+v", a.from, a.file, report.Cuts)
	}
	return nil
}

// touched returns the seqs of the facts which a damage may have destroyed.
func (x *damagedLog) touched(a damage) map[uint64]bool {
	all := map[uint64]bool{}
	for _, f := range x.frames[a.file] {
		for _, seq := range f.seqs {
			all[seq] = f.from < a.to && a.from < f.to
		}
	}
	if through, ok := parseName(a.file, snapshotExt); ok {
		for seq := uint64(1); seq <= through; seq++ {
			all[seq] = true
		}
	}
	return all
}

func seqsIn(ranges []Gap) map[uint64]bool {
	all := map[uint64]bool{}
	for _, r := range ranges {
		for seq := r.First; seq <= r.Last; seq++ {
			all[seq] = true
		}
	}
	return all
}

// keptMissing returns the seqs that are missing according to the quarantine.
func keptMissing(d *vfstest.Disk) map[uint64]bool {
	all := map[uint64]bool{}
	for name, content := range damageFiles(d) {
		var report lost
		if strings.HasPrefix(name, quarantineName) && strings.HasSuffix(name, ".json") && json.Unmarshal(content, &report) == nil {
			maps.Copy(all, seqsIn(report.Missing))
		}
	}
	return all
}

// TestCrashDuringRepair crashes at each step of a repair, and repairs again: each fact that was not damaged
// is there, and the quarantine names each other fact, though the second repair may find nothing to do.
func TestCrashDuringRepair(t *testing.T) {
	ctx := t.Context()
	logs, err := damagedLogs(ctx, crashSetup{})
	require.NoError(t, err)
	var all []func() error
	for _, x := range logs {
		for _, name := range slices.Sorted(maps.Keys(x.files)) {
			if strings.HasSuffix(name, indexExt) {
				continue
			}
			at := int64(len(x.files[name])) / 2
			for name, a := range map[string]damage{
				"flip":   {file: name, from: at, to: at + 1, apply: func(b []byte) []byte { b[at] ^= 4; return b }},
				"remove": {file: name, to: at * 2, gone: true},
			} {
				a.name = name + " " + a.file
				all = append(all, func() error {
					if err := x.crashRepair(ctx, a); err != nil {
						return fmt.Errorf("%s log, %s, %w", x.name, a.name, err)
					}
					return nil
				})
			}
		}
	}
	require.NoError(t, crashEach(len(all), func(i int) error { return all[i]() }))
}

// crashRepair crashes at each step of the repair of a damage.
func (x *damagedLog) crashRepair(ctx context.Context, a damage) error {
	for k := 1; ; k++ {
		d := x.damaged(a)
		d.CrashAt, d.CrashSeed = k, uint64(k)
		l, err := x.open(ctx, d, x.model.clone(), true)
		if err == nil {
			err = l.Close()
		}
		if err == nil {
			return nil
		}
		if !crashedUnder(d, err) {
			return err
		}
		after := []*vfstest.Disk{d.Image(0, vfstest.PowerCut), d.Image(uint64(k)+2, vfstest.PowerCut), d.Image(0, vfstest.ProcessKill)}[k%3]
		if err := x.repairedAgain(ctx, a, after); err != nil {
			return fmt.Errorf("crash at step %d, %s: %w", k, crashStepOf(d), err)
		}
	}
}

// repairedAgain repairs a log again after a crash during its repair, and checks it.
func (x *damagedLog) repairedAgain(ctx context.Context, a damage, d *vfstest.Disk) error {
	m := x.model.clone()
	l, err := x.open(ctx, d, m, true)
	if err != nil {
		return err
	}
	found, err := x.replay(ctx, l)
	there := map[uint64]bool{}
	last := uint64(0)
	for _, f := range found {
		there[f.Seq], last = true, f.Seq
	}
	could, kept := x.touched(a), keptMissing(d)
	for _, f := range x.facts {
		switch {
		case there[f.Seq] || err != nil || f.Seq > last && x.sync != SyncAlways:
		case !could[f.Seq]:
			err = broken("the fact at seq %d is gone, and nothing of it was damaged", f.Seq)
		case !kept[f.Seq] && f.Seq < last:
			err = broken("the fact at seq %d is gone, and the quarantine does not say that it is missing", f.Seq)
		}
	}
	if err == nil {
		m.settle(found)
		m.last = l.Report().LastSeq
		err = m.goOn(ctx, l)
	}
	return errors.Join(err, l.Close())
}
