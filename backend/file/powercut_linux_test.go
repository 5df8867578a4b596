// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// The ioctl that makes ext4 behave as after a power cut: from then on nothing reaches the disk and every
// operation fails. The file contents in memory are lost with the mount; what the journal had committed comes
// back with the next one.
const (
	shutdownIoctl   = 0x8004587d // FS_IOC_SHUTDOWN, _IOR('X', 125, __u32)
	shutdownFlush   = 0x1        // the journal is committed first, the data of files is not
	shutdownNoFlush = 0x2        // nothing is written any more
)

// A mounted is a file system on a directory. It is unmounted when the test ends, if not before.
type mounted struct {
	dir     string
	mounted bool
}

// mount mounts a file system; args are the arguments of mount(8), without the directory.
func (m *mounted) mount(args ...string) error {
	if out, err := exec.Command("mount", append(args, m.dir)...).CombinedOutput(); err != nil {
		return fmt.Errorf("mount %v: %w: %s", args, err, out)
	}
	m.mounted = true
	return nil
}

func (m *mounted) unmount(t testing.TB) {
	if out, err := exec.Command("umount", m.dir).CombinedOutput(); err != nil {
		require.NoError(t, err, "umount: %s", out)
	}
	m.mounted = false
}

// newMount returns a directory to mount on, and skips the test where nothing can be mounted.
func newMount(t testing.TB) *mounted {
	if os.Getuid() != 0 {
		t.Skip("only root can mount file systems")
	}
	m := &mounted{dir: filepath.Join(t.TempDir(), "mounted")}
	require.NoError(t, os.Mkdir(m.dir, 0o755))
	t.Cleanup(func() {
		if m.mounted {
			// -l: also while a failed test has files open there.
			out, err := exec.Command("umount", "-l", m.dir).CombinedOutput()
			if err != nil {
				t.Errorf("umount -l %s: %v: %s", m.dir, err, out)
			}
		}
	})
	return m
}

// A poweredDisk is an ext4 file system in a file.
type poweredDisk struct {
	*mounted
	image string
}

// newPoweredDisk creates one, and skips the test where that does not work.
func newPoweredDisk(t testing.TB) *poweredDisk {
	d := &poweredDisk{mounted: newMount(t), image: filepath.Join(t.TempDir(), "image")}
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		t.Skip("mkfs.ext4 is missing: ", err)
	}
	require.NoError(t, os.WriteFile(d.image, nil, 0o600))
	require.NoError(t, os.Truncate(d.image, 64<<20))
	out, err := exec.Command(mkfs, "-q", "-F", d.image).CombinedOutput()
	require.NoError(t, err, "%s", out)
	if err := d.on(); err != nil {
		t.Skip("no loop device can be mounted here: ", err)
	}
	if err := d.cut(shutdownNoFlush); err != nil {
		t.Skip("the power of a file system can't be cut here: ", err)
	}
	d.unmount(t)
	return d
}

// on mounts the disk, which replays its journal. If another process with its own mounts still has the old mount, mounting
// would return the same file system, still without power.
func (d *poweredDisk) on() error {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if out, err := exec.Command("losetup", "-j", d.image).Output(); err != nil || len(out) == 0 {
			break
		}
	}
	return d.mount("-t", "ext4", "-o", "loop", d.image)
}

// cut cuts the power.
func (d *poweredDisk) cut(how uint32) error {
	dir, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), shutdownIoctl, uintptr(unsafe.Pointer(&how))); no != 0 {
		return fmt.Errorf("ioctl FS_IOC_SHUTDOWN: %w", no)
	}
	return nil
}

// TestPowerCut cuts the power of a disk while facts are written, snapshots made and facts pruned. Once
// the disk is back, the log opens without repair, every acknowledged fact is there and every
// acknowledged Prune has happened.
func TestPowerCut(t *testing.T) { testPowerCuts(t, file.SyncAlways, false) }

// TestPowerCutSnapshot cuts the power while one snapshot after the other is made.
func TestPowerCutSnapshot(t *testing.T) { testPowerCuts(t, file.SyncAlways, true) }

// TestPowerCutInterval cuts the power of a log that is synced at intervals. The facts that the log reported as durable are
// there. The remaining facts are a prefix of the acknowledged ones, without a gap.
func TestPowerCutInterval(t *testing.T) { testPowerCuts(t, file.SyncInterval, false) }

func testPowerCuts(t *testing.T, policy file.Sync, snapshots bool) {
	rounds := 10
	if soak() {
		rounds = 200
	}
	disk := newPoweredDisk(t)
	k := killed{path: filepath.Join(disk.dir, "log"), rng: rand.New(rand.NewPCG(2, 0)), want: map[uint64]string{}}
	var acked, lost, survived, during int
	cut := &cutRound{said: newTold(), durable: math.MaxUint64}
	for i := range rounds + 1 {
		require.NoError(t, disk.on())
		l, err := file.Open(t.Context(), killOptions(k.path, policy))
		require.NoError(t, err, "after the cut in round %d", i-1)
		survived += k.check(t, l, fmt.Sprint(i-1), cut.said, cut.durable)
		for seq := range cut.said.acked {
			if k.want[seq] == "" && !cut.said.doomed[seq] {
				lost++
			}
		}
		if i == rounds {
			require.NoError(t, l.Close())
		} else {
			cut = k.cutPower(t, disk, l, i, policy, snapshots)
			_ = l.Close() // fails
			acked += len(cut.said.acked)
			if cut.during {
				during++
			}
		}
		disk.unmount(t)
	}
	t.Logf("%d cuts, %d of them during a snapshot, %d facts acknowledged, %d of them lost, %d others survived",
		rounds, during, acked, lost, survived)
}

// A cutRound has the results of a round.
type cutRound struct {
	said    *told
	durable uint64 // the seq through which facts are durable according to the log
	during  bool   // a snapshot was running
}

// cutPower cuts the power of the disk while l is written to, after a number of acknowledged writes.
func (k *killed) cutPower(t *testing.T, disk *poweredDisk, l *file.Log, round int, policy file.Sync, snapshots bool) *cutRound {
	stats := func() backend.Stats {
		s, err := l.Stats(t.Context())
		require.NoError(t, err)
		return s
	}
	require.Eventually(t, func() bool { s := stats(); return s.DurableSeq == s.LastSeq }, time.Minute, time.Millisecond)

	var mu sync.Mutex
	var lines [][]string
	acks, cutAt, enough := 0, 1+k.rng.IntN(300), make(chan struct{})
	w := &writing{order: order{Seed: k.rng.Uint64(), Round: fmt.Sprint(round)}, log: l, due: make(chan struct{}, 1)}
	w.say = func(words ...string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, words)
		if words[0] == "ack" {
			if acks++; acks == cutAt {
				close(enough)
			}
		}
	}
	var writers, others sync.WaitGroup
	var snapshot atomic.Bool
	type ended struct {
		writer int
		err    error
	}
	errs := make(chan ended, childWriters)
	for i := range childWriters {
		writers.Go(func() { errs <- ended{i, w.write(i)} })
	}
	others.Go(func() {
		if !snapshots {
			_ = w.maintain() // may fail after the cut
			return
		}
		for err := error(nil); err == nil; {
			snapshot.Store(true)
			err = l.WriteSnapshot(t.Context(), 0)
			snapshot.Store(false)
		}
	})
	select {
	case <-enough:
	case w := <-errs:
		require.NoError(t, w.err, "before the cut")
	}
	cut := &cutRound{said: newTold(), durable: math.MaxUint64, during: snapshot.Load()}
	said := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(lines)
	}
	durable, before := stats().DurableSeq, said()
	err := disk.cut([]uint32{shutdownNoFlush, shutdownFlush}[round%2])
	after := said()
	writers.Wait()
	close(w.due)
	others.Wait()
	require.NoError(t, err)

	for range childWriters {
		w := <-errs
		require.Error(t, w.err)
		cut.said.nothing[w.writer] = strings.Contains(w.err.Error(), "nothing was written")
	}
	_, err = l.WriteFact(t.Context(), backend.Fact{ID: "late", Store: "kill", Key: "late", Value: []byte(`1`)})
	require.ErrorIs(t, err, backend.ErrFailed)
	_, err = writeBatch(t.Context(), l, backend.Batch{Facts: []backend.Fact{{ID: "late", Store: "kill", Key: "late", Value: []byte(`1`)}}})
	require.ErrorIs(t, err, backend.ErrFailed)
	require.Error(t, l.WriteSnapshot(t.Context(), 0))

	// During the ioctl, fdatasync of a file that grew may return 0 for data that is then lost. So only acknowledgements
	// before it are promises; later facts may be lost, but only from the end.
	for _, words := range lines[:before] {
		cut.said.hear(t, words)
	}
	if cut.durable = durable; policy == file.SyncAlways {
		cut.durable = slices.Max(slices.AppendSeq([]uint64{durable}, maps.Keys(cut.said.acked)))
	}
	gone := maps.Clone(cut.said.gone)
	for _, words := range lines[before:] {
		cut.said.hear(t, words)
	}
	cut.said.gone = gone
	late := map[string]int{} // by the writer's part of the IDs
	for _, words := range lines[after:] {
		if words[0] == "ack" {
			_, id, _ := strings.Cut(words[1], `"id":"`)
			late[strings.Join(strings.SplitN(id, "-", 3)[:2], "-")]++
		}
	}
	for writer, n := range late {
		require.Equal(t, 1, n, "writer %s began a write after the cut, and it was acknowledged", writer)
	}
	return cut
}
