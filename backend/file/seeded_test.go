// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// seededChecks are the checks of crashes, faults and damage, in a short form.
var seededChecks = map[string]func(ctx context.Context, s crashSetup) error{
	"crashes": func(ctx context.Context, s crashSetup) error { return crashCheck(ctx, s, new(crashCount)) },
	"faults":  func(ctx context.Context, s crashSetup) error { return faultCheck(ctx, s, new(atomic.Int64)) },
	"damage":  func(ctx context.Context, s crashSetup) error { return damageCheck(ctx, s, new(damageCount), 7) },
}

// TestSeededBugsAreCaught puts bugs below the log, and one above it. Each bug is caught by a check that passes on a sound
// log.
func TestSeededBugsAreCaught(t *testing.T) {
	for name, bug := range map[string]struct {
		by    string
		setup crashSetup
	}{
		"none":                  {"crashes", crashSetup{}}, // the tests of faults and damage also run without a bug
		"noSync":                {"crashes", crashSetup{wrap: vfstest.NoSync}},
		"noDirSyncAfterCreate":  {"crashes", crashSetup{wrap: vfstest.NoDirSyncAfterCreate}},
		"noDirSyncAfterRename":  {"crashes", crashSetup{wrap: vfstest.NoDirSyncAfterRename}},
		"lateSync":              {"crashes", crashSetup{wrap: vfstest.LateSync}},
		"noCut":                 {"crashes", crashSetup{wrap: vfstest.NoCut}},
		"cutNotSynced":          {"crashes", crashSetup{wrap: vfstest.CutNotSynced}},
		"renameBeforeSync":      {"crashes", crashSetup{wrap: vfstest.RenameBeforeSync}},
		"snapshotNotSynced":     {"crashes", crashSetup{wrap: snapshotNotSynced}},
		"snapshotNameNotSynced": {"crashes", crashSetup{wrap: snapshotNameNotSynced}},
		"retrySync":             {"faults", crashSetup{wrap: vfstest.RetrySync}},
		"silentReplay":          {"damage", crashSetup{silent: true}},
	} {
		t.Run(name, func(t *testing.T) {
			bug.setup.sync, bug.setup.short = SyncAlways, true
			caught := seededChecks[bug.by](t.Context(), bug.setup)
			if name == "none" {
				require.NoError(t, caught)
				return
			}
			require.Error(t, caught, "nothing catches the bug")
			t.Logf("%.300s", caught)
		})
	}
}

// A snapshotBug breaks one of two promises: that a snapshot is durable before it gets its name, or that
// its name is durable before the segments that it replaces are removed.
type snapshotBug struct {
	vfs.FS
	sync  bool        // skip the sync of the file; false: the sync of the directory
	named atomic.Bool // a snapshot was renamed, and the directory not synced since
}

func snapshotNotSynced(under vfs.FS) vfs.FS {
	return &snapshotBug{FS: under, sync: true}
}

func snapshotNameNotSynced(under vfs.FS) vfs.FS { return &snapshotBug{FS: under} }

func (b *snapshotBug) Create(name string) (vfs.File, error) {
	f, err := b.FS.Create(name)
	if err == nil && b.sync && strings.HasSuffix(name, snapshotExt+tempExt) {
		f = unsyncedFile{f}
	}
	return f, err
}

type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Sync() error { return nil }

func (b *snapshotBug) Rename(from, to string) error {
	b.named.Store(strings.HasSuffix(to, snapshotExt))
	return b.FS.Rename(from, to)
}

func (b *snapshotBug) SyncDir(name string) error {
	if !b.sync && b.named.Swap(false) {
		return nil
	}
	return b.FS.SyncDir(name)
}
