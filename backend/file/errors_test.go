// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/wire"
)

// names returns the names in a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestInUse opens a log that another process has open: the error names it. Once that process is gone, the log
// can be opened.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, order{Do: "hold", Path: dir})
	line, err := c.line()
	require.NoError(t, err)
	require.Equal(t, "open", line)
	_, openErr := file.Open(t.Context(), file.Options{Path: dir})
	_, verifyErr := file.Verify(t.Context(), dir)
	for _, err := range []error{openErr, verifyErr} {
		var inUse *file.InUseError
		require.ErrorAs(t, err, &inUse)
		require.Equal(t, file.InUseError{Path: filepath.Join(dir, "LOCK"), PID: c.cmd.Process.Pid}, *inUse)
	}
	c.kill()
	_, err = c.line()
	require.Error(t, err)
	c.wait()
	openLog(t, file.Options{Path: dir})
}

// TestForeignFiles adds files of operators and file systems to the directory of a log. Open and Verify work, and log the
// names that they pass over.
func TestForeignFiles(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	given := backend.Fact{ID: "1", Store: "s", Key: "k", Value: []byte("1")}
	dir := t.TempDir()
	l, err := file.Open(t.Context(), file.Options{Path: dir})
	require.NoError(t, err)
	f, err := l.WriteFact(t.Context(), given)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	for _, name := range []string{"lost+found", ".snapshot", "@eaDir", "backups"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	for _, name := range []string{".nfs0000", ".DS_Store", "igniter.pid", "00000000000000000001-00000000000000000001.backup"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "quarantine"), 0o700))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "quarantine", "dangling")))
	before := names(t, dir)
	for range 2 {
		l, err = file.Open(t.Context(), file.Options{Path: dir, Logger: zap.New(core)})
		require.NoError(t, err)
		_, err = l.Stats(t.Context())
		require.NoError(t, err)
		again, err := l.WriteFact(t.Context(), given)
		require.NoError(t, err)
		require.Equal(t, f, again)
		require.NoError(t, l.Close())
		require.NotZero(t, logs.FilterMessageSnippet("holds something else").Len())
		require.NotZero(t, logs.FilterMessageSnippet("quarantine").Len())
	}
	report, err := file.Verify(t.Context(), dir)
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Facts)
	require.Subset(t, names(t, dir), before)

	for _, name := range []string{"a.wal", "00000000000000000000.snap", "x.wal.idx", "y.snap.tmp"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		_, err := file.Open(t.Context(), file.Options{Path: dir})
		require.ErrorContains(t, err, name)
		require.NoError(t, os.Remove(path))
	}
}

// TestNoLog opens and verifies paths that are not logs: each has an error of its own, and nothing is left
// there.
func TestNoLog(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, []byte("text"), 0o644))
	foreign := filepath.Join(dir, "foreign")
	require.NoError(t, os.MkdirAll(foreign, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "notes.txt"), nil, 0o644))
	endless := filepath.Join(dir, "endless")
	require.NoError(t, os.MkdirAll(endless, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(endless, "18446744073709551615.wal"), nil, 0o644))
	backups := filepath.Join(dir, "backups")
	require.NoError(t, os.MkdirAll(backups, 0o755))
	for _, name := range []string{"LOCK", "00000000000000000001-00000000000000000009.backup"} {
		require.NoError(t, os.WriteFile(filepath.Join(backups, name), nil, 0o644))
	}
	for path, says := range map[string]string{
		backups:                             `.backup", which is not a file of a log`,
		"../../wire/testdata/wal/basic.wal": "import it",
		plain:                               "plain is a file, and a log is a directory",
		foreign:                             `holds "notes.txt", which is not a file of a log`,
		endless:                             `holds "18446744073709551615.wal", which is not a file of a log`,
	} {
		_, openErr := file.Open(t.Context(), file.Options{Path: path, Repair: true})
		_, verifyErr := file.Verify(t.Context(), path)
		for _, err := range []error{openErr, verifyErr} {
			var invalid *backend.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, "path", invalid.Field)
			require.ErrorContains(t, err, says)
		}
	}
	require.Equal(t, []string{"notes.txt"}, names(t, foreign))
}

// TestNewerVersion opens a log of a later release.
func TestNewerVersion(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "00000000000000000001.wal")
	header := wire.AppendFrame(nil, []byte(`{"igniter":"wal","version":4,"first_seq":1,"created_at":1}`))
	require.NoError(t, os.WriteFile(path, header, 0o644))
	for _, repair := range []bool{false, true} {
		_, err := file.Open(t.Context(), file.Options{Path: dir, Repair: repair})
		var version *file.VersionError
		require.ErrorAs(t, err, &version)
		require.Equal(t, file.VersionError{Path: path, Version: 4}, *version)
	}
	now, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, header, now)
}

// TestVerifyLeavesNothing verifies a log that was never locked, such as a copy.
func TestVerifyLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	l, err := file.Open(t.Context(), file.Options{Path: dir})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, os.Remove(filepath.Join(dir, "LOCK")))
	before := names(t, dir)
	report, err := file.Verify(t.Context(), dir)
	require.NoError(t, err)
	require.Empty(t, report.Damage)
	require.Equal(t, before, names(t, dir))
}
