package file

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// seededChecks are the checks of crashes, faults and damage, in a short form.
var seededChecks = map[string]func(ctx context.Context, s crashSetup) error{
	"crashes": func(ctx context.Context, s crashSetup) error { return crashCheck(ctx, s, new(crashCount)) },
	"faults":  func(ctx context.Context, s crashSetup) error { return faultCheck(ctx, s, new(atomic.Int64)) },
	"damage":  func(ctx context.Context, s crashSetup) error { return damageCheck(ctx, s, new(damageCount), 7) },
}

// TestSeededBugsAreCaught puts bugs below the log, and one above it. The check that is meant for it, and
// that a sound log passes, catches each: a check that catches nothing proves nothing.
func TestSeededBugsAreCaught(t *testing.T) {
	for name, bug := range map[string]struct {
		by    string
		setup crashSetup
	}{
		"none":                  {"crashes", crashSetup{}}, // the tests of faults and damage are that too
		"noSync":                {"crashes", crashSetup{wrap: noSync}},
		"noDirSyncAfterCreate":  {"crashes", crashSetup{wrap: noDirSyncAfterCreate}},
		"noDirSyncAfterRename":  {"crashes", crashSetup{wrap: noDirSyncAfterRename}},
		"lateSync":              {"crashes", crashSetup{wrap: lateSync}},
		"noCut":                 {"crashes", crashSetup{wrap: noCut}},
		"cutNotSynced":          {"crashes", crashSetup{wrap: cutNotSynced}},
		"renameBeforeSync":      {"crashes", crashSetup{wrap: renameBeforeSync}},
		"snapshotNotSynced":     {"crashes", crashSetup{wrap: snapshotNotSynced}},
		"snapshotNameNotSynced": {"crashes", crashSetup{wrap: snapshotNameNotSynced}},
		"retrySync":             {"faults", crashSetup{wrap: retrySync}},
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
