// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

const maxFrame = wire.DefaultMaxFrame

// A dir is a directory with a file for each batch:
//
//	00000000000000000001.batch
//	00000000000000000004.batch    the batch whose first fact has seq 4
//	new-1234                      a batch that is being written
//
// A file is one frame of package wire, whose checksum shows damage. It is written under another name, synced, and
// linked to its own name; then the directory is synced. A link fails if the name exists, so two processes can't write
// the same seq. A file with its own name never changes.
type dir string

// open makes the directory, if it does not exist, and everything in it durable. It returns the names of the
// batches in order, and removes files that a crashed process left unfinished.
func (d dir) open() (batches []string, err error) {
	if err := os.Mkdir(string(d), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case strings.HasSuffix(e.Name(), ".batch"):
			batches = append(batches, e.Name())
		case err == nil && strings.HasPrefix(e.Name(), "new-") && time.Since(info.ModTime()) > time.Hour: // no process is writing it
			if err := os.Remove(filepath.Join(string(d), e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	return batches, errors.Join(d.sync(), dir(filepath.Dir(string(d))).sync())
}

func (d dir) name(first uint64) string { return fmt.Sprintf("%020d.batch", first) }
func (d dir) path(first uint64) string { return filepath.Join(string(d), d.name(first)) }

// read returns the batch that begins with a seq; the error is fs.ErrNotExist if none exists.
func (d dir) read(first uint64) ([]backend.Fact, error) {
	frame, err := os.ReadFile(d.path(first))
	if err != nil {
		return nil, err
	}
	if body, _, ok := wire.CutFrame(frame); ok && bytes.Equal(wire.AppendFrame(nil, body), frame) {
		if facts, err := wire.ParseGroup(nil, body); err == nil && facts[0].Seq == first {
			return facts, nil
		}
	}
	return nil, &backend.CorruptError{Path: d.path(first), Reason: "the file is not what was written: restore it from a backup"}
}

// write makes a batch durable. If there is one with the same first seq, the error is fs.ErrExist. If it is not
// known whether the batch is durable, the error is backend.ErrFailed; after other errors it is not.
func (d dir) write(facts []backend.Fact) error {
	frame := wire.CloseFrame(wire.AppendGroup(wire.OpenFrame(nil), facts), 0)
	if len(frame)-wire.FrameOverhead > maxFrame {
		return sequencer.TooLarge(maxFrame)
	}
	tmp, err := os.CreateTemp(string(d), "new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // if that fails, open does it later
	_, err = tmp.Write(frame)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	err = os.Link(tmp.Name(), d.path(facts[0].Seq))
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if err == nil {
		err = d.sync()
	}
	if err != nil {
		return fmt.Errorf("%w: open the log again: %w", backend.ErrFailed, err)
	}
	return nil
}

// sync makes the names in the directory durable. Windows does that itself, and cannot sync a directory.
func (d dir) sync() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
