// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/server"
)

// allocated returns the number of bytes that the process allocates while f runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// live returns the number of bytes of heap in use.
func live() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLengthsAloneAllocateNothing sends only the lengths of frames: memory is allocated only for bytes that arrive.
func TestLengthsAloneAllocateNothing(t *testing.T) {
	s := serveMemory(t, server.Options{MaxFrame: 64 << 20})
	other := newBystander(s)
	const n = 64
	peers := make([]*peer, n)
	for i := range peers {
		peers[i] = s.dial2()
	}
	bytesIn := s.Metrics().BytesIn
	before := live()
	for _, p := range peers {
		p.sendBytes(append(header(64<<20), make([]byte, 1000)...))
	}
	eventually(t, "it has come", func() bool { return s.Metrics().BytesIn == bytesIn+n*1004 })
	require.Less(t, live(), before+n*(64<<10), "%d frames of 64 MiB are announced", n)

	for range 10 {
		p := s.dial()
		got := allocated(func() {
			p.sendBytes(header(1<<32 - 1))
			require.Equal(t, "invalid_request", answerOf(t, p.next()).Code)
		})
		require.Less(t, got, uint64(256<<10), "4 GiB are announced")
	}
	other.requireUndisturbed()
}

// TestLargeNonsense sends the largest frames, with errors that cost most. The allocated memory, including short-lived
// copies and the test's own, is a few times the frame.
func TestLargeNonsense(t *testing.T) {
	const limit = 1 << 20
	fill := func(prefix, unit, suffix string) string {
		n := (limit - len(prefix) - len(suffix)) / len(unit)
		return prefix + strings.Repeat(unit, n) + suffix
	}
	key := strings.Repeat("\u200b", limit/2/len("\u200b")-20)
	s := serveMemory(t, server.Options{MaxFrame: limit})
	other := newBystander(s)
	p := s.dial2()
	for name, body := range map[string]string{
		"open arrays":         fill("", "[", ""),
		"open objects":        fill("", `{"a":`, ""),
		"a long op":           fill(`{"op":"`, `\\`, `"}`),
		"a long op of quotes": fill(`{"op":"`, `\"`, `"}`),
		"a key twice":         `{"` + key + `":1,"` + key + `":2}`,
		"many keys":           fill(`{`, `"":0,`, `"op":"x"}`),
		"a long store":        fill(`{"op":"write_fact","fact":{"id":"x","store":"`, `\\`, `","key":"","value":1}}`),
		"long stores asked":   fill(`{"op":"replay","after":-1,"stores":["`, `\u0001`, `"]}`),
		"a long token":        fill(`{"op":"hello","protocol":1,"token":"`, `x`, `"}`),
		"a long after":        fill(`{"op":"replay","after":"`, `\\`, `"}`),
		"a long number":       fill(`{"op":"replay","after":1`, `0`, `}`),
		"a long seq":          fill(`{"op":"prune","seqs":["`, `\u0001`, `"]}`),
		"white space":         fill(``, ` `, `{}`),
	} {
		t.Run(name, func(t *testing.T) {
			frame := framesOf(body)
			p.t = t
			var a string
			got := allocated(func() {
				p.sendBytes(frame)
				a = p.next()
			})
			require.False(t, answerOf(t, a).OK)
			require.Less(t, len(a), 64<<10, "%.200s", a)
			require.Less(t, got, uint64(12*limit))
			other.requireUndisturbed()
		})
	}
}
