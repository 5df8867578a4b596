package file

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// ignored is a file that is not used, and why.
type ignored struct {
	name string
	err  error
}

// quarantine keeps the bytes of a file between two offsets, durably, with a report.
//
//	mkdir(quarantine), fsync(directory)              the first time
//	open(O_CREAT), pwrite, fdatasync                 the bytes, then the report
//	fsync(quarantine)
func (l *Log) quarantine(f vfs.File, name string, from, to int64, reason string) error {
	kept, err := l.quarantineName(name, from)
	if err != nil {
		return fmt.Errorf("quarantine bytes of %s: %w", name, err)
	}
	c := Cut{File: name, Offset: from, Bytes: to - from, Reason: reason, Kept: kept}
	err = l.keepFile(kept, func(out vfs.File) error {
		buf := make([]byte, min(to-from, 1<<20))
		for at := from; at < to; {
			b := buf[:min(int64(len(buf)), to-at)]
			if n, err := f.ReadAt(b, at); n < len(b) {
				return err
			}
			if err := vfs.WriteAll(out, b, at-from); err != nil {
				return err
			}
			at += int64(len(b))
		}
		return nil
	})
	if err == nil {
		err = l.reportCut(c)
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
func (l *Log) setAside(name string, cause error) error {
	kept, err := l.quarantineName(name, 0)
	if err != nil {
		return err
	}
	f, err := l.opts.fs.Open(l.path(name))
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := l.opts.fs.Rename(l.path(name), l.path(kept)); err != nil {
		return err
	}
	return l.reportCut(Cut{File: name, Bytes: size, Reason: cause.Error(), Kept: kept})
}

// reportCut writes the report of a cut beside the bytes, and makes both names durable.
func (l *Log) reportCut(c Cut) error {
	err := l.keepFile(c.Kept+".json", func(out vfs.File) error { return vfs.WriteAll(out, c.encode(), 0) })
	if err == nil {
		err = l.opts.fs.SyncDir(l.path(quarantineName))
	}
	l.report.Cuts = append(l.report.Cuts, c)
	return err
}

// keepMissing writes which facts of a file are lost.
func (l *Log) keepMissing(name string, gaps []Range) error {
	kept, err := l.quarantineName(name+".missing", int64(gaps[0].First))
	if err != nil {
		return err
	}
	if err := l.keepFile(kept+".json", func(out vfs.File) error { return vfs.WriteAll(out, lost{name, gaps}.encode(), 0) }); err != nil {
		return err
	}
	return l.opts.fs.SyncDir(l.path(quarantineName))
}

// quarantineName makes the quarantine if need be, and returns the name, in the log's directory, of a
// file in it that is not there yet.
func (l *Log) quarantineName(name string, offset int64) (string, error) {
	dir := l.path(quarantineName)
	if err := l.opts.fs.Mkdir(dir); err == nil {
		if err := l.opts.fs.SyncDir(l.dir); err != nil {
			return "", err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	for n := 1; ; n++ {
		kept := filepath.Join(quarantineName, fmt.Sprintf("%s.%d.%d", name, offset, n))
		_, err := l.opts.fs.Stat(l.path(kept))
		if errors.Is(err, fs.ErrNotExist) {
			_, err = l.opts.fs.Stat(l.path(kept + ".json"))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return kept, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// keepFile makes a file in the quarantine.
func (l *Log) keepFile(name string, write func(vfs.File) error) error {
	f, err := l.opts.fs.Create(l.path(name))
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
