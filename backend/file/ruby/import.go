// Package ruby imports the write-ahead logs of the Ruby system.
package ruby

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/wire"
)

// Options says how a log is imported. The zero Options is good.
type Options struct {
	// SkipDamage leaves out what is damaged, and reports it. Without SkipDamage, damage is a
	// *backend.CorruptError, and nothing is imported: the Ruby system stops at damage, or goes on, without
	// an error, so that the facts behind it may have been missing for a long time.
	SkipDamage bool

	// Progress, if not nil, is called now and then with the number of facts written so far and the total.
	Progress func(facts, total uint64)
}

// A Report says what Import did.
type Report struct {
	Facts uint64     // how many the log and its snapshot hold, each ID counted once
	New   uint64     // how many of them are new to the log it was given; 0 if the log does not say
	Cuts  []file.Cut // bytes that were left out: a write that a crash cut short, and damage that was skipped
}

// Import writes to a log the facts of a log of the Ruby system and of the snapshot beside it (path with
// ".snap" after it). It keeps IDs, times, causations and hashes, also hashes that do not match, since a native
// extension of the Ruby system computes hashes in another way. Facts get their seqs in the order in which Ruby
// replays them, the order of their transaction times. A last frame that a crash cut short is left out, as
// Ruby does. Importing again is harmless, and completes an import that was interrupted.
//
// It reads the files twice, and keeps about 100 bytes a fact in memory. The files must not change meanwhile.
func Import(ctx context.Context, to backend.Log, path string, opts Options) (Report, error) {
	r := log{opts: opts, ids: map[string]struct{}{}}
	defer r.close()
	err := r.read(ctx, path+".snap")
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = r.read(ctx, path)
	}
	if err == nil {
		slices.SortStableFunc(r.places, func(a, b place) int { return cmp.Or(cmp.Compare(a.sec, b.sec), cmp.Compare(a.nsec, b.nsec)) })
		err = r.write(ctx, to)
	}
	if err != nil {
		return r.report, fmt.Errorf("ruby: import log %s: %w", path, err)
	}
	return r.report, nil
}

// A log is a log of the Ruby system and its snapshot.
type log struct {
	opts   Options
	files  []*os.File
	ids    map[string]struct{}
	places []place // of the facts
	report Report
}

// A place is where a fact is, and its transaction time.
type place struct {
	sec    int64
	nsec   int32
	file   int32
	offset int64
	length int
}

func (r *log) close() {
	for _, f := range r.files {
		_ = f.Close() // it was only read
	}
}

// read notes the facts of a file.
func (r *log) read(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	r.files = append(r.files, f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	for x, err := range format.Stretches(ctx, f, size, format.LogBodies) {
		if err != nil {
			return err
		}
		if x.Body != nil {
			x.Bad = r.note(x.From, x.Body)
		} else if x.Last {
			// What a crash leaves: the last write, cut short.
			r.cut(path, x.From, size, cmp.Or(x.Bad, "zeros"))
			return nil
		}
		if x.Bad != "" {
			if !r.opts.SkipDamage {
				return damage(path, x.From, x.Bad)
			}
			r.cut(path, x.From, x.To, x.Bad)
		}
	}
	return nil
}

func damage(path string, at int64, reason string) error {
	return &backend.CorruptError{Path: path, Offset: at, Reason: reason}
}

// cut reports bytes that are left out.
func (r *log) cut(path string, from, to int64, reason string) {
	r.report.Cuts = append(r.report.Cuts, file.Cut{File: path, Offset: from, Bytes: to - from, Reason: damage(path, from, reason).Error()})
}

// note notes the fact in a frame's body, and says what is wrong with a body that has none.
func (r *log) note(offset int64, body []byte) (bad string) {
	if bytes.HasPrefix(body, []byte(`{"type":"snapshot_header"`)) {
		return ""
	}
	f, err := parse(body)
	if err != nil {
		return err.Error()
	}
	if _, ok := r.ids[f.ID]; ok {
		return ""
	}
	r.ids[strings.Clone(f.ID)] = struct{}{} // without the block that it was read into
	t := f.TransactionTime
	r.places = append(r.places, place{t.Unix(), int32(t.Nanosecond()), int32(len(r.files) - 1), offset + 4, len(body)})
	return ""
}

// parse parses and checks a fact.
func parse(body []byte) (backend.Fact, error) {
	f, err := wire.CheckFact(body)
	if err == nil {
		err = f.Validate()
	}
	return f, err
}

// Facts are written in batches, since some logs sync each Write.
const (
	writeFacts = 500
	writeBytes = 1 << 20
)

// write writes the facts to a log.
func (r *log) write(ctx context.Context, to backend.Log) error {
	total := uint64(len(r.places))
	for len(r.places) > 0 {
		var facts []backend.Fact
		for size := 0; len(r.places) > 0 && len(facts) < writeFacts && size < writeBytes; r.places = r.places[1:] {
			p := r.places[0]
			body := make([]byte, p.length)
			if n, err := r.files[p.file].ReadAt(body, p.offset); n < len(body) {
				return fmt.Errorf("read a fact again: %w", err)
			}
			f, err := parse(body)
			if err != nil {
				return fmt.Errorf("read a fact again: %w", err)
			}
			facts = append(facts, f)
			size += len(body)
		}
		if err := r.add(ctx, to, facts); err != nil {
			return err
		}
		if r.opts.Progress != nil {
			r.opts.Progress(r.report.Facts, total)
		}
	}
	return nil
}

// add writes facts as one batch or, if the log takes no such batch, one by one. It stops at a fact that is
// refused: a later fact of its key would come before it once the import is run again.
func (r *log) add(ctx context.Context, to backend.Log, facts []backend.Fact) error {
	w := to.Write(ctx, backend.Batch{Facts: facts})[0]
	if len(facts) > 1 && (errors.Is(w.Err, errors.ErrUnsupported) || errors.Is(w.Err, backend.ErrTooLarge) || errors.Is(w.Err, backend.ErrIDReused)) {
		for n := range facts {
			if err := r.add(ctx, to, facts[n:n+1]); err != nil {
				return err
			}
		}
		return nil
	}
	if w.Err != nil {
		return fmt.Errorf("write fact %q and %d more: %w", facts[0].ID, len(facts)-1, w.Err)
	}
	for i := range w.Facts {
		r.report.Facts++
		if w.New(&w.Facts[i]) {
			r.report.New++
		}
	}
	return nil
}
