package file

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// seededChecks are the checks of crashes, faults and damage, in a short form.
var seededChecks = []struct {
	name  string
	check func(ctx context.Context, s crashSetup) error
}{
	{"crashes", func(ctx context.Context, s crashSetup) error { return crashCheck(ctx, s, new(crashCount)) }},
	{"faults", func(ctx context.Context, s crashSetup) error { return faultCheck(ctx, s, new(atomic.Int64)) }},
	{"damage", func(ctx context.Context, s crashSetup) error { return damageCheck(ctx, s, new(damageCount), 7) }},
}

// TestSeededBugsAreCaught puts bugs below the log, and one above it. The checks that a sound log
// passes catch each of them: a check that catches nothing proves nothing.
func TestSeededBugsAreCaught(t *testing.T) {
	for name, s := range map[string]crashSetup{
		"none":                  {},
		"noSync":                {wrap: noSync},
		"noDirSyncAfterCreate":  {wrap: noDirSyncAfterCreate},
		"noDirSyncAfterRename":  {wrap: noDirSyncAfterRename},
		"lateSync":              {wrap: lateSync},
		"noCut":                 {wrap: noCut},
		"cutNotSynced":          {wrap: cutNotSynced},
		"renameBeforeSync":      {wrap: renameBeforeSync},
		"snapshotNotSynced":     {wrap: snapshotNotSynced},
		"snapshotNameNotSynced": {wrap: snapshotNameNotSynced},
		"retrySync":             {wrap: retrySync},
		"silentReplay":          {silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			s.sync, s.short = SyncAlways, true
			var caught error
			for _, c := range seededChecks {
				if name == "none" && c.name != "crashes" {
					continue // the tests of faults and damage are that
				}
				if caught = c.check(t.Context(), s); caught != nil {
					caught = fmt.Errorf("%s: %w", c.name, caught)
					break
				}
			}
			if name == "none" {
				require.NoError(t, caught)
				return
			}
			require.Error(t, caught, "nothing catches the bug")
			t.Logf("%.300s", caught)
		})
	}
}
