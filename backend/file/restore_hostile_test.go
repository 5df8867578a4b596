// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// TestRestoreHostile restores data that no log can hold: Restore refuses it, and leaves no log. If Restore accepts data,
// Open opens the log, and writes work.
func TestRestoreHostile(t *testing.T) {
	restore := func(last uint64, horizon map[string]backend.Horizon, ancestor uint64) error {
		o := file.Options{Path: filepath.Join(t.TempDir(), "log")}
		stats := func(context.Context) (backend.Stats, error) {
			return backend.Stats{Log: backend.NewLogID(), LastSeq: last, Horizons: horizon, Ancestors: []backend.Ancestor{{Log: backend.NewLogID(), Through: ancestor}}}, nil
		}
		_, err := file.Restore(t.Context(), o, stats, yielding(last, nil, nil))
		if err != nil {
			names, globErr := filepath.Glob(filepath.Join(o.Path, "0*"))
			require.NoError(t, globErr)
			require.Empty(t, names)
			return err
		}
		l := openLog(t, o)
		f, err := l.WriteFact(t.Context(), backend.Fact{ID: "a", Store: "s", Key: "k", Value: []byte("1")})
		require.NoError(t, err)
		require.Equal(t, last+1, f.Seq)
		return nil
	}
	for _, last := range []uint64{1, 1 << 53, math.MaxInt64 / 2} {
		require.NoError(t, restore(last, nil, last))
	}
	for _, last := range []uint64{math.MaxInt64/2 + 1, math.MaxInt64 - 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		require.ErrorIs(t, restore(last, nil, 1), backend.ErrInvalid, last)
	}
	at := time.Unix(1e9, 0)
	require.NoError(t, restore(9, map[string]backend.Horizon{"s": {Seq: 9, Time: at}, backend.AllStores: {Seq: 2, Time: at}}, 9))
	for _, name := range []string{strings.Repeat("s", backend.MaxStoreLen+1), "\xff"} {
		require.ErrorIs(t, restore(9, map[string]backend.Horizon{name: {Seq: 9, Time: at}}, 9), backend.ErrInvalid, "%q", name)
	}
	for _, h := range []backend.Horizon{{Seq: math.MaxUint64, Time: at}, {Seq: 9, Time: time.Date(10001, 1, 1, 0, 0, 0, 0, time.UTC)}, {Seq: 9, Time: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}} {
		require.ErrorIs(t, restore(9, map[string]backend.Horizon{"s": h}, 9), backend.ErrInvalid, h)
	}
	require.ErrorIs(t, restore(9, nil, math.MaxUint64), backend.ErrInvalid)
}

// TestRestoreForeign restores into a directory that holds something else: nothing is left there.
func TestRestoreForeign(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600))
	_, err := file.Restore(t.Context(), file.Options{Path: dir}, nil, yielding(1, nil, nil))
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.Equal(t, []string{"notes.txt"}, names(t, dir))
}
