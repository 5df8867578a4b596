package file

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// quarantine copies the bytes of a file between two offsets to the quarantine, durably, with a report.
//
//	mkdir(quarantine), fsync(directory)              the first time
//	open(O_CREAT), pwrite, fdatasync                 the bytes, then the report
//	fsync(quarantine)
func (r *recovery) quarantine(f vfs.File, name string, from, to int64, reason string) error {
	kept, err := r.quarantineName(name, from)
	if err != nil {
		return fmt.Errorf("quarantine bytes of %s: %w", name, err)
	}
	c := Cut{File: name, Offset: from, Bytes: to - from, Reason: reason, Kept: kept}
	err = r.keepFile(kept, func(out vfs.File) error {
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
		err = r.reportCut(c)
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
	f, err := r.fs.Open(r.join(name))
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := r.fs.Rename(r.join(name), r.join(kept)); err != nil {
		return err
	}
	return r.reportCut(Cut{File: name, Bytes: size, Reason: cause.Error(), Kept: kept})
}

// reportCut writes the report of a cut beside its bytes, and makes both names durable.
func (r *recovery) reportCut(c Cut) error {
	err := r.keepFile(c.Kept+".json", func(out vfs.File) error { return vfs.WriteAll(out, encodeReport(c), 0) })
	if err == nil {
		err = r.fs.SyncDir(r.join(quarantineName))
	}
	r.report.Cuts = append(r.report.Cuts, c)
	return err
}

// keepMissing writes to the quarantine which facts of a file are lost.
func (r *recovery) keepMissing(name string, gaps []Range) error {
	kept, err := r.quarantineName(name+".missing", int64(gaps[0].First))
	if err != nil {
		return err
	}
	if err := r.keepFile(kept+".json", func(out vfs.File) error { return vfs.WriteAll(out, encodeReport(lost{name, gaps}), 0) }); err != nil {
		return err
	}
	return r.fs.SyncDir(r.join(quarantineName))
}

// quarantineName creates the quarantine if necessary, and returns the name of a new file in it, relative to
// the log's directory.
func (r *recovery) quarantineName(name string, offset int64) (string, error) {
	dir := r.join(quarantineName)
	if err := r.fs.Mkdir(dir); err == nil {
		if err := r.fs.SyncDir(r.path); err != nil {
			return "", err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return "", err
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

// keepFile writes a file in the quarantine, durably.
func (r *recovery) keepFile(name string, write func(vfs.File) error) error {
	f, err := r.fs.Create(r.join(name))
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// quarantined returns how many bytes the quarantine has.
func (d *directory) quarantined() (uint64, error) {
	entries, err := d.fs.ReadDir(d.join(quarantineName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	total := uint64(0)
	for _, e := range entries {
		info, err := d.fs.Stat(d.join(filepath.Join(quarantineName, e.Name())))
		if err != nil {
			return 0, err
		}
		total += uint64(info.Size())
	}
	return total, nil
}
