// Package wholefile writes files that are there whole or not at all.
package wholefile

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// TempExt ends the names of unfinished files, which a crash can leave behind.
const TempExt = ".tmp"

// Write creates or replaces a file, durably. write writes to a file of another name, PATH.*.tmp, which is created with
// mode (before the umask) and gets the name path once write has returned nil. After an error the file is as it was.
func Write(path string, mode os.FileMode, write func(f *os.File) error) error {
	f, err := os.OpenFile(path+"."+rand.Text()+TempExt, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	if runtime.GOOS == "windows" { // which can't, and needs not
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
