// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// noFollow opens a link itself, which is then no regular file. While os.Root has a file open, it can be renamed and removed
// (FILE_SHARE_DELETE). If the file system has POSIX semantics (NTFS since Windows 10 1709), a file may be renamed to the
// name of an open file.
const (
	nonBlock = 0
	noFollow = syscall.FILE_FLAG_OPEN_REPARSE_POINT
)

// retry waits up to two seconds for programs that look into new files, such as virus scanners.
func retry(do func() error) error {
	for pause := time.Millisecond; ; pause *= 2 {
		err := do()
		if !errors.Is(err, syscall.ERROR_ACCESS_DENIED) && !errors.Is(err, errSharing) {
			return err
		}
		if pause > time.Second {
			return fmt.Errorf("%w: %w", ErrInUse, err)
		}
		time.Sleep(pause)
	}
}

// errSharing is ERROR_SHARING_VIOLATION.
const errSharing syscall.Errno = 32

// passingHere are the errors of Windows for lack of handles and memory: ERROR_TOO_MANY_OPEN_FILES, ERROR_NOT_ENOUGH_MEMORY,
// ERROR_OUTOFMEMORY, ERROR_NO_SYSTEM_RESOURCES, ERROR_WORKING_SET_QUOTA, ERROR_PAGEFILE_QUOTA and ERROR_COMMITMENT_LIMIT.
var passingHere = []error{syscall.Errno(4), syscall.Errno(8), syscall.Errno(14), syscall.Errno(1450), syscall.Errno(1453), syscall.Errno(1454), syscall.Errno(1455)}

// syncDir does nothing. Windows has no call that makes the names in a directory durable.
func syncDir(*os.File) error { return nil }
