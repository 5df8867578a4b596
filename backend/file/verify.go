// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// A VerifyReport describes what [Verify] read, and the faults that it found.
type VerifyReport struct {
	Segments, Snapshots int
	Facts               uint64 // facts that could be read
	Bytes               uint64 // of segments and snapshots

	// Damage has every damaged place of every file; it is empty for a sound log. A repair drops the facts there.
	Damage []*backend.CorruptError

	// Seqs has, for each element of Damage, the first seq that could not be read there. [PlanRepair] reports which facts
	// are lost.
	Seqs []uint64

	// Torn is the rest of a write that a crash interrupted and that was never acknowledged; Open will cut it off. nil:
	// none exists.
	Torn *Cut

	// Doubled has the IDs that a store of the log holds more than once, in the order of their first seqs. Earlier releases
	// could write such facts, since they remembered only the latest million IDs. To correct this, prune the later facts.
	Doubled []DoubledID

	// Foreign has the facts whose ValueHash is not the hash of their value. This is not damage: other writers may compute
	// hashes in other ways, and a log keeps a given hash.
	Foreign []FactHash

	Log  backend.LogID // the log's identity; zero: its files are of an earlier release, without identities
	Head backend.Head  // of the hash tree over all facts; zero: there are no facts

	// Pruned is the number of removed facts whose hashes the log keeps. Gone is the number of missing facts without a hash:
	// they were damaged, dropped by a repair, or pruned by a release that did not keep hashes. GoneSeqs has the seqs of the
	// latter, at most 1,000 gaps.
	Pruned, Gone uint64
	GoneSeqs     []Gap

	Checkpoints []CheckpointReport // of the checkpoints that Verify was given
}

// A DoubledID is an ID that several facts of a store have, and the seqs of these facts, in order.
type DoubledID struct {
	Store string   `json:"store"`
	ID    string   `json:"id"`
	Seqs  []uint64 `json:"seqs"`
}

// A FactHash has a fact's ValueHash, and the hash that this package computes for its value.
type FactHash struct {
	Seq        uint64
	ID         string
	Have, Want string
}

// Verify reads every byte of a log's segments and snapshots, checks each frame and each fact, recomputes every hash, and
// looks for IDs that the log holds twice, which takes some ten bytes of memory per fact. It ignores indexes, since Open
// rebuilds an invalid index. It writes nothing, so that it works on a read-only file system. The log must not be open:
// otherwise an *InUseError names the process that has it open. The report has the faults of the log; an error means that
// the log could not be read.
//
// Verify computes the log's head, and reports for each checkpoint whether the log still contains the facts that it covers.
func Verify(ctx context.Context, path string, checkpoints ...backend.Checkpoint) (VerifyReport, error) {
	return verify(ctx, Options{Path: path}, checkpoints...)
}

func verify(ctx context.Context, opts Options, checkpoints ...backend.Checkpoint) (report VerifyReport, err error) {
	defer wrap(&err, "verify log %s", opts.Path)
	if opts, err = opts.withDefaults(); err != nil {
		return report, err
	}
	v := verifier{directory: newDirectory(&opts), checkpoints: checkpoints}
	err = v.run(ctx)
	if err == nil {
		v.report.Doubled, err = v.ids.doubled(func(again func(f *backend.Fact)) error {
			w := verifier{directory: v.directory, again: again}
			return w.run(ctx)
		})
	}
	return v.report, err
}

type verifier struct {
	*directory
	report VerifyReport
	ids    idHashes
	head   *headVerifier // nil if the files are read a second time

	checkpoints []backend.Checkpoint

	again func(f *backend.Fact) // instead of the checks of facts, if the files are read a second time; or nil
}

func (v *verifier) run(ctx context.Context) (err error) {
	if info, err := v.fs.Stat(v.path); err != nil {
		return err
	} else if !info.IsDir() {
		return notDirectory(v.fs, v.path)
	}
	if v.lock, err = v.locked(v.fs.LockRead); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.lock.Close()) }()
	found, err := v.list()
	if err != nil {
		return err
	}
	if v.again == nil {
		files := recovery{directory: v.directory}
		files.identify(found)
		v.head = newHeadVerifier(&v.report, files.identity.old, v.checkpoints)
	}
	next := uint64(1)
	for _, through := range found.snapshots {
		s, hash, err := v.openSnapshot(through)
		if err == nil {
			v.report.Snapshots++
			next = through + 1
		}
		if err := v.file(ctx, s, newSnapshot(through), err, hash); err != nil {
			return err
		}
	}
	for i, first := range found.segments {
		last := first - 1 // not known
		if i+1 < len(found.segments) {
			last = found.segments[i+1] - 1
		}
		s, err := v.openSegment(first, last)
		if err == nil {
			v.report.Segments++
			if first > next {
				v.damage(&backend.CorruptError{Path: v.join(s.Name), Reason: missingFiles(next, first)}, next)
			}
		}
		if err := v.file(ctx, s, newSegment(first, last), err, ""); err != nil {
			return err
		}
		if s != nil {
			last = s.Last
		}
		next = max(next, last+1)
	}
	if v.head != nil {
		v.head.end(max(next-1, v.head.tree.Range.End()))
	}
	return nil
}

// damage adds damage to the report, and the first seq that could not be read there.
func (v *verifier) damage(c *backend.CorruptError, seq uint64) {
	v.report.Damage = append(v.report.Damage, c)
	v.report.Seqs = append(v.report.Seqs, seq)
}

// file verifies a file. If it could not be opened, s is nil and err is the reason.
func (v *verifier) file(ctx context.Context, s *segment, f format.File, err error, hash string) error {
	var first *backend.CorruptError // damage to the file as a whole
	if err != nil && !errors.As(err, &first) {
		return err
	}
	path := v.join(f.Name)
	in, err := v.fs.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	size, err := in.Size()
	if err != nil {
		return err
	}
	if s != nil {
		f = s.File
	}
	active := s != nil && !f.Snapshot && f.Last < f.First
	if active {
		if first, err = v.tail(ctx, in, &f); err != nil {
			return err
		}
		if first == nil {
			size = f.Size
		}
	}
	v.report.Bytes += uint64(size)

	before, facts := len(v.report.Damage), v.report.Facts
	note := func(at int64, seq uint64, reason string) {
		if first != nil && (at == first.Offset || reason == first.Reason) {
			at, reason, first = first.Offset, first.Reason, nil
		}
		if n := len(v.report.Damage); n == before || v.report.Damage[n-1].Offset != at {
			v.damage(&backend.CorruptError{Path: path, Offset: at, Reason: reason}, seq)
		}
	}
	salvage := newSalvage(f)
	if f.Last < f.First {
		salvage.of.Last = 0
	}
	salvage.keep = func(_ []byte, facts []backend.Fact) error {
		for i := range facts {
			if bad := v.fact(&facts[i]); bad != nil {
				note(salvage.at, facts[i].Seq, fmt.Sprintf("the fact with seq %d: %v", facts[i].Seq, bad))
			}
		}
		return nil
	}
	if v.head != nil {
		salvage.nodes = v.head.tree.Nodes
	}
	salvage.skip = func(from, _ int64, reason string) error {
		note(from, salvage.seq+1, reason)
		return nil
	}
	if err := salvage.read(ctx, in, size); err != nil {
		return err
	}
	if first == nil && len(v.report.Damage) == before {
		first, err = v.whole(ctx, in, &f, v.report.Facts-facts, hash)
		if err != nil {
			return err
		}
	}
	if first != nil {
		first.Path = path
		v.damage(first, salvage.seq+1)
	}
	return nil
}

// tail looks for the rest of an interrupted write at the end of the last segment. It completes f.
func (v *verifier) tail(ctx context.Context, in vfs.File, f *format.File) (*backend.CorruptError, error) {
	of := *f
	end, err := v.examine(ctx, in, &of, func(*backend.Fact) {})
	if first, ok := errors.AsType[*backend.CorruptError](err); ok || err != nil {
		if ok {
			err = nil
		}
		return first, err
	}
	*f = of
	if end.cut != "" {
		v.report.Torn = &Cut{File: f.Name, Offset: f.Size, Bytes: end.data - f.Size, Reason: end.cut}
	}
	return nil, nil
}

// whole compares a file without damaged frames with its header.
func (v *verifier) whole(ctx context.Context, in vfs.File, f *format.File, facts uint64, hash string) (*backend.CorruptError, error) {
	if f.Snapshot {
		sum, err := hashOf(ctx, in, f)
		if err != nil {
			return nil, err
		}
		if sum != hash {
			return &backend.CorruptError{Reason: wrongHash}, nil
		}
	}
	if facts != f.Facts {
		return &backend.CorruptError{Offset: f.Size, Reason: fmt.Sprintf("%d facts where there should be %d", facts, f.Facts)}, nil
	}
	return nil, nil
}

// fact checks each byte of a fact.
func (v *verifier) fact(f *backend.Fact) error {
	v.report.Facts++
	if v.again != nil {
		v.again(f)
		return nil
	}
	v.ids.add(f.Store, f.ID)
	v.head.fact(f)
	if err := f.Validate(); err != nil {
		return err
	}
	want, err := wire.Hash(f.Value)
	if err == nil && f.ValueHash != want {
		v.report.Foreign = append(v.report.Foreign, FactHash{f.Seq, f.ID, f.ValueHash, want})
	}
	return err
}
