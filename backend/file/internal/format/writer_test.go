// SPDX-License-Identifier: Apache-2.0

package format

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
	"github.com/igniter-store/igniter/wire"
)

// TestLargeHeader writes a file with horizons of more stores than a header can have: the greatest one stands for all stores.
func TestLargeHeader(t *testing.T) {
	defer func(before int) { maxHeader = before }(maxHeader)
	maxHeader = 100 << 10
	horizons, now := make(Horizons), time.Unix(1e9, 0).UTC()
	for i := range 600 {
		horizons[fmt.Sprint(strings.Repeat("s", 240), i)] = backend.Horizon{Seq: uint64(i), Time: now.Add(-time.Duration(i))}
	}
	for _, before := range []bool{true, false} { // known when the file is begun
		f, err := vfstest.New().Create("file")
		require.NoError(t, err)
		of := File{Name: "file", First: 1, Last: 1000}
		if before {
			of.Horizons = horizons
		}
		w := NewWriter(f, of, Identity{}, nil)
		w.File.Horizons = horizons
		require.NoError(t, w.Finish(now))
		require.Equal(t, Horizons{backend.AllStores: {Seq: 599, Time: now}}, w.File.Horizons)
		body := make([]byte, w.File.Header-wire.FrameOverhead)
		require.LessOrEqual(t, len(body), maxHeader)
		_, err = f.ReadAt(body, 4)
		require.NoError(t, err)
		h, ok := ParseHeader(body)
		require.True(t, ok)
		require.Equal(t, w.File.Horizons, h.Horizons)
	}
}
