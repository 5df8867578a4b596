// SPDX-License-Identifier: Apache-2.0

package ruby

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// TestOpenMemory reads a file of 4 MB: Open keeps little of it.
func TestOpenMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ruby.wal")
	value := json.RawMessage(fmt.Sprintf("%q", strings.Repeat("y", 4000)))
	var content []byte
	const facts = 1000
	for n := range facts {
		f := backend.Fact{ID: fmt.Sprintf("0197c0de-8c1a-7055-9dd2-%012x", n), Store: "tasks", Key: fmt.Sprint("task-", n), SchemaVersion: 1,
			Value: value, ValueHash: wire.HashCanonical(value), TransactionTime: time.Unix(1_700_000_000, 0)}
		content = wire.AppendFrame(content, protocol.AppendFactV1(nil, &f))
	}
	require.NoError(t, os.WriteFile(path, content, 0o644))
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	l, err := Open(t.Context(), path, Options{})
	require.NoError(t, err)
	require.Less(t, heap()-before, int64(facts*100))
	require.Equal(t, facts, l.Len())
	require.NoError(t, l.Close())
}
