package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// Prune implements backend.Pruner. It makes anew each segment, and the snapshot, that has one of the
// facts, one after the other. Writers, readers and followers go on meanwhile; WriteSnapshot waits.
func (l *Log) Prune(ctx context.Context, seqs iter.Seq[uint64]) (backend.PruneReport, error) {
	wanted := slices.Sorted(seqs)
	report, err := l.prune(ctx, slices.Compact(wanted))
	if err != nil {
		return report, fmt.Errorf("file: prune: %w", err)
	}
	return report, nil
}

func (l *Log) prune(ctx context.Context, wanted []uint64) (report backend.PruneReport, err error) {
	if err := l.maintain(ctx); err != nil {
		return report, err
	}
	defer l.maintained()
	if n := len(wanted); n > 0 && wanted[n-1] > l.sealedThrough() {
		if err := l.rollIfUsed(ctx); err != nil {
			return report, err
		}
	}
	x := pruning{log: l, gone: map[name]uint64{}}
	for _, p := range l.sealedPieces() {
		if err = l.goOn(ctx); err != nil {
			break
		}
		if drop := within(wanted, p.first, p.last); len(drop) > 0 {
			if err = x.thin(ctx, p, drop); err != nil {
				break
			}
		}
	}
	// What is gone is gone, be it all or a part.
	if tellErr := x.tell(); tellErr != nil {
		err = errors.Join(err, l.fail(tellErr))
	}
	report.Pruned = x.count
	report.Missing = uint64(len(wanted)) - x.count
	return report, err
}

// within returns the part of sorted seqs that lies between two.
func within(seqs []uint64, first, last uint64) []uint64 {
	from := sort.Search(len(seqs), func(i int) bool { return seqs[i] >= first })
	to := sort.Search(len(seqs), func(i int) bool { return seqs[i] > last })
	return seqs[from:to]
}

// A pruning is facts on their way out.
type pruning struct {
	log   *Log
	count uint64
	gone  map[name]uint64 // what the pruned facts were about, and the seq of the last one about that
}

// A name is a key in a store.
type name struct{ store, key string }

// thin makes a piece anew without the facts at some seqs, if it has any of them.
func (x *pruning) thin(ctx context.Context, p *piece, drop []uint64) error {
	t := thinning{log: x.log, drop: drop, gone: map[name]uint64{}}
	thin := t.segment
	if p.snapshot {
		thin = t.snapshot
	}
	err := thin(ctx, p)
	if err == nil || errors.Is(err, backend.ErrFailed) {
		x.count += t.count
		for n, seq := range t.gone {
			x.gone[n] = max(x.gone[n], seq)
		}
	}
	return x.log.failIf(err)
}

// tell makes the sequencer know each key's latest fact again.
func (x *pruning) tell() error {
	if len(x.gone) == 0 {
		return nil
	}
	l := x.log
	left := map[name]*backend.Fact{}
	ctx := context.Background()
	err := x.each(func(n name, seq uint64) {
		if l.seq.Latest(n.store, n.key) == seq {
			left[n] = nil
		}
	})
	pieces := l.sealedPieces()
	for i := len(pieces) - 1; i >= 0 && err == nil && len(left) > 0; i-- {
		err = l.findLatest(ctx, pieces[i], left)
	}
	if err == nil {
		err = x.each(func(n name, seq uint64) {
			if f, ok := left[n]; ok {
				l.seq.Pruned(n.store, n.key, seq, f)
			}
		})
	}
	if errors.Is(err, backend.ErrClosed) {
		return nil // nobody will ask the sequencer any more
	}
	return err
}

// tellSize is how many names are told at once, while writes wait.
const tellSize = 1000

// each has the committer call do with each name, some of them between two groups.
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

// findLatest completes the facts of keys that have none yet, from a piece.
func (l *Log) findLatest(ctx context.Context, p *piece, left map[name]*backend.Fact) error {
	index, err := l.indexOf(ctx, p)
	if err != nil {
		return err
	}
	defer index.close()
	return index.keys(func(facts []sequencer.Loaded) {
		for _, latest := range facts {
			n := name{latest.Store, latest.Key}
			if f, ok := left[n]; ok && f == nil {
				left[n] = &backend.Fact{Seq: latest.Seq, ID: latest.ID.String()} // under the name that is there
			}
		}
	})
}

// A thinning makes one piece anew.
type thinning struct {
	log   *Log
	drop  []uint64
	count uint64
	gone  map[name]uint64 // as in a pruning
	facts []backend.Fact
}

// frame returns the facts of a frame that stay, and its body without the others.
func (t *thinning) frame(r *frameReader, body []byte) ([]byte, []backend.Fact, error) {
	var err error
	if t.facts, err = r.parse(t.facts[:0], body); err != nil {
		return nil, nil, err
	}
	before := len(t.facts)
	t.facts = slices.DeleteFunc(t.facts, func(f backend.Fact) bool {
		_, drop := slices.BinarySearch(t.drop, f.Seq)
		if drop {
			t.drops(&f)
		}
		return drop
	})
	if n := len(t.facts); n > 0 && n < before {
		body = wire.AppendGroup(nil, t.facts)
	}
	return body, t.facts, nil
}

// drops notes that a fact goes.
func (t *thinning) drops(f *backend.Fact) {
	t.count++
	n := name{strings.Clone(f.Store), strings.Clone(f.Key)} // without the block that they were read into
	t.gone[n] = f.Seq                                       // the facts of a piece come in the order of their seqs
}

// read gives each frame of a piece to do: of a segment those with facts, of a snapshot the blocks.
func (t *thinning) read(ctx context.Context, p *piece, do func(r *frameReader, body []byte) error) error {
	r, err := openPiece(t.log.opts.fs, t.log.dir, p, 0, p.size)
	if err != nil {
		return err
	}
	defer r.close()
	next := r.next
	if p.snapshot {
		next = r.raw
	}
	for {
		body, err := next()
		if err == io.EOF || err == nil && p.snapshot && isEnd(body) {
			return nil
		}
		if err == nil {
			err = t.log.goOn(ctx)
		}
		if err == nil && r.offset > 0 {
			err = do(r, body)
		}
		if err != nil {
			return err
		}
	}
}

// segment makes a segment anew.
func (t *thinning) segment(ctx context.Context, p *piece) error {
	l := t.log
	n, err := l.create(p.name)
	if err != nil {
		return err
	}
	n.end = headerSize + wire.FrameOverhead // the header comes last
	x := newIndexer()
	x.last = p.first - 1
	err = t.read(ctx, p, func(r *frameReader, body []byte) error {
		body, facts, err := t.frame(r, body)
		if err != nil || len(facts) == 0 {
			return err
		}
		x.points = mark(x.points, facts[0].Seq, n.offset(), pointEvery)
		for i := range facts {
			x.add(&facts[i])
		}
		return n.append(wire.AppendFrame(nil, body))
	})
	if err != nil || t.count == 0 {
		return errors.Join(err, n.discard())
	}
	h := header{Kind: kindSegment, FirstSeq: p.first, LastSeq: p.last, Facts: &x.facts, CreatedAt: seconds(l.opts.Now())}
	thin := &piece{name: p.name, first: p.first, last: p.last, size: n.offset(), facts: x.facts, points: x.points, thinned: true, check: h.check()}
	if err := n.finish(h, func() { l.replace([]*piece{p}, thin) }); err != nil {
		return err
	}
	l.describe(thin, x)
	return nil
}

// snapshot makes a snapshot anew. Blocks that have none of the facts stay as they are.
func (t *thinning) snapshot(ctx context.Context, p *piece) error {
	w, err := t.log.newSnapshot(p.last)
	if err != nil {
		return err
	}
	err = t.read(ctx, p, func(r *frameReader, body []byte) error { return t.block(r, w, body) })
	if err != nil || t.count == 0 {
		return errors.Join(err, w.file.discard())
	}
	return w.finish([]*piece{p})
}

// block copies a block to a new snapshot.
func (t *thinning) block(r *frameReader, w *snapshotWriter, compressed []byte) error {
	before := t.count
	frames, err := decompress(compressed)
	if err != nil {
		return r.damage(err.Error())
	}
	var bodies [][]byte
	var all [][]backend.Fact
	for len(frames) > 0 {
		body, rest, ok := wire.CutFrame(frames) // the block's CRC says that it is what was written
		if !ok {
			return r.damage("a block that holds more than frames")
		}
		body, facts, err := t.frame(r, body)
		if err != nil {
			return err
		}
		if len(facts) > 0 {
			bodies, all = append(bodies, body), append(all, slices.Clone(facts))
		}
		frames = rest
	}
	if t.count == before && len(all) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
		return w.copy(compressed, all)
	}
	for i := range bodies {
		if err := w.add(bodies[i], all[i]); err != nil {
			return err
		}
	}
	return nil
}
