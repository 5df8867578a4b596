// SPDX-License-Identifier: Apache-2.0

package file

import (
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// refusing returns a disk that has a log and refuses an operation on names.
func refusing(t *testing.T, op string, why error) *vfstest.Disk {
	d := vfstest.New()
	l, err := Open(t.Context(), Options{Path: "/log", fs: d})
	require.NoError(t, err)
	writeSome(t, l, 0, 1)
	require.NoError(t, l.Close())
	d.Fault = func(step, name string, _ int) *vfstest.Fault {
		if step == op && (op != "syncdir" || name == "/") {
			return &vfstest.Fault{Err: why}
		}
		return nil
	}
	return d
}

// TestNoNewFiles opens a log in a directory where existing files can be written, but none created: that shows
// at once, and not when the first segment is full.
func TestNoNewFiles(t *testing.T) {
	_, err := Open(t.Context(), Options{Path: "/log", fs: refusing(t, "create", syscall.EACCES)})
	require.ErrorIs(t, err, syscall.EACCES)
	require.ErrorContains(t, err, "read-only")
}

// TestParentNotSynced opens an existing log under a directory that cannot be synced: the log's name was made
// durable by the process that created it.
func TestParentNotSynced(t *testing.T) {
	for _, why := range []error{syscall.EINVAL, syscall.ENOTSUP, syscall.EROFS, syscall.EACCES} {
		d := refusing(t, "syncdir", why)
		l := openTest(t, Options{fs: d})
		require.Equal(t, 1, count(t, l, 0))
	}
	_, err := Open(t.Context(), Options{Path: "/log", fs: refusing(t, "syncdir", errors.New("lost"))})
	require.ErrorContains(t, err, "lost")
	_, err = Open(t.Context(), Options{Path: "/new", fs: refusing(t, "syncdir", syscall.EINVAL)})
	require.ErrorIs(t, err, syscall.EINVAL)
}

// TestUnsyncedDirectory uses a log on a file system that syncs no directory: a new segment does not end it.
func TestUnsyncedDirectory(t *testing.T) {
	for _, why := range []error{syscall.EINVAL, syscall.ENOTSUP, syscall.ENOSYS} {
		d := vfstest.New()
		require.NoError(t, d.Mkdir("/log"))
		d.Fault = func(step, name string, _ int) *vfstest.Fault {
			if step == "syncdir" {
				return &vfstest.Fault{Err: why}
			}
			return nil
		}
		l := openTest(t, Options{fs: d})
		writeSome(t, l, 0, 1)
		require.NoError(t, l.rollIfUsed(t.Context()))
		writeSome(t, l, 1, 2)
		require.Equal(t, 2, count(t, l, 0))
	}
}

// TestMustExist opens directories without a log: a missing one, which stays missing, and an empty one.
func TestMustExist(t *testing.T) {
	d := vfstest.New()
	for range 2 {
		_, err := Open(t.Context(), Options{Path: "/log", MustExist: true, fs: d})
		require.ErrorIs(t, err, backend.ErrInvalid)
		require.ErrorContains(t, err, "holds no log")
		if _, err := d.Stat("/log"); err == nil {
			break
		}
		require.NoError(t, d.Mkdir("/log"))
	}
	l, err := Open(t.Context(), Options{Path: "/log", fs: d})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	l, err = Open(t.Context(), Options{Path: "/log", MustExist: true, fs: d})
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
