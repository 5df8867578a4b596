// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// Prune implements backend.Log. It replaces the files that have pruned facts, one after the other. Writers, readers and
// followers go on meanwhile; WriteSnapshot waits. Each new file has the horizon of the facts that it lost.
func (l *Log) Prune(ctx context.Context, seqs iter.Seq[uint64], h backend.Horizon) (report backend.PruneReport, err error) {
	defer wrap(&err, "prune")
	if err := l.refuses(); err != nil {
		return report, err
	}
	return l.prune(ctx, seqs, h)
}

func (l *Log) prune(ctx context.Context, seqs iter.Seq[uint64], h backend.Horizon) (report backend.PruneReport, err error) {
	wanted := slices.Compact(slices.Sorted(seqs))
	if err := l.maintain(ctx); err != nil {
		return report, err
	}
	defer l.maintenance.Unlock()
	defer l.restoreReserve()
	if n := len(wanted); n > 0 && wanted[n-1] > l.state.Load().sealedThrough() {
		if err := l.withReserve(func() error { return l.rollIfUsed(ctx) }); err != nil {
			return report, err
		}
	}
	x := pruning{log: l, wanted: wanted, gone: map[name]uint64{}}
	err = l.do(ctx, func() error {
		x.horizon = h.Within(l.state.Load().last, l.seq.Time())
		x.horizon.Time = x.horizon.Time.UTC()
		return nil
	})
	if err != nil {
		return report, err
	}
	// If there is no room to rewrite a file, there may be room once other files are smaller.
	for files := l.state.Load().sealed; len(files) > 0; {
		var full []*segment
		for _, s := range files {
			if err = l.goOn(ctx); err != nil {
				break
			}
			if drop := within(wanted, s.First, s.Last); len(drop) > 0 {
				err = l.withReserve(func() error { return x.file(ctx, s, drop) })
			}
			if errors.Is(err, backend.ErrFull) {
				full = append(full, s)
			} else if err != nil {
				break
			}
		}
		if len(full) == len(files) || err != nil && !errors.Is(err, backend.ErrFull) {
			break
		}
		files = full
	}
	// This is also necessary after an error, since some facts may be gone.
	if tellErr := errors.Join(x.tell(), x.forget()); tellErr != nil {
		err = errors.Join(err, l.fail(tellErr))
	}
	report.Pruned = x.count
	report.Missing = uint64(len(wanted)) - x.count
	return report, err
}

// within returns the part of sorted seqs from first to last.
func within(seqs []uint64, first, last uint64) []uint64 {
	from := sort.Search(len(seqs), func(i int) bool { return seqs[i] >= first })
	to := sort.Search(len(seqs), func(i int) bool { return seqs[i] > last })
	return seqs[from:to]
}

// A pruning is a running Prune.
type pruning struct {
	log     *Log
	wanted  []uint64 // sorted
	horizon backend.Horizon
	count   uint64
	done    []uint64        // the part of wanted in files that were rewritten
	gone    map[name]uint64 // the keys of the pruned facts, each with the highest seq
}

// A name is a key in a store.
type name struct{ store, key string }

// file prunes facts from a segment, if it has any of them.
func (x *pruning) file(ctx context.Context, s *segment, drop []uint64) error {
	p := filePruning{log: x.log, drop: drop, horizon: x.horizon, gone: map[name]uint64{}}
	err := p.run(ctx, s)
	if err == nil || errors.Is(err, backend.ErrFailed) {
		x.count += p.count
		x.done = append(x.done, drop...)
		for n, seq := range p.gone {
			x.gone[n] = max(x.gone[n], seq)
		}
	}
	return err
}

// tell tells the sequencer the latest remaining fact of each key that lost facts.
func (x *pruning) tell() error {
	if len(x.gone) == 0 {
		return nil
	}
	l := x.log
	left := map[name]*backend.Fact{}
	err := x.each(func(n name, seq uint64) {
		if l.seq.Latest(n.store, n.key) == seq {
			left[n] = nil
		}
	})
	for _, s := range slices.Backward(l.state.Load().sealed) {
		if err != nil || len(left) == 0 {
			break
		}
		err = l.findLatest(s, left)
	}
	if err == nil {
		err = x.each(func(n name, seq uint64) {
			if f, ok := left[n]; ok {
				l.seq.Pruned(n.store, n.key, seq, f)
			}
		})
	}
	if errors.Is(err, backend.ErrClosed) {
		return nil // the sequencer is no longer used
	}
	return err
}

// forget makes the sequencer drop the IDs of the pruned facts.
func (x *pruning) forget() error {
	slices.Sort(x.done)
	for step := range sequencer.ForgetSteps {
		if x.count == 0 {
			break
		}
		err := x.log.do(context.Background(), func() error {
			x.log.seq.Forget(step, func(seq uint64) bool {
				_, ok := slices.BinarySearch(x.done, seq)
				return ok
			})
			return nil
		})
		if errors.Is(err, backend.ErrClosed) {
			return nil // the sequencer is no longer used
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tellSize is the number of keys that are handled together, while writes wait.
const tellSize = 1000

// each lets the committer call do with each key, a few keys between two groups.
func (x *pruning) each(do func(n name, seq uint64)) error {
	for some := range slices.Chunk(slices.Collect(maps.Keys(x.gone)), tellSize) {
		err := x.log.do(context.Background(), func() error {
			for _, n := range some {
				do(n, x.gone[n])
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// findLatest finds the latest facts of keys in a segment, for keys without a newer one.
func (l *Log) findLatest(s *segment, left map[name]*backend.Fact) error {
	index, err := l.dir.indexOf(context.Background(), s.File)
	if err != nil {
		return err
	}
	defer index.close()
	return index.Keys(func(facts []sequencer.Loaded) {
		for _, latest := range facts {
			n := name{latest.Store, latest.Key}
			if f, ok := left[n]; ok && (f == nil || f.Seq < latest.Seq) { // an index may have several entries of a key
				left[n] = &backend.Fact{Seq: latest.Seq, ID: latest.ID.String()} // keeps the key of the map
			}
		}
	})
}

// A filePruning rewrites one file, without some facts.
type filePruning struct {
	log     *Log
	horizon backend.Horizon
	w       *replacement
	drop    []uint64
	count   uint64
	gone    map[name]uint64 // as in a pruning
	leaves  format.Leaves
}

// run replaces a segment, unless it has none of the facts.
func (p *filePruning) run(ctx context.Context, s *segment) error {
	if err := p.write(ctx, s); err != nil {
		return err
	}
	if p.count == 0 {
		return p.w.discard()
	}
	lost := make(format.Horizons)
	for n := range p.gone {
		lost[n.store] = p.horizon
	}
	p.w.File.Horizons = format.Join(s.Horizons, lost)
	_, err := p.w.finish(func(next *segment) { p.log.replace([]*segment{s}, next) })
	return err
}

// write writes the remaining facts of a segment.
func (p *filePruning) write(ctx context.Context, s *segment) (err error) {
	of := newSegment(s.First, s.Last)
	if s.Snapshot {
		of = newSnapshot(s.Last)
	}
	of.Horizons = p.log.state.Load().horizons // reserves room for the stores that may get a horizon in this file
	of.Nodes = 1
	if p.w, err = p.log.dir.replace(of); err != nil {
		return err
	}
	if s.Snapshot {
		err = p.copyBlocks(ctx, &s.File)
	} else {
		err = p.log.dir.scan(ctx, &s.File, p.w.AddNodes, func(body []byte, facts []backend.Fact, _ int64) error {
			if body, facts = p.keep(body, facts); len(facts) > 0 {
				if err := p.w.Add(body, facts); err != nil {
					return err
				}
			}
			return p.log.goOn(ctx)
		})
	}
	if err != nil {
		return errors.Join(err, p.w.discard())
	}
	return nil
}

// keep returns the body and the facts of a frame that stay.
func (p *filePruning) keep(body []byte, facts []backend.Fact) ([]byte, []backend.Fact) {
	before := len(facts)
	facts = slices.DeleteFunc(facts, func(f backend.Fact) bool {
		_, drop := slices.BinarySearch(p.drop, f.Seq)
		if drop {
			p.count++
			n := name{strings.Clone(f.Store), strings.Clone(f.Key)} // does not keep the block in memory
			p.gone[n] = f.Seq                                       // ends with the highest one: facts come in the order of their seqs
			p.w.AddNodes(p.leaves.Of(&f))
		}
		return drop
	})
	if n := len(facts); n > 0 && n < before {
		body = wire.AppendGroup(nil, facts)
	}
	return body, facts
}

// copyBlocks copies a snapshot without the pruned facts.
func (p *filePruning) copyBlocks(ctx context.Context, f *format.File) error {
	r, err := p.log.dir.open(f, 0, f.Size)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		body, err := r.Raw()
		if err == nil && format.IsEnd(body) {
			return nil
		}
		if err == nil {
			err = p.log.goOn(ctx)
		}
		switch {
		case err != nil || r.Offset() == 0:
		case format.IsNodes(body):
			err = p.nodes(r.Reader, body)
		default:
			err = p.block(r.Reader, body)
		}
		if err != nil {
			return err
		}
	}
}

// nodes copies nodes of facts that were pruned earlier.
func (p *filePruning) nodes(r *format.Reader, body []byte) error {
	nodes, ok := format.ParseNodes(body)
	if !ok {
		return r.Damage("a frame with bad nodes of the hash tree")
	}
	p.w.AddNodes(nodes...)
	return nil
}

// block copies a block, unchanged if all its facts stay.
func (p *filePruning) block(r *format.Reader, compressed []byte) error {
	before := p.count
	frames, err := format.Decompress(compressed)
	if err != nil {
		return r.Damage(err.Error())
	}
	var bodies [][]byte
	var all [][]backend.Fact
	for len(frames) > 0 {
		body, rest, ok := wire.CutFrame(frames) // the block's CRC was checked
		if !ok {
			return r.Damage("a block that holds more than frames")
		}
		facts, err := r.Parse(nil, body)
		if err != nil {
			return err
		}
		if body, facts = p.keep(body, facts); len(facts) > 0 {
			bodies, all = append(bodies, body), append(all, facts)
		}
		frames = rest
	}
	if p.count == before && len(all) > 0 {
		return p.w.AddBlock(compressed, bodies, all)
	}
	for i := range bodies {
		if err := p.w.Add(bodies[i], all[i]); err != nil {
			return err
		}
	}
	return nil
}
