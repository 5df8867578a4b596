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

// Options configure Open. The zero Options are valid.
type Options struct {
	// SkipDamage leaves out damaged parts and reports them. Without SkipDamage, damage is a *backend.CorruptError. The Ruby
	// system stops at damage, or skips it, without an error, so that facts may have been missing unnoticed for a long time.
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

// A place is the position of a fact, and its transaction time.
type place struct {
	sec    int64
	nsec   int32
	file   int32
	offset int64
	length int
}

// Open reads a log of the Ruby system and the snapshot beside it (path with ".snap" after it), and checks every
// fact. A last frame that a crash cut short is left out, as in Ruby. The Log keeps some 40 bytes per fact in memory, and
// twice as many while it opens. Facts reads the facts again: the files must not change before Close.
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

// Len returns the number of facts in the log and its snapshot. Facts with the same ID count once.
func (l *Log) Len() int { return len(l.places) }

// Cuts returns the bytes that were left out: a write that a crash cut short, and damage that was skipped.
func (l *Log) Cuts() []file.Cut { return l.cuts }

// Facts yields the facts in the order in which Ruby replays them, which is by transaction time. If several facts have the
// same ID, it yields only the first. The facts have no seqs. They have the IDs, times, causations and hashes of Ruby. A
// hash may not match, since a native extension of the Ruby system computes hashes in another way. An error ends the loop.
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

// read records the facts of a file.
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
			// The last write was cut short by a crash.
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

// note records the fact in a frame's body. bad is the reason if the body has no fact.
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
