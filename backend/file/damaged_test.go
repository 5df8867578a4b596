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

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
	"github.com/igniter-store/igniter/wire"
)

// A damagedLog is a small sound log, to be damaged.
type damagedLog struct {
	crashSetup
	name   string
	disk   *vfstest.Disk
	model  *crashModel
	facts  []backend.Fact
	files  map[string][]byte        // of the log's directory
	frames map[string][]damageFrame // of each segment
	last   string                   // the last segment
	pruned bool                     // seqs without facts are no sign of damage
}

// A damageFrame has the position and the content of a frame.
type damageFrame struct {
	from, to int64
	seqs     []uint64
	marker   uint64 // 0: it is not a marker
}

// A damage is one change to one file.
type damage struct {
	name     string
	file     string
	from, to int64 // the bytes that are changed, or cut off to the end of the file
	gone     bool  // cut off, or the whole file is removed
	apply    func(content []byte) []byte
}

// newDamagedLog makes a log by steps and, if it is closed, closes it.
func newDamagedLog(ctx context.Context, name string, s crashSetup, closed bool, steps ...crashStep) (*damagedLog, error) {
	d, m := vfstest.New(), newCrashModel()
	m.small = true
	l, err := s.open(ctx, d, m, false)
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		if err := step.do(ctx, l, m); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		indexNow(l.Log)
	}
	found, err := m.verify(ctx, l, loseNothing)
	if !closed {
		d = d.Crash(0, vfstest.ProcessKill)
	}
	if closeErr := l.Close(); err == nil && closed {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	m.settle(found)
	x := &damagedLog{crashSetup: s, name: name, disk: d.Image(1, vfstest.PowerCut), model: m, facts: found, frames: map[string][]damageFrame{}}
	x.files = damageFiles(x.disk)
	delete(x.files, lockName)
	for _, name := range slices.Sorted(maps.Keys(x.files)) {
		if !strings.HasSuffix(name, segmentExt) {
			continue
		}
		x.last = name
		if x.frames[name], err = damageFrames(x.files[name]); err != nil {
			return nil, err
		}
	}
	x.pruned = len(found) > 0 && found[len(found)-1].Seq != uint64(len(found))
	return x, nil
}

// damageFiles returns the files of the log's directory and of the quarantine.
func damageFiles(d *vfstest.Disk) map[string][]byte { return d.Files("/log") }

// damageFrames reads the frames of a segment, without its header.
func damageFrames(content []byte) (all []damageFrame, err error) {
	r := wire.NewReader(bytes.NewReader(content), 0)
	for {
		from := r.Offset()
		body, err := r.Next()
		if err != nil {
			return all, nil // the end, or zeros
		}
		if from == 0 {
			continue
		}
		frame := damageFrame{from: from, to: r.Offset()}
		if through, ok := format.ParseMarker(body); ok {
			frame.marker = through
		} else {
			facts, err := wire.ParseGroup(nil, body)
			if err != nil {
				return nil, err
			}
			for _, f := range facts {
				frame.seqs = append(frame.seqs, f.Seq)
			}
		}
		all = append(all, frame)
	}
}

// damaged returns the disk with the damage.
func (x *damagedLog) damaged(a damage) *vfstest.Disk {
	d := x.disk.Image(1, vfstest.PowerCut)
	if a.apply == nil {
		d.Lose("/log/" + a.file)
	} else {
		d.Overwrite("/log/"+a.file, a.apply(bytes.Clone(x.files[a.file])))
	}
	return d
}

// check opens the log with the n-th damage, first without Repair and then, at times, with it.
func (x *damagedLog) check(ctx context.Context, a damage, n int) error {
	whole, err := x.checkOpen(ctx, a, n)
	if err != nil {
		return fmt.Errorf("%s log, %s: %w", x.name, a.name, err)
	}
	if !crashSoak && (whole && n%64 > 0 || n%4 > 0) {
		return nil
	}
	if err := x.checkRepair(ctx, a); err != nil {
		return fmt.Errorf("%s log, %s, repair: %w", x.name, a.name, err)
	}
	return nil
}

// checkOpen expects that Open fails with a clear error and changes nothing, or that Replay yields all facts
// up to damage that it reports, or all but a tail that was cut off. It reports whether all facts were there.
func (x *damagedLog) checkOpen(ctx context.Context, a damage, n int) (whole bool, err error) {
	d, m := x.damaged(a), x.model.clone()
	l, err := x.open(ctx, d, m, false)
	if err != nil {
		var version *VersionError
		switch {
		case strings.HasSuffix(a.file, indexExt):
			return false, broken("a damaged index keeps the log from opening: %v", err)
		case !errors.Is(err, backend.ErrCorrupt) && !errors.Is(err, backend.ErrInvalid) && !errors.As(err, &version):
			return false, broken("an error that does not say what is wrong: %v", err)
		}
		if len(d.Steps()) == 0 {
			return false, nil // Open changed nothing on the disk
		}
		before, after := damageFiles(x.damaged(a)), damageFiles(d)
		delete(before, lockName)
		delete(after, lockName)
		if !maps.EqualFunc(before, after, bytes.Equal) {
			return false, broken("Open failed (%v) and has changed files:\n%s", err, gocmp.Diff(before, after))
		}
		return false, nil
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	found, replayErr := x.replay(ctx, l)
	if replayErr != nil && !errors.Is(replayErr, backend.ErrCorrupt) {
		return false, replayErr
	}
	for i, f := range found {
		if f.Seq != x.facts[i].Seq {
			return false, broken("seq %d is left out without a word", x.facts[i].Seq)
		}
	}
	if err := x.checkCuts(d, a, l.Report().Cuts); err != nil {
		return false, err
	}
	missing := x.facts[len(found):]
	switch {
	case len(missing) == 0 && replayErr == nil && n%8 == 0:
		return len(l.Report().Cuts) == 0, m.goOn(ctx, l)
	case len(missing) == 0 && replayErr == nil:
		return len(l.Report().Cuts) == 0, nil
	case strings.HasSuffix(a.file, indexExt):
		return false, broken("a damaged index hides %d facts: %v", len(missing), replayErr)
	case replayErr != nil:
		return false, nil
	}
	if err := x.checkTail(a, missing, l.Report().Cuts); err != nil {
		return false, err
	}
	m.settle(found)
	m.last = l.Report().LastSeq
	return false, m.goOn(ctx, l)
}

// replay reads the log, and checks that each fact is one that the log held, at its seq.
func (x *damagedLog) replay(ctx context.Context, l *crashLog) (found []backend.Fact, _ error) {
	for f, err := range backend.Facts(l.Replay(ctx, backend.Range{})) {
		if err != nil {
			return found, err
		}
		at, ok := slices.BinarySearchFunc(x.facts, f.Seq, func(f backend.Fact, seq uint64) int { return int(f.Seq) - int(seq) })
		if !ok {
			return found, broken("a fact at seq %d, where there was none", f.Seq)
		}
		if diff := crashDiff(x.facts[at], f); diff != "" {
			return found, broken("another fact at seq %d:\n%s", f.Seq, diff)
		}
		if n := len(found); n > 0 && found[n-1].Seq >= f.Seq {
			return found, broken("seq %d after %d", f.Seq, found[n-1].Seq)
		}
		found = append(found, f)
	}
	return found, nil
}

// checkTail checks that missing facts at the end look like an interrupted write, and that this is reported.
func (x *damagedLog) checkTail(a damage, missing []backend.Fact, cuts []Cut) error {
	frames := x.frames[x.last]
	if a.file != x.last || len(frames) == 0 || missing[0].Seq < slices.Concat(frames[0].seqs, []uint64{1 << 62})[0] {
		return broken("%d facts from seq %d on are left out without a word", len(missing), missing[0].Seq)
	}
	for _, f := range frames {
		intact := f.from >= a.to && !a.gone
		if intact && (len(f.seqs) > 0 && x.sync == SyncAlways || f.marker >= missing[0].Seq) {
			return broken("facts from seq %d on were cut off, though what follows shows that they were durable", missing[0].Seq)
		}
	}
	if !x.leavesNothing(a) && !slices.ContainsFunc(cuts, func(c Cut) bool { return c.File == x.last }) {
		return broken("facts from seq %d on were cut off, and no report says so", missing[0].Seq)
	}
	return nil
}

// leavesNothing reports whether a damage cuts the last segment directly after a whole frame, so that no bytes or only zeros
// follow. Such a loss cannot be detected.
func (x *damagedLog) leavesNothing(a damage) bool {
	end := int64(0)
	for _, f := range x.frames[x.last] {
		for _, at := range []int64{f.from, f.to} {
			if at <= a.from {
				end = at
			}
		}
	}
	return a.gone && (a.apply == nil || len(bytes.Trim(x.files[x.last][end:a.from], "\x00")) == 0)
}

// checkCuts checks that the quarantine has the bytes that were cut off, and a report with them.
func (x *damagedLog) checkCuts(d *vfstest.Disk, a damage, cuts []Cut) error {
	if len(cuts) == 0 {
		return nil
	}
	before, after := damageFiles(x.damaged(a)), damageFiles(d)
	for _, c := range cuts {
		content, end := before[c.File], c.Offset+c.Bytes
		if end > int64(len(content)) {
			return broken("a report of more bytes than there were: %+v", c)
		}
		if !bytes.Equal(after[c.Kept], content[c.Offset:end]) {
			return broken("the quarantine does not have the bytes of %+v", c)
		}
		var kept Cut
		if err := json.Unmarshal(after[c.Kept+".json"], &kept); err != nil || kept != c {
			return broken("the report in the quarantine is %+v (%v), and not %+v", kept, err, c)
		}
	}
	return nil
}
