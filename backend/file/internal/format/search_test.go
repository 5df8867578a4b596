// SPDX-License-Identifier: Apache-2.0

package format

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/wire"
)

// TestCRCShift compares crcShift with a CRC that is computed from the bytes.
func TestCRCShift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "data"), rapid.IntRange(1, 2000).Draw(t, "times"))
		from := rapid.IntRange(0, len(data)).Draw(t, "from")
		to := rapid.IntRange(from, len(data)).Draw(t, "to")
		sum := crc32.ChecksumIEEE(data[:to]) ^ crcShift(crc32.ChecksumIEEE(data[:from]), int64(to-from))
		require.Equal(t, crc32.ChecksumIEEE(data[from:to]), sum)
	})
}

// TestSearch finds each frame among other bytes, also across two reads of the search.
func TestSearch(t *testing.T) {
	for _, gap := range []int{1, 7, stride - 4, stride, stride + 1, 64<<10 - 9, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200_000} {
		for _, body := range []string{"{}", `[{"a":1}]`, "(block", "{" + string(bytes.Repeat([]byte{'x'}, 3*stride)) + "}"} {
			frame := wire.AppendFrame(nil, []byte(body))
			data := slices.Concat(bytes.Repeat([]byte{3}, gap), frame, bytes.Repeat([]byte{0}, gap), frame, []byte("{}"))
			s := NewSearch(bytes.NewReader(data), 0, int64(len(data)), LogBodies)
			for _, want := range []int{gap, 2*gap + len(frame)} {
				at, got, err := s.Next(t.Context(), int64(want-gap), int64(len(data)))
				require.NoError(t, err)
				require.EqualValues(t, want, at)
				require.Equal(t, body, string(got))
			}
			at, _, err := s.Next(t.Context(), int64(2*gap+len(frame)+1), int64(len(data)))
			require.NoError(t, err)
			require.EqualValues(t, -1, at)
		}
	}
}

// A countedReader counts the bytes that are read.
type countedReader struct {
	io.ReaderAt
	bytes int
}

func (c *countedReader) ReadAt(b []byte, at int64) (int, error) {
	c.bytes += len(b)
	return c.ReaderAt.ReadAt(b, at)
}

// TestSearchHostile searches bytes of which every sixth seems to begin a frame half as long as the file:
// twice the bytes take twice the work, and not four times. The search ends with its context.
func TestSearchHostile(t *testing.T) {
	work := func(ctx context.Context, size int) (int, error) {
		data := bytes.Repeat([]byte{'}'}, size)
		for i := 0; i+6 < size/2; i += 6 {
			binary.BigEndian.PutUint32(data[i:], uint32(size/2-16))
			data[i+4] = '{'
		}
		c := &countedReader{ReaderAt: bytes.NewReader(data)}
		at, _, err := NewSearch(c, 0, int64(size), LogBodies).Next(ctx, 1, int64(size))
		if err == nil {
			require.EqualValues(t, -1, at)
		}
		return c.bytes, err
	}
	once, err := work(t.Context(), 64<<10)
	require.NoError(t, err)
	twice, err := work(t.Context(), 128<<10)
	require.NoError(t, err)
	require.Less(t, 2*twice, 5*once)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = work(ctx, 64<<10)
	require.ErrorIs(t, err, context.Canceled)
}
