// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/internal/merkle"
	"github.com/igniter-store/igniter/wire"
)

// A segment is a part of the log in a file of its own: a segment file or a snapshot. The segments of a log
// cover all seqs from 1 on, one after the other. All but the index never change.
type segment struct {
	format.File
	id    format.Identity              // as its header says
	boot  string                       // as its header says
	index atomic.Int64                 // the size of its index file; 0: it has none
	tree  atomic.Pointer[merkle.Range] // its part of the hash tree; nil: it is not computed yet

	// Only the flusher uses these: when to try again to make the index after a failure, and how long it waited last.
	indexAgain time.Time
	indexPause time.Duration
}

// indexed reports whether the segment has an index with its part of the hash tree.
func (s *segment) indexed() bool { return s.index.Load() > 0 && s.tree.Load() != nil }

// A VersionError reports a file in a format of a later release of this package.
type VersionError struct {
	Path    string
	Version int // of the file
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d, and this program reads versions up to %d: open the log with a newer release",
		e.Path, e.Version, format.Version)
}

// header reads the header of a file, and checks its kind. It sets f.Size and f.Check.
func (d *directory) header(f *format.File, kind string) (h format.Header, err error) {
	path := d.join(f.Name)
	in, err := d.fs.Open(path)
	if err != nil {
		return h, err
	}
	defer in.Close()
	if f.Size, err = in.Size(); err != nil {
		return h, err
	}
	corrupt := func(reason string) error { return &backend.CorruptError{Path: path, Reason: reason} }
	body, err := wire.NewReader(io.NewSectionReader(in, 0, f.Size), wire.MaxMaxFrame).Next()
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, backend.ErrCorrupt) {
		return h, corrupt("the file does not begin with a whole header: " + err.Error())
	}
	if err != nil {
		return h, err
	}
	h, ok := format.ParseHeader(body)
	switch {
	case !ok:
		return h, corrupt("the file does not begin with a header")
	case h.Version > format.Version:
		return h, &VersionError{path, h.Version}
	case h.Version < 1 || h.Kind != kind:
		return h, corrupt(fmt.Sprintf("the header is of kind %q, version %d, and not of kind %q", h.Kind, h.Version, kind))
	}
	f.Check, f.Header = format.CRC(body), int64(len(body))+wire.FrameOverhead
	return h, nil
}

// openSegment returns the segment file that begins at seq first. last is the last seq that it covers, unless its header
// names one.
func (d *directory) openSegment(first, last uint64) (*segment, error) {
	s := &segment{File: newSegment(first, last)}
	h, err := d.header(&s.File, format.KindSegment)
	if err != nil {
		return nil, err
	}
	reason := ""
	s.Facts, s.Sync, s.Horizons, s.Nodes, s.id, s.boot = last+1-first, h.Sync, h.Horizons, h.Nodes, h.Identity, h.Boot
	switch {
	case h.FirstSeq != first:
		reason = fmt.Sprintf("it has the header of the segment that begins at seq %d", h.FirstSeq)
	case h.Facts == nil:
		if !validSync(Sync(h.Sync)) {
			reason = fmt.Sprintf("the header says that it is synced %q", h.Sync)
		}
	case h.LastSeq+1 < first || h.LastSeq > format.MaxSeq || *h.Facts > h.LastSeq+1-first:
		reason = fmt.Sprintf("the header says %d facts from seq %d to %d", *h.Facts, first, h.LastSeq)
	default:
		s.Gaps, s.Last, s.Facts = true, h.LastSeq, *h.Facts
	}
	if reason != "" {
		return nil, &backend.CorruptError{Path: d.join(s.Name), Reason: reason}
	}
	return s, nil
}

// openSnapshot returns the snapshot through a seq, and the hash of its content according to its header.
func (d *directory) openSnapshot(through uint64) (s *segment, hash string, err error) {
	s = &segment{File: newSnapshot(through)}
	h, err := d.header(&s.File, format.KindSnapshot)
	if err != nil {
		return nil, "", err
	}
	if h.FirstSeq != 1 || h.LastSeq != through || h.Facts == nil || *h.Facts > through {
		return nil, "", &backend.CorruptError{Path: d.join(s.Name), Reason: fmt.Sprintf(
			"it has the header of a snapshot of seqs %d to %d", h.FirstSeq, h.LastSeq)}
	}
	s.Facts, s.Gaps, s.Horizons, s.Nodes, s.id = *h.Facts, *h.Facts < through, h.Horizons, h.Nodes, h.Identity
	return s, h.SHA256, nil
}

// A fileReader reads the frames of an open file.
type fileReader struct {
	*format.Reader
	vfs.File
}

// open opens a file to read its frames from one offset to another. The caller closes it. A missing file is damage.
func (d *directory) open(f *format.File, from, to int64) (fileReader, error) {
	in, err := d.fs.Open(d.join(f.Name))
	if errors.Is(err, fs.ErrNotExist) {
		err = &backend.CorruptError{Path: d.join(f.Name), Reason: fmt.Sprintf("the file, for seqs %d to %d, is missing", f.First, f.Last)}
	}
	if err != nil {
		return fileReader{}, err
	}
	return fileReader{format.NewReader(in, d.join(f.Name), f.Snapshot, from, to), in}, nil
}

// A scanFunc is called with each frame of facts in a file: its body, its facts, and the offset of the frame or of the block
// that has it. The slice facts is reused.
type scanFunc func(body []byte, facts []backend.Fact, offset int64) error

// scan reads all of a sealed file, and checks that it holds the facts that f describes. It passes nodes of the hash tree to
// nodes, which may be nil.
func (d *directory) scan(ctx context.Context, f *format.File, nodes func(...merkle.Node), do scanFunc) error {
	r, err := d.open(f, 0, f.Size)
	if err != nil {
		return err
	}
	defer r.Close()
	r.Nodes = nodes
	count, last := uint64(0), f.First-1
	var facts []backend.Fact
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		body, err := r.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			facts, err = r.Parse(facts[:0], body)
		}
		if err != nil {
			return err
		}
		for i := range facts {
			seq := facts[i].Seq
			if seq <= last || seq > f.Last {
				return r.Damage(fmt.Sprintf("a fact with seq %d after %d, in a file for %d to %d", seq, last, f.First, f.Last))
			}
			last = seq
		}
		count += uint64(len(facts))
		if err := do(body, facts, r.Offset()); err != nil {
			return err
		}
	}
	if count != f.Facts {
		return r.Damage(fmt.Sprintf("%d facts where there should be %d", count, f.Facts))
	}
	return nil
}

// wrongHash is the reason of the error if hashOf finds a snapshot damaged.
const wrongHash = "the snapshot's content does not have the hash that its header says"

// checkSnapshot reads all of a snapshot, checks its hash, and scans it.
func (d *directory) checkSnapshot(ctx context.Context, f *format.File, hash string) error {
	in, err := d.fs.Open(d.join(f.Name))
	if err != nil {
		return err
	}
	defer in.Close()
	if sum, err := hashOf(ctx, in, f); err != nil {
		return err
	} else if sum != hash {
		return &backend.CorruptError{Path: d.join(f.Name), Reason: wrongHash}
	}
	return d.scan(ctx, f, nil, func([]byte, []backend.Fact, int64) error { return nil })
}

// hashOf returns the hash of the content of a snapshot.
func hashOf(ctx context.Context, in vfs.File, f *format.File) (string, error) {
	sum := sha256.New()
	const step = 1 << 20
	for at := f.Header; at < f.Size; at += step {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if _, err := io.Copy(sum, io.NewSectionReader(in, at, min(step, f.Size-at))); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
