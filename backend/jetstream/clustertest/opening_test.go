// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend/jetstream"
)

// TestOpeningTriesAgain opens a log while the server can't make the stream's files. The server removes the directory of an
// account's streams when the last stream is deleted. A stream that is created meanwhile fails with code 500, "error
// creating store for stream".
func TestOpeningTriesAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, dir, nil)
	defer stopServer(s)
	_, js := connect(t, s.ClientURL())
	_, err := js.AccountInfo(t.Context()) // also makes the directory
	require.NoError(t, err)
	account := filepath.Join(dir, "jetstream", "$G")
	require.NoError(t, os.MkdirAll(account, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(account, "streams"), nil, 0o600)) // the server removes the file after its error

	core, logs := observer.New(zap.WarnLevel)
	l, err := jetstream.Open(t.Context(), jetstream.Options{URL: s.ClientURL(), Log: "opening", Logger: zap.New(core)})
	require.NoError(t, err)
	again := logs.FilterMessageSnippet("trying again").All()
	require.NotEmpty(t, again)
	require.Contains(t, again[0].ContextMap()["error"], "error creating store for stream")
	put(t, l, "a")
	require.NoError(t, l.Close())
}
