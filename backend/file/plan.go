package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// PlanRepair says what [Open] with Options.Repair would do to a log, and changes nothing of it: it does that, and keeps
// all changes in a temporary directory (os.TempDir), which may take as much room as the log's last segment and
// its damaged files. It needs the log for itself, like Open.
func PlanRepair(ctx context.Context, path string) (report RecoveryReport, err error) {
	if report, err = planRepair(ctx, path); err != nil {
		return report, fmt.Errorf("file: plan the repair of log %s: %w", path, err)
	}
	return report, nil
}

func planRepair(ctx context.Context, path string) (report RecoveryReport, err error) {
	if _, err := os.Stat(path); err != nil {
		return report, err
	}
	scratch, err := os.MkdirTemp("", "igniter-plan-")
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	l, err := open(ctx, Options{Path: path, Repair: true, fs: &rehearsal{scratch: scratch, names: map[string]string{}}})
	if err != nil {
		return report, err
	}
	return l.Report(), l.Close()
}

// A rehearsal is a file system that shows the operating system's, and keeps what is changed to itself.
type rehearsal struct {
	osFS
	scratch string

	mu    sync.Mutex
	names map[string]string // where what has a name is really; "": it has been removed
	files int               // made in scratch
}

// at returns where a file is really.
func (r *rehearsal) at(name string) (string, error) {
	real, ok := r.names[name]
	switch {
	case !ok:
		return name, nil
	case real == "":
		return "", &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return real, nil
}

// fresh returns a name in scratch that stands for name from now on.
func (r *rehearsal) fresh(name string) string {
	r.files++
	r.names[name] = filepath.Join(r.scratch, strconv.Itoa(r.files))
	return r.names[name]
}

func (r *rehearsal) Mkdir(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if real, err := r.at(name); err == nil {
		if _, err := os.Stat(real); err == nil {
			return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
		}
	}
	return os.Mkdir(r.fresh(name), 0o755)
}

func (r *rehearsal) Stat(name string) (fs.FileInfo, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	real, err := r.at(name)
	if err != nil {
		return nil, err
	}
	return os.Stat(real)
}

func (r *rehearsal) ReadDir(name string) ([]fs.DirEntry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	real, err := r.at(name)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		_, changed := r.names[filepath.Join(name, e.Name())]
		return changed
	})
	for changed, real := range r.names {
		if filepath.Dir(changed) != name || real == "" {
			continue
		}
		info, err := os.Stat(real)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{fs.FileInfoToDirEntry(info), filepath.Base(changed)})
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// An entry is a directory's entry with the name that is shown.
type entry struct {
	fs.DirEntry
	name string
}

func (e entry) Name() string { return e.name }

func (r *rehearsal) Open(name string) (file, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	real, err := r.at(name)
	if err != nil {
		return nil, err
	}
	return r.osFS.Open(real)
}

// Edit gives out a copy.
func (r *rehearsal) Edit(name string) (file, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	real, err := r.at(name)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(real, r.scratch+string(filepath.Separator)) {
		return r.osFS.Edit(real)
	}
	from, err := os.Open(real)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	to, err := os.Create(r.fresh(name))
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(to, from); err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return osFile{to}, nil
}

func (r *rehearsal) Create(name string) (file, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.osFS.Create(r.fresh(name))
}

func (r *rehearsal) Rename(from, to string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	real, err := r.at(from)
	if err != nil {
		return err
	}
	r.names[to], r.names[from] = real, ""
	return nil
}

func (r *rehearsal) Remove(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	real, err := r.at(name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(real); err != nil {
		return err
	}
	r.names[name] = ""
	return nil
}

func (r *rehearsal) SyncDir(string) error { return nil }
