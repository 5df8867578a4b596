// SPDX-License-Identifier: Apache-2.0

// Package ruby reads the write-ahead logs of the Ruby system.
package ruby

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/wire"
)

// Options says how a log is read. The zero Options is good.
type Options struct {
	// SkipDamage leaves out damaged parts and reports them. Without SkipDamage, damage is a
	// *backend.CorruptError: the Ruby system stops at damage, or skips it, without an error, so that the
	// facts behind it may have been missing for a long time.
	SkipDamage bool
}

// A Log is a log of the Ruby system and the snapshot beside it. Open makes one. Its methods must not be
// called concurrently.
type Log struct {
	opts   Options
	path   string
	files  []*os.File
	ids    map[[16]byte]struct{} // digests of the facts' stores and IDs; nil once they are all known
	places []place               // of the facts
	cuts   []file.Cut
}

// A place is where a fact is, and its transaction time.
type place struct {
	sec    int64
	nsec   int32
	file   int32
	offset int64
	length int
}

// Open reads a log of the Ruby system and the snapshot beside it (path with ".snap" after it), and checks every
// fact. A last frame that a crash cut short is left out, as Ruby does. The Log keeps some 40 bytes a fact
// in memory, and twice that while it opens. Facts reads the facts again: the files must not change before Close.
func Open(ctx context.Context, path string, opts Options) (*Log, error) {
	l := &Log{opts: opts, path: path, ids: map[[16]byte]struct{}{}}
	err := l.read(ctx, path+".snap")
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = l.read(ctx, path)
	}
	if err != nil {
		return nil, errors.Join(l.wrap(err), l.Close())
	}
	l.ids = nil
	slices.SortStableFunc(l.places, func(a, b place) int { return cmp.Or(cmp.Compare(a.sec, b.sec), cmp.Compare(a.nsec, b.nsec)) })
	return l, nil
}

func (l *Log) wrap(err error) error { return fmt.Errorf("ruby: read log %s: %w", l.path, err) }

// Close closes the log's files.
func (l *Log) Close() (err error) {
	for _, f := range l.files {
		err = errors.Join(err, f.Close())
	}
	l.files = nil
	return err
}

// Len returns how many facts the log and its snapshot hold. Facts with the same ID count once.
func (l *Log) Len() int { return len(l.places) }

// Cuts returns the bytes that were left out: a write that a crash cut short, and damage that was skipped.
func (l *Log) Cuts() []file.Cut { return l.cuts }

// Facts yields the facts in the order in which Ruby replays them, the order of their transaction times; of facts with
// the same ID only the first. They have no seqs. Their IDs, times, causations and hashes are Ruby's, also hashes that
// do not match, since a native extension of the Ruby system computes hashes in another way. An error ends the loop.
func (l *Log) Facts() iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		for _, p := range l.places {
			body := make([]byte, p.length)
			var f backend.Fact
			n, err := l.files[p.file].ReadAt(body, p.offset)
			if n == len(body) {
				f, err = parse(body)
			}
			if err != nil {
				yield(backend.Fact{}, l.wrap(fmt.Errorf("read a fact again: %w", err)))
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

// read notes the facts of a file.
func (l *Log) read(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	l.files = append(l.files, f)
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
			x.Bad = l.note(x.From, x.Body)
		} else if x.Last {
			// What a crash leaves: the last write, cut short.
			l.cut(path, x.From, size, cmp.Or(x.Bad, "zeros"))
			return nil
		}
		if x.Bad != "" {
			if !l.opts.SkipDamage {
				return damage(path, x.From, x.Bad)
			}
			l.cut(path, x.From, x.To, x.Bad)
		}
	}
	return nil
}

func damage(path string, at int64, reason string) error {
	return &backend.CorruptError{Path: path, Offset: at, Reason: reason}
}

// cut reports bytes that are left out.
func (l *Log) cut(path string, from, to int64, reason string) {
	l.cuts = append(l.cuts, file.Cut{File: path, Offset: from, Bytes: to - from, Reason: damage(path, from, reason).Error()})
}

// note notes the fact in a frame's body, and says what is wrong with a body that has none.
func (l *Log) note(offset int64, body []byte) (bad string) {
	if bytes.HasPrefix(body, []byte(`{"type":"snapshot_header"`)) {
		return ""
	}
	f, err := parse(body)
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", len(f.Store), f.Store, f.ID))
	id := [16]byte(sum[:])
	if _, ok := l.ids[id]; ok {
		return ""
	}
	l.ids[id] = struct{}{}
	t := f.TransactionTime
	l.places = append(l.places, place{t.Unix(), int32(t.Nanosecond()), int32(len(l.files) - 1), offset + 4, len(body)})
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
