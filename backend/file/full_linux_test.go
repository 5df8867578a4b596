// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// A fullDisk is a log on a small disk, and the facts that it should hold.
type fullDisk struct {
	opts file.Options
	log  *file.Log
	want []string // the facts
	ids  int      // how many were written
	seen int      // how many times the disk was full
	rng  *rand.Rand
}

func (d *fullDisk) open(t *testing.T) {
	var err error
	d.log, err = file.Open(t.Context(), d.opts)
	require.NoError(t, err)
}

func (d *fullDisk) write(t *testing.T, value string) error {
	f, err := d.log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("f", d.ids), Store: "s", Key: "k", Value: []byte(value)})
	if err == nil {
		d.ids++
		d.want = append(d.want, factText(&f))
	}
	return err
}

// fill writes facts until the disk is full, then smaller and smaller ones.
func (d *fullDisk) fill(t *testing.T) {
	size := 3000
	noise := make([]byte, size) // does not compress well
	for size > 10 {
		for i := range noise {
			noise[i] = '#' + byte(d.rng.IntN('Z'-'#'))
		}
		err := d.write(t, `"`+string(noise[:size])+`"`)
		if err == nil {
			continue
		}
		require.ErrorIs(t, err, backend.ErrFull)
		require.NotErrorIs(t, err, backend.ErrFailed)
		require.ErrorContains(t, err, "make room")
		size /= 2
	}
	d.seen++
}

// check checks that the log holds exactly what was acknowledged.
func (d *fullDisk) check(t *testing.T) {
	var have []string
	for f, err := range backend.Facts(d.log.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		have = append(have, factText(&f))
	}
	require.Equal(t, len(d.want), len(have))
	for i := range have {
		if d.want[i] != have[i] {
			require.Equal(t, d.want[i], have[i])
		}
	}
}

// TestFullDisk fills a disk. Then writes, snapshots and Prune fail with ErrFull; no acknowledged fact is
// lost, everything can be read, and once there is room writing goes on without opening the log again. A log
// can also be closed and opened while its disk is full.
func TestFullDisk(t *testing.T) {
	for _, policy := range []file.Sync{file.SyncAlways, file.SyncInterval, file.SyncNever} {
		t.Run(string(policy), func(t *testing.T) {
			disk := newMount(t)
			if err := disk.mount("-t", "tmpfs", "-o", "size=4m", "tmpfs"); err != nil {
				t.Skip("no tmpfs can be mounted here: ", err)
			}
			ballast := func(n int) string { return filepath.Join(disk.dir, fmt.Sprint("ballast", n)) }
			for i, size := range []int{300 << 10, 300 << 10, 2400 << 10, 1} {
				require.NoError(t, os.WriteFile(ballast(i), make([]byte, size), 0o600))
			}
			d := &fullDisk{opts: file.Options{Path: filepath.Join(disk.dir, "log"), Sync: policy, SegmentSize: 128 << 10}, rng: rand.New(rand.NewPCG(3, 0))}
			d.open(t)
			d.fill(t)
			d.check(t)
			for name, do := range map[string]func() error{
				"snapshot of all":  func() error { return d.log.WriteSnapshot(t.Context(), 0) },
				"snapshot of some": func() error { return d.log.WriteSnapshot(t.Context(), 1) },
				"prune": func() error {
					_, err := d.log.Prune(t.Context(), slices.Values([]uint64{2}), backend.Horizon{})
					return err
				},
			} {
				// When somebody removes the reserve, and the log frees the space written ahead, there may be room again.
				_ = os.Remove(filepath.Join(d.opts.Path, "RESERVE"))
				require.ErrorIs(t, os.WriteFile(ballast(3), make([]byte, 4<<20), 0o600), syscall.ENOSPC)
				err := do()
				require.ErrorIs(t, err, backend.ErrFull, name)
				require.NotErrorIs(t, err, backend.ErrFailed, name)
			}
			require.NoError(t, os.Remove(ballast(3)))
			d.check(t)

			require.NoError(t, os.Remove(ballast(0)))
			had := len(d.want)
			d.fill(t)
			require.Greater(t, len(d.want), had, "there is room again, and the log takes writes")
			d.check(t)

			require.NoError(t, d.log.Close())
			d.open(t) // while the disk is full
			require.Empty(t, d.log.Report().Cuts)
			d.check(t)
			require.NoError(t, os.Remove(ballast(1)))
			require.NoError(t, d.write(t, `"a"`))
			d.fill(t)
			d.check(t)

			require.NoError(t, os.Remove(ballast(2)))
			require.NoError(t, d.log.WriteSnapshot(t.Context(), 0))
			require.NoError(t, d.write(t, `"b"`))
			d.check(t)
			require.NoError(t, d.log.Close())
			d.open(t)
			d.check(t)
			require.NoError(t, d.log.Close())
			entries, err := filepath.Glob(filepath.Join(d.opts.Path, "*.tmp"))
			require.NoError(t, err)
			require.Empty(t, entries)
			t.Logf("%d facts, full %d times", len(d.want), d.seen)
		})
	}
}

// TestEmptyFullDisk fills a disk to the last byte, and makes room only by means of the log: by Prune, and by WriteSnapshot,
// with an open log and a reopened one. Afterwards the log takes writes, and has a reserve again.
func TestEmptyFullDisk(t *testing.T) {
	for reopen, policy := range map[bool]file.Sync{false: file.SyncAlways, true: file.SyncNever} {
		t.Run(fmt.Sprint(policy, " reopen ", reopen), func(t *testing.T) {
			disk := newMount(t)
			if err := disk.mount("-t", "tmpfs", "-o", "size=6m", "tmpfs"); err != nil {
				t.Skip("no tmpfs can be mounted here: ", err)
			}
			d := &fullDisk{opts: file.Options{Path: filepath.Join(disk.dir, "log"), Sync: policy, SegmentSize: 256 << 10}}
			d.open(t)
			value := `"` + strings.Repeat("some text that repeats ", 100) + `"`
			prune := func() error {
				var seqs []uint64
				n := len(d.want)
				kept := d.want[:0]
				for i, f := range d.want {
					if seq := uint64(i + 1); i%4 > 0 && i < n-1 {
						seqs = append(seqs, seq)
					} else {
						kept = append(kept, f)
					}
				}
				d.want = kept
				report, err := d.log.Prune(t.Context(), slices.Values(seqs), backend.Horizon{})
				require.EqualValues(t, len(seqs), report.Pruned)
				return err
			}
			for range 200 { // more than a segment, which the reserve follows
				require.NoError(t, d.write(t, value))
			}
			require.Eventually(t, func() bool {
				s, err := d.log.Stats(t.Context())
				return err == nil && s.Storage.ReserveBytes > uint64(d.opts.SegmentSize)
			}, time.Minute, time.Millisecond)
			// Prune comes last, since it leaves gaps in the seqs.
			for _, do := range []func() error{func() error { return d.log.WriteSnapshot(t.Context(), 0) }, prune} {
				var err error
				for err == nil {
					err = d.write(t, value)
				}
				require.ErrorIs(t, err, backend.ErrFull)
				ballast := filepath.Join(disk.dir, fmt.Sprint("ballast", len(d.want)))
				require.ErrorIs(t, os.WriteFile(ballast, make([]byte, 8<<20), 0o600), syscall.ENOSPC)
				if reopen {
					require.NoError(t, d.log.Close())
					d.open(t)
					f, err := os.OpenFile(ballast, os.O_APPEND|os.O_WRONLY, 0)
					require.NoError(t, err)
					_, err = f.Write(make([]byte, 8<<20)) // the room that the log freed
					require.ErrorIs(t, err, syscall.ENOSPC)
					require.NoError(t, f.Close())
				}
				before, err := d.log.Stats(t.Context())
				require.NoError(t, err)
				require.Greater(t, before.Storage.ReserveBytes, uint64(d.opts.SegmentSize))
				require.NoError(t, do())
				after, err := d.log.Stats(t.Context())
				require.NoError(t, err)
				require.Less(t, after.Bytes, before.Bytes)
				require.NotZero(t, after.Storage.ReserveBytes)
				for range 10 {
					require.NoError(t, d.write(t, value))
				}
				d.check(t)
			}
			require.NoError(t, d.log.Close())
			d.open(t)
			d.check(t)
			require.NoError(t, d.log.Close())
		})
	}
}

// TestReadOnly opens a log on a read-only disk, which gives a clear error, and verifies it.
func TestReadOnly(t *testing.T) {
	for _, locked := range []bool{true, false} {
		disk := newMount(t)
		if err := disk.mount("-t", "tmpfs", "-o", "size=4m", "tmpfs"); err != nil {
			t.Skip("no tmpfs can be mounted here: ", err)
		}
		path := filepath.Join(disk.dir, "log")
		l, err := file.Open(t.Context(), file.Options{Path: path})
		require.NoError(t, err)
		require.NoError(t, l.Close())
		if !locked {
			require.NoError(t, os.Remove(filepath.Join(path, "LOCK")))
		}
		require.NoError(t, disk.mount("-o", "remount,ro"))
		_, err = file.Open(t.Context(), file.Options{Path: path})
		require.ErrorIs(t, err, syscall.EROFS)
		require.ErrorContains(t, err, "read-only")
		report, err := file.Verify(t.Context(), path)
		require.NoError(t, err)
		require.Equal(t, 1, report.Segments)
	}
}
