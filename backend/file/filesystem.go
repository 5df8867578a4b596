package file

import (
	"io"
	"io/fs"
)

// A fileSystem is all that a log does with files, so that tests can stand in for the disk: fail or
// cut short any operation, and lose what was not synced. Names are paths as the os package takes
// them. Errors are those of the os package: errors.Is(err, fs.ErrNotExist) and the like hold.
type fileSystem interface {
	Mkdir(name string) error // fs.ErrExist if there is one
	Stat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.DirEntry, error) // sorted by name

	Open(name string) (file, error)   // an existing file, to read
	Edit(name string) (file, error)   // an existing file, to read and write
	Create(name string) (file, error) // a new or emptied file, to read and write

	// Rename gives a file another name, and takes that from the file which had it. A file that is
	// open stays readable when it loses its name.
	Rename(from, to string) error
	Remove(name string) error

	// SyncDir makes the names in a directory durable: those given, changed and removed before.
	SyncDir(name string) error

	// Lock makes the file if need be and locks it for this process until the lock is closed. If
	// somebody has it, the error is an *InUseError.
	Lock(name string) (io.Closer, error)
}

// A file is an open file. ReadAt and WriteAt may be called concurrently with all but Close.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error // makes durable what was written and truncated before, the name apart
}
