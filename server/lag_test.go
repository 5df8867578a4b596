// SPDX-License-Identifier: Apache-2.0

package server

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTrace(t *testing.T) {
	var x trace
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	require.Zero(t, x.since(3, 7))
	x.note(10, at(0))
	x.note(11, at(1)) // too soon
	x.note(20, at(60))
	x.note(20, at(70))
	x.note(21, at(62))
	require.Zero(t, x.since(21, 21))
	require.Equal(t, at(0), x.since(9, 21))
	require.Equal(t, at(60), x.since(10, 21))
	require.Equal(t, at(65), x.since(20, 21), "after the last point")
	for i := range 2 * tracePoints {
		x.note(uint64(100+i), at(100+10*i))
	}
	require.Len(t, x.points, tracePoints)
	require.Equal(t, at(100+10*tracePoints), x.since(9, 9999), "as long ago as is known")
}
