package file

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// A newFile is a file that is being made. It gets its name once all of it is durable.
type newFile struct {
	log  *Log
	name string
	file vfs.File
	end  int64  // where what is in buf goes
	buf  []byte // not written yet
}

func (l *Log) create(name string) (*newFile, error) {
	f, err := l.opts.fs.Create(l.path(name + tempExt))
	if err != nil {
		return nil, err
	}
	return &newFile{log: l, name: name, file: f}, nil
}

// writeSize is how many bytes a newFile writes at once, at least.
const writeSize = 1 << 20

// append appends to the file.
func (n *newFile) append(frame []byte) error {
	n.buf = append(n.buf, frame...)
	if len(n.buf) < writeSize {
		return nil
	}
	return n.flush()
}

// offset returns where the next frame goes.
func (n *newFile) offset() int64 { return n.end + int64(len(n.buf)) }

func (n *newFile) flush() error {
	err := vfs.WriteAll(n.file, n.buf, n.end)
	n.end += int64(len(n.buf))
	n.buf = n.buf[:0]
	return err
}

// finish writes the header over the room that was left for it at the start, and gives the file its
// name; named is called at that moment, if not nil. After an error the file is gone, unless the error
// is ErrFailed: then it is not known what the directory holds.
func (n *newFile) finish(h header, named func()) error {
	frame := h.frame(headerSize)
	err := n.flush()
	if err == nil && len(frame) != headerSize+wire.FrameOverhead {
		err = fmt.Errorf("a header of %d bytes", len(frame))
	}
	if err == nil {
		err = vfs.WriteAll(n.file, frame, 0)
	}
	if err != nil {
		return errors.Join(err, n.discard())
	}
	if err := n.install(named); err != nil {
		return errors.Join(err, n.file.Close())
	}
	return n.file.Close()
}

// install gives the file its name, durably. What it says of errors, finish says.
//
//	fdatasync(NAME.tmp)
//	rename(NAME.tmp, NAME)
//	fsync(directory)
func (n *newFile) install(named func()) error {
	l := n.log
	if err := n.file.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync: %w", err), l.opts.fs.Remove(l.path(n.name+tempExt)))
	}
	err := n.rename(named)
	if err == nil {
		err = l.opts.fs.SyncDir(l.dir)
	}
	if err != nil {
		return fmt.Errorf("%w: give %s its name: %w", backend.ErrFailed, n.name, err)
	}
	return nil
}

// rename gives the file its name while no reader is about to open what had it. One that fails may be
// done all the same: then readers find the new file, and must know that.
func (n *newFile) rename(named func()) error {
	l := n.log
	l.opening.Lock()
	defer l.opening.Unlock()
	err := l.opts.fs.Rename(l.path(n.name+tempExt), l.path(n.name))
	done := err == nil
	if !done {
		_, statErr := l.opts.fs.Stat(l.path(n.name + tempExt))
		done = errors.Is(statErr, fs.ErrNotExist)
	}
	if done && named != nil {
		named()
	}
	return err
}

// discard closes the file and removes it.
func (n *newFile) discard() error {
	return errors.Join(n.file.Close(), n.log.opts.fs.Remove(n.log.path(n.name+tempExt)))
}
