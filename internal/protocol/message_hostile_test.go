// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/internal/wiretest"
)

// TestHostileSizes parses messages that claim much and hold little: the allocated memory is bounded by the size of the
// message.
func TestHostileSizes(t *testing.T) {
	f := wiretest.Typical()
	own := protocol.AppendWriteFact(nil, &f)
	deep := strings.Repeat(`{"a":[`, 4<<10) + strings.Repeat(`]}`, 4<<10)
	for name, body := range map[string]string{
		"nesting":         `{"op":` + deep + `}`,
		"nesting in fact": `{"op":"write_fact","fact":` + deep + `}`,
		"many keys":       `{"op":"x"` + manyKeys(2000) + `}`,
		"many elements":   `{"op":"prune","seqs":[` + strings.Repeat(`[1,2],`, 4000) + `[1,2]]}`,
		"many facts":      `{"op":"write_batch","facts":[` + strings.Repeat(`{},`, 4000) + `{}]}`,
		"long number":     `{"op":"replay","after":` + strings.Repeat("9", 30000) + `}`,
		"long text":       `{"op":"` + strings.Repeat(`\u00e9`, 5000) + `"}`,
		"open text":       `{"op":"` + strings.Repeat("x", 30000),
		"cut":             string(own[:len(own)-3]),
	} {
		t.Run(name, func(t *testing.T) {
			took := allocated(func() {
				r := protocol.ParseRequest([]byte(body))
				_, _ = r.Fact()
				_, _ = r.Batch()
				_, _ = r.Seqs()
				_, _ = r.Range()
				_, _ = r.Horizon()
				_ = r.StoresV1()
				_, _ = protocol.ParseWritten([]byte(body))
				_, _ = protocol.ParseFactsV1([]byte(body))
				_, _, _ = protocol.ParseEventV1([]byte(body))
				_, _ = protocol.ParseControl([]byte(body))
				_ = protocol.ParseError([]byte(body))
			})
			require.Less(t, took, uint64(100*len(body)+100_000))
		})
	}
}

func manyKeys(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, `,"key%d":%d`, i, i)
	}
	return s.String()
}

// allocated returns the number of bytes that f allocates, including bytes of other goroutines.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
