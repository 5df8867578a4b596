// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
	"github.com/igniter-store/igniter/wire"
)

// fuzzLog returns the files of a small log: a snapshot, a sealed segment, both with an index, and the active
// segment.
func fuzzLog(t testing.TB) (d *vfstest.Disk, files map[string][]byte) {
	d = vfstest.New()
	now := func() time.Time { return time.Unix(1_700_000_000, 0) }
	l, err := Open(context.Background(), Options{Path: "/log", fs: d, Now: now, Sync: SyncNever})
	require.NoError(t, err)
	writeSome(t, l, 0, 5)
	require.NoError(t, l.WriteSnapshot(context.Background(), 0))
	writeSome(t, l, 5, 9)
	require.NoError(t, l.rollIfUsed(context.Background()))
	indexNow(l)
	writeSome(t, l, 9, 12)
	require.NoError(t, l.Close())
	return d, damageFiles(d)
}

// withCRCs returns data with a right CRC for each frame, so that the bodies are parsed.
func withCRCs(data []byte) []byte {
	data = slices.Clone(data)
	for rest := data; len(rest) >= wire.FrameOverhead; {
		n := int64(binary.BigEndian.Uint32(rest))
		if n > int64(len(rest)-wire.FrameOverhead) {
			break
		}
		binary.BigEndian.PutUint32(rest[4+n:], crc32.ChecksumIEEE(rest[4:4+n]))
		rest = rest[wire.FrameOverhead+n:]
	}
	return data
}

// fuzzFile opens a log with one file changed, reads it, writes to it, and verifies it. Nothing panics, and
// errors say what is wrong.
func fuzzFile(f *testing.F, ext string) {
	d, files := fuzzLog(f)
	name := ""
	for n := range files {
		if strings.HasSuffix(n, ext) && (name == "" || n < name) {
			name = n
		}
	}
	f.Add(files[name], false)
	for at := 0; at < len(files[name]); at += 41 {
		data := slices.Clone(files[name])
		data[at] ^= 1 << (at % 8)
		f.Add(data, at%2 == 0)
		f.Add(data[:at], false)
	}
	known := func(err error) bool {
		var version *VersionError
		return errors.Is(err, backend.ErrCorrupt) || errors.Is(err, backend.ErrInvalid) || errors.As(err, &version)
	}
	f.Fuzz(func(t *testing.T, data []byte, right bool) {
		if right {
			data = withCRCs(data)
		}
		for _, repair := range []bool{false, true} {
			d := d.Image(1, vfstest.PowerCut)
			d.Overwrite("/log/"+name, data)
			opts := Options{Path: "/log", fs: d, Repair: repair, Sync: SyncNever}
			if _, err := verify(t.Context(), opts); err != nil {
				require.True(t, known(err), "%v", err)
			}
			l, err := Open(t.Context(), opts)
			if err != nil {
				require.True(t, known(err), "%v", err)
				continue
			}
			last := uint64(0)
			for f, err := range backend.Facts(l.Replay(t.Context(), backend.Range{})) {
				if err != nil {
					require.True(t, known(err), "%v", err)
					break
				}
				require.Greater(t, f.Seq, last)
				last = f.Seq
			}
			for n := range 12 { // again
				if _, err := l.WriteFact(t.Context(), newFact(n)); err != nil && !errors.Is(err, backend.ErrIDReused) {
					require.True(t, known(err), "%v", err)
				}
			}
			require.NoError(t, l.Close())
		}
	})
}

func FuzzSegment(f *testing.F)       { fuzzFile(f, segmentExt) }
func FuzzSnapshot(f *testing.F)      { fuzzFile(f, snapshotExt) }
func FuzzSegmentIndex(f *testing.F)  { fuzzFile(f, segmentExt+indexExt) }
func FuzzSnapshotIndex(f *testing.F) { fuzzFile(f, snapshotExt+indexExt) }

// TestHostileIndex has indexes with right CRCs that claim what their file does not have: they are built
// again.
func TestHostileIndex(t *testing.T) {
	d, files := fuzzLog(t)
	want := replayAll(t, openTest(t, Options{fs: d.Image(1, vfstest.PowerCut)}))
	name := segmentName(6) + indexExt
	header, rest, ok := wire.CutFrame(files[name])
	require.True(t, ok)
	for from, to := range map[string]string{
		`"keys":4`: `"keys":1099511627776`, `"ids":4`: `"ids":1099511627776`, `"points":1`: `"points":1099511627776`,
		`"keys":4,`: `"keys":-5,`, `"first_seq":6`: `"first_seq":5`, `"last_seq":9`: `"last_seq":99`, `"facts":4`: `"facts":3`,
		`"tree":{"first":5`: `"tree":{"first":4`, `"end":9`: `"end":8`,
	} {
		require.Contains(t, string(header), from)
		image := d.Image(1, vfstest.PowerCut)
		image.Overwrite("/log/"+name, append(wire.AppendFrame(nil, []byte(strings.Replace(string(header), from, to, 1))), rest...))
		l := openTest(t, Options{fs: image})
		require.Contains(t, l.Report().Read, segmentName(6), to)
		require.Equal(t, want, replayAll(t, l))
	}
}
