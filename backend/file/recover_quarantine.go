// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// quarantine copies the bytes of a file between two offsets to the quarantine, durably, with a report.
//
//	mkdir(quarantine), fsync(directory)              the first time
//	open(O_CREAT), pwrite, fdatasync                 the bytes, then the report
//	fsync(quarantine)
func (r *recovery) quarantine(f vfs.File, name string, from, to int64, reason string) error {
	kept, err := r.quarantineName(name, from)
	if err == nil {
		err = r.keep(kept, io.NewSectionReader(f, from, to-from))
	}
	if err == nil {
		err = r.reportCut(Cut{File: name, Offset: from, Bytes: to - from, Reason: reason, Kept: kept})
	}
	if err != nil {
		return fmt.Errorf("quarantine bytes of %s: %w", name, err)
	}
	return nil
}

// setAside moves a file to the quarantine, with a report.
//
//	rename(file, quarantine/…)
//	fsync(quarantine), fsync(directory)
func (r *recovery) setAside(name string, cause error) error {
	kept, err := r.quarantineName(name, 0)
	if err != nil {
		return err
	}
	info, err := r.fs.Stat(r.join(name))
	if err != nil {
		return err
	}
	if err := r.fs.Rename(r.join(name), r.join(kept)); err != nil {
		return err
	}
	return r.reportCut(Cut{File: name, Bytes: info.Size(), Reason: cause.Error(), Kept: kept})
}

// reportCut writes the report of a cut beside its bytes, and makes both names durable.
func (r *recovery) reportCut(c Cut) error {
	r.report.Cuts = append(r.report.Cuts, c)
	return r.keepReport(c.Kept, c)
}

// missing writes a report of the lost seqs of a file to the quarantine, durably, before the damaged file is removed.
func (r *recovery) missing(name string, gaps []Gap) error {
	if len(gaps) == 0 {
		return nil
	}
	kept, err := r.quarantineName(name+".missing", int64(gaps[0].First))
	if err == nil {
		err = r.keepReport(kept, lost{name, gaps})
	}
	if err != nil {
		return fmt.Errorf("keep which facts are missing: %w", err)
	}
	r.report.Missing = append(r.report.Missing, gaps...)
	return nil
}

// keepReport writes a report to the quarantine, durably.
func (r *recovery) keepReport(name string, report any) error {
	text, _ := json.MarshalIndent(report, "", "  ") // texts and numbers: it cannot fail
	err := r.keep(name+".json", bytes.NewReader(append(text, '\n')))
	if err == nil {
		err = r.sync(r.join(quarantineName))
	}
	return err
}

// keep writes a file in the quarantine.
func (r *recovery) keep(name string, content io.Reader) error {
	f, err := r.fs.Create(r.join(name))
	if err != nil {
		return err
	}
	if _, err = io.Copy(io.NewOffsetWriter(f, 0), content); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// quarantineName creates the quarantine if necessary, and returns the name of a new file in it, relative to
// the log's directory.
func (r *recovery) quarantineName(name string, offset int64) (string, error) {
	dir := r.join(quarantineName)
	if err := r.fs.Mkdir(dir); err == nil {
		if err := r.sync(r.path); err != nil {
			return "", err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return "", err
	} else if info, err := r.fs.Stat(dir); err != nil || !info.IsDir() {
		return "", errors.Join(fmt.Errorf("%s is not a directory: remove it", dir), err)
	}
	for n := 1; ; n++ {
		kept := filepath.Join(quarantineName, fmt.Sprintf("%s.%d.%d", name, offset, n))
		_, err := r.fs.Stat(r.join(kept))
		if errors.Is(err, fs.ErrNotExist) {
			_, err = r.fs.Stat(r.join(kept + ".json"))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return kept, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// ClearQuarantine removes the files in the quarantine, durably, and returns the number of removed bytes. The quarantine is
// for operators: the log never reads it, and it may hold facts that were pruned later.
func (l *Log) ClearQuarantine(ctx context.Context) (removed uint64, err error) {
	defer wrap(&err, "clear the quarantine")
	if err := l.maintain(ctx); err != nil {
		return 0, err
	}
	defer l.maintenance.Unlock()
	d := l.dir
	before := d.quarantined()
	entries, err := d.fs.ReadDir(d.join(quarantineName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, e := range entries {
		if err == nil {
			err = d.held()
		}
		if err == nil && !e.IsDir() {
			err = d.fs.Remove(d.join(filepath.Join(quarantineName, e.Name())))
		}
	}
	if err == nil {
		err = d.sync(d.join(quarantineName))
	}
	left := d.quarantined()
	l.kept.Store(left)
	return before - min(before, left), l.failIf(err)
}

// quarantined returns the number of bytes in the quarantine. It ignores files that cannot be read, since the log does not
// need them.
func (d *directory) quarantined() (total uint64) {
	entries, err := d.fs.ReadDir(d.join(quarantineName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("the quarantine cannot be read", zap.String("path", d.path), zap.Error(err))
	}
	for _, e := range entries {
		info, err := d.fs.Stat(d.join(filepath.Join(quarantineName, e.Name())))
		if err == nil && info.Mode().IsRegular() {
			total += uint64(info.Size())
		} else {
			d.log.Warn("the quarantine holds something else than files", zap.String("path", d.path), zap.String("name", e.Name()), zap.Error(err))
		}
	}
	return total
}
