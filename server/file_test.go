// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

func init() { logs["file"] = openFile }

// openFile opens a log in files.
func openFile(t testing.TB) backend.Backend {
	l, err := file.Open(context.Background(), file.Options{Path: filepath.Join(t.TempDir(), "log"), Sync: file.SyncNever})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}
