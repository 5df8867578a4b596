// SPDX-License-Identifier: Apache-2.0

package file

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// mirrorName is the name of the file that marks the directory of a mirror.
const mirrorName = "MIRROR"

// A mirrorMark is the content of this file.
type mirrorMark struct {
	Source backend.LogID `json:"source"`         // the source's identity when the mirror was begun
	Gaps   bool          `json:"gaps,omitempty"` // facts were pruned from the source before they were copied, so that the head of the log is not known
}

// readMark returns the mark of the directory; nil if it has no mirror.
func (d *directory) readMark() (*mirrorMark, error) {
	f, err := d.fs.Open(d.join(mirrorName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 4<<10))
	if err != nil {
		return nil, err
	}
	var mark mirrorMark
	if err := json.Unmarshal(text, &mark); err != nil {
		return nil, &backend.CorruptError{Path: d.join(mirrorName), Reason: err.Error()}
	}
	return &mark, nil
}

// writeMark writes the mark, durably.
func (d *directory) writeMark(mark mirrorMark) error {
	text, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	n, err := d.create(mirrorName)
	if err != nil {
		return err
	}
	if err := vfs.WriteAll(n.file, append(text, '\n'), 0); err != nil {
		return errors.Join(err, n.discard())
	}
	return errors.Join(n.install(nil), n.file.Close())
}

// prepareMirror reads the mark of a mirror's directory, or makes it for a new mirror.
func (d *directory) prepareMirror(o *Options) (err error) {
	if d.mark, err = d.readMark(); err != nil {
		return err
	}
	if d.mark == nil && o.mirror != nil {
		found, err := d.list()
		if err != nil {
			return err
		}
		if len(found.segments)+len(found.snapshots) > 0 {
			return &backend.InvalidError{Field: "path", Reason: d.path + " holds a log that is no mirror: give the mirror a directory of its own"}
		}
		d.mark = &mirrorMark{Source: o.mirror.Log}
		if err := d.writeMark(*d.mark); err != nil {
			return err
		}
	}
	if d.mark != nil {
		o.Sync = SyncAlways
	}
	return nil
}
