package file

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// TestImportRubyMemory reads a file of 4 MB: what is kept of it is little.
func TestImportRubyMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ruby.wal")
	value := json.RawMessage(fmt.Sprintf("%q", strings.Repeat("y", 4000)))
	var log []byte
	const facts = 1000
	for n := range facts {
		f := newFact(n)
		f.Value, f.ValueHash, f.TransactionTime = value, wire.HashCanonical(value), newCrashModel().now()
		log = wire.AppendFrame(log, protocol.AppendFactV1(nil, &f))
	}
	require.NoError(t, os.WriteFile(path, log, 0o644))
	log = nil
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	r := rubyLog{ids: map[string]struct{}{}}
	defer r.close()
	before := heap()
	require.NoError(t, r.read(t.Context(), path))
	require.Less(t, heap()-before, int64(facts*600))
	require.Len(t, r.places, facts)
}
