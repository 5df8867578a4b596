// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// TestGone removes the directory of an open log. From then on no kind of write is acknowledged, and the log does not change
// a directory that replaces it.
func TestGone(t *testing.T) {
	write := func(l *file.Log, id string) error {
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: id, Store: "s", Key: "k", Value: []byte("1")})
		return err
	}
	for name, take := range map[string]func(t *testing.T, m *mounted, dir string){
		"removed": func(t *testing.T, _ *mounted, dir string) { require.NoError(t, os.RemoveAll(dir)) },
		"unmounted": func(t *testing.T, m *mounted, _ string) {
			out, err := exec.Command("umount", "-l", m.dir).CombinedOutput()
			require.NoError(t, err, "%s", out)
			m.mounted = false
		},
		"mounted over": func(t *testing.T, m *mounted, _ string) {
			require.NoError(t, m.mount("-t", "tmpfs", "tmpfs"))
			t.Cleanup(func() { m.unmount(t); m.mounted = true }) // there are two
		},
		"replaced": func(t *testing.T, _ *mounted, dir string) {
			require.NoError(t, os.Rename(dir, dir+".old"))
			l, err := file.Open(t.Context(), file.Options{Path: dir})
			require.NoError(t, err)
			require.NoError(t, write(l, "other"))
			require.NoError(t, l.Close())
		},
		"replaced by a link": func(t *testing.T, _ *mounted, dir string) {
			require.NoError(t, os.Rename(dir, dir+".old"))
			require.NoError(t, os.Symlink(t.TempDir(), dir))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMount(t)
			if err := m.mount("-t", "tmpfs", "tmpfs"); err != nil {
				t.Skip("no tmpfs can be mounted here: ", err)
			}
			dir := filepath.Join(m.dir, "log")
			l, err := file.Open(t.Context(), file.Options{Path: dir})
			require.NoError(t, err)
			require.NoError(t, write(l, "a"))
			take(t, m, dir)
			before, _ := filepath.Glob(filepath.Join(dir, "*"))
			require.ErrorIs(t, write(l, "b"), backend.ErrDiverged)
			require.ErrorIs(t, l.WriteSnapshot(t.Context(), 0), backend.ErrDiverged)
			_, err = l.Prune(t.Context(), func(yield func(uint64) bool) { yield(1) }, backend.Horizon{})
			require.ErrorIs(t, err, backend.ErrDiverged)
			_, err = l.Stats(t.Context())
			require.ErrorIs(t, err, backend.ErrDiverged)
			for _, err := range l.Replay(t.Context(), backend.Range{}) {
				require.ErrorIs(t, err, backend.ErrDiverged)
			}
			require.NoError(t, l.Close())
			after, _ := filepath.Glob(filepath.Join(dir, "*"))
			require.Equal(t, before, after)
		})
	}
}
