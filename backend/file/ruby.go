package file

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// RubyOptions says how a log of the Ruby system is imported. The zero RubyOptions is good.
type RubyOptions struct {
	// SkipDamage leaves out what is damaged, and says so in the report. Without it, damage is a
	// *backend.CorruptError, and nothing is imported: the Ruby system stops or goes on at damage
	// without a word, so that facts behind it may have been missing for long.
	SkipDamage bool

	// Progress is told now and then how many of how many facts are written, by the goroutine that
	// called ImportRuby; nil: nobody is.
	Progress func(facts, total uint64)
}

// A RubyReport says what ImportRuby did.
type RubyReport struct {
	Facts uint64 // that the log and its snapshot hold, each ID once
	New   uint64 // of those, the ones that were not there before; only for a backend.Stater
	Cuts  []Cut  // bytes that were left out: a write that a crash cut short, and damage that was skipped
}

// ImportRuby writes the facts of a log of the Ruby system, and of the snapshot beside it (its name
// with ".snap" after it), to a log. IDs, times, causations and hashes are kept, also hashes that do not
// match, since a native extension of the Ruby system hashes otherwise. Facts get their seqs in the
// order in which Ruby replays them, that of their transaction times. A last frame that a crash cut
// short is left out, as Ruby does. Importing again is harmless, and completes what was interrupted.
//
// It reads the files twice and keeps some 100 bytes a fact in memory. They must not change meanwhile.
func ImportRuby(ctx context.Context, to backend.Backend, path string, opts RubyOptions) (RubyReport, error) {
	r := rubyLog{opts: opts, ids: map[string]struct{}{}}
	defer r.close()
	err := r.read(ctx, path+snapshotExt)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = r.read(ctx, path)
	}
	if err == nil {
		slices.SortStableFunc(r.places, func(a, b rubyPlace) int { return cmp.Or(cmp.Compare(a.sec, b.sec), cmp.Compare(a.nsec, b.nsec)) })
		err = r.write(ctx, to)
	}
	if err != nil {
		return r.report, fmt.Errorf("file: import Ruby log %s: %w", path, err)
	}
	return r.report, nil
}

// A rubyLog is a log of the Ruby system and its snapshot.
type rubyLog struct {
	opts   RubyOptions
	files  []vfs.File
	ids    map[string]struct{}
	places []rubyPlace // of the facts
	report RubyReport
}

// A rubyPlace is where a fact is, and its transaction time.
type rubyPlace struct {
	sec    int64
	nsec   int32
	file   int32
	offset int64
	length int
}

func (r *rubyLog) close() {
	for _, f := range r.files {
		_ = f.Close() // it was only read
	}
}

// read notes the facts of a file.
func (r *rubyLog) read(ctx context.Context, path string) error {
	f, err := vfs.OS{}.Open(path)
	if err != nil {
		return err
	}
	r.files = append(r.files, f)
	size, err := f.Size()
	if err != nil {
		return err
	}
	frames := newSearch(f, 0, size)
	for at := int64(0); at < size; {
		x := &frameReader{path: path, file: f, base: at, to: size, r: wire.NewReader(sectionOf(f, at, size), wire.MaxMaxFrame)}
		body, err := x.raw()
		for ; err == nil; body, err = x.raw() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if bad := r.note(x.offset, body); bad != "" {
				if err := r.skip(path, x.offset, x.offset+int64(len(body))+wire.FrameOverhead, x.damage(bad)); err != nil {
					return err
				}
			}
		}
		if at = x.offset; err == io.EOF {
			return nil
		}
		if !errors.Is(err, backend.ErrCorrupt) {
			return err
		}
		next, _, findErr := frames.next(ctx, at+1, size)
		if findErr != nil {
			return findErr
		}
		if next < 0 {
			// What a crash leaves: the last write, cut short.
			r.report.Cuts = append(r.report.Cuts, Cut{File: path, Offset: at, Bytes: size - at, Reason: err.Error()})
			return nil
		}
		if err := r.skip(path, at, next, err); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// skip leaves bytes out, if that is wanted.
func (r *rubyLog) skip(path string, from, to int64, damage error) error {
	if !r.opts.SkipDamage {
		return damage
	}
	r.report.Cuts = append(r.report.Cuts, Cut{File: path, Offset: from, Bytes: to - from, Reason: damage.Error()})
	return nil
}

// note notes the fact in a frame's body, and says what is wrong with one that holds none.
func (r *rubyLog) note(offset int64, body []byte) (bad string) {
	if bytes.HasPrefix(body, []byte(`{"type":"snapshot_header"`)) {
		return ""
	}
	f, err := rubyFact(body)
	if err != nil {
		return err.Error()
	}
	if _, ok := r.ids[f.ID]; ok {
		return ""
	}
	r.ids[strings.Clone(f.ID)] = struct{}{} // without the block that it was read into
	t := f.TransactionTime
	r.places = append(r.places, rubyPlace{t.Unix(), int32(t.Nanosecond()), int32(len(r.files) - 1), offset + 4, len(body)})
	return ""
}

// rubyFact parses and checks a fact.
func rubyFact(body []byte) (backend.Fact, error) {
	f, err := wire.CheckFact(body)
	if err == nil {
		err = f.Validate()
	}
	return f, err
}

// Facts are written in batches, so that a log which syncs each write does not take a night.
const (
	rubyBatch      = 500
	rubyBatchBytes = 1 << 20
)

// write writes the facts to a log.
func (r *rubyLog) write(ctx context.Context, to backend.Backend) error {
	stats, err := backend.StatsOf(ctx, to)
	countNew := err == nil
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	total := uint64(len(r.places))
	for len(r.places) > 0 {
		var facts []backend.Fact
		for size := 0; len(r.places) > 0 && len(facts) < rubyBatch && size < rubyBatchBytes; r.places = r.places[1:] {
			p := r.places[0]
			body := make([]byte, p.length)
			if n, err := r.files[p.file].ReadAt(body, p.offset); n < len(body) {
				return fmt.Errorf("read a fact again: %w", err)
			}
			f, err := rubyFact(body)
			if err != nil {
				return fmt.Errorf("read a fact again: %w", err)
			}
			facts = append(facts, f)
			size += len(body)
		}
		if facts, err = writeFacts(ctx, to, facts); err != nil {
			return err
		}
		r.report.Facts += uint64(len(facts))
		if r.opts.Progress != nil {
			r.opts.Progress(r.report.Facts, total)
		}
		for _, f := range facts {
			if countNew && f.Seq > stats.LastSeq {
				r.report.New++
			}
		}
	}
	return nil
}

// writeFacts writes facts as a batch, or one by one where there are no batches.
func writeFacts(ctx context.Context, to backend.Backend, facts []backend.Fact) ([]backend.Fact, error) {
	written, err := backend.WriteBatch(ctx, to, backend.Batch{Facts: facts})
	if !errors.Is(err, errors.ErrUnsupported) {
		return written, err
	}
	for i := range facts {
		if facts[i], err = to.WriteFact(ctx, facts[i]); err != nil {
			return nil, err
		}
	}
	return facts, nil
}
