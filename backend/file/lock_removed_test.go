// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// TestLockRemoved removes the lock file of a log that is open. Once a second process has opened the directory, the first
// one changes nothing there any more: facts that the second one acknowledged stay.
func TestLockRemoved(t *testing.T) {
	for _, sync := range []file.Sync{file.SyncAlways, file.SyncNever} {
		for _, write := range []bool{true, false} {
			if write && sync != file.SyncAlways {
				continue // the log checks its directory only every millisecond
			}
			t.Run(fmt.Sprint(sync, " write ", write), func(t *testing.T) {
				o := file.Options{Path: t.TempDir(), Sync: sync}
				put := func(l *file.Log, id string) error {
					_, err := l.WriteFact(t.Context(), backend.Fact{ID: id, Store: "s", Key: "k", Value: []byte("1")})
					return err
				}
				first, err := file.Open(t.Context(), o)
				require.NoError(t, err)
				require.NoError(t, put(first, "a1"))
				require.NoError(t, os.Remove(filepath.Join(o.Path, "LOCK")))
				second, err := file.Open(t.Context(), o)
				require.NoError(t, err)
				require.NoError(t, put(second, "b1"))
				require.NoError(t, put(second, "b2"))
				if write {
					require.ErrorIs(t, put(first, "a2"), backend.ErrDiverged)
				}
				require.NoError(t, first.Close())
				require.NoError(t, second.Close())
				var ids []string
				for _, f := range replay(t, openLog(t, o)) {
					ids = append(ids, f.ID)
				}
				require.Equal(t, []string{"a1", "b1", "b2"}, ids)
			})
		}
	}
}
