// SPDX-License-Identifier: Apache-2.0

package vfstest

import (
	"io"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

const crashSeeds = 300

// saved writes a file, and makes it and its name durable.
func saved(t *testing.T, under vfs.FS, name, content string) vfs.File {
	t.Helper()
	f, err := under.Create(name)
	require.NoError(t, err)
	written(t, f, 0, content)
	require.NoError(t, f.Sync())
	require.NoError(t, under.SyncDir("/"))
	return f
}

func written(t *testing.T, f vfs.File, off int64, content string) {
	t.Helper()
	n, err := f.WriteAt([]byte(content), off)
	require.NoError(t, err)
	require.Equal(t, len(content), n)
}

// content returns what a file holds, "-" if it does not exist.
func content(t *testing.T, under vfs.FS, name string) string {
	t.Helper()
	f, err := under.Open(name)
	if err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
		return "-"
	}
	size, err := f.Size()
	require.NoError(t, err)
	p := make([]byte, size)
	_, err = f.ReadAt(p, 0)
	require.NoError(t, err)
	return string(p)
}

// found counts what the files hold after power cuts with many seeds.
func found(t *testing.T, d *Disk, names ...string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for seed := range uint64(crashSeeds) {
		after := d.Image(seed, PowerCut)
		var all []string
		for _, name := range names {
			all = append(all, content(t, after, name))
		}
		counts[strings.Join(all, " ")]++
	}
	return counts
}

func TestDiskErrors(t *testing.T) {
	d := New()
	require.NoError(t, d.Mkdir("log"))
	f := saved(t, d, "log/b", "abc")
	saved(t, d, "/log/a", "")

	for _, err := range []error{d.Mkdir("log"), d.Mkdir("."), d.Mkdir("/log/b")} {
		require.ErrorIs(t, err, fs.ErrExist)
	}
	_, err := d.Stat("log/none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorAs(t, err, new(*fs.PathError))
	for _, err := range []error{d.Rename("none", "c"), d.Rename("log/a", "none/c"), d.Remove("none"), d.SyncDir("none"), d.Mkdir("none/c")} {
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	require.ErrorIs(t, d.Remove("log"), syscall.ENOTEMPTY)

	all, err := d.ReadDir("./log/")
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "a", all[0].Name())
	info, err := all[1].Info()
	require.NoError(t, err)
	require.Equal(t, int64(3), info.Size())
	info, err = d.Stat("log")
	require.NoError(t, err)
	require.True(t, info.IsDir())

	n, err := f.ReadAt(make([]byte, 4), 1)
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, io.EOF)
	n, err = f.ReadAt(make([]byte, 1), 9)
	require.Zero(t, n)
	require.ErrorIs(t, err, io.EOF)

	r, err := d.Open("log/b")
	require.NoError(t, err)
	_, err = r.WriteAt([]byte("x"), 0)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorIs(t, r.Truncate(0), fs.ErrPermission)
	require.NoError(t, r.Close())
	_, err = r.Size()
	require.ErrorIs(t, err, fs.ErrClosed)
}

func TestDiskOpenFilesLoseTheirNames(t *testing.T) {
	d := New()
	old := saved(t, d, "a", "old")
	fresh := saved(t, d, "b", "fresh")
	require.NoError(t, d.Rename("b", "a"))
	require.Equal(t, "fresh", content(t, d, "a"))
	require.NoError(t, d.Remove("a"))

	p := make([]byte, 3)
	_, err := old.ReadAt(p, 0)
	require.NoError(t, err)
	require.Equal(t, "old", string(p))
	written(t, fresh, 5, "!")
}

func TestDiskTruncateFillsWithZeros(t *testing.T) {
	d := New()
	f := saved(t, d, "a", "abcdef")
	require.NoError(t, f.Truncate(2))
	require.NoError(t, f.Truncate(4))
	written(t, f, 6, "g")
	require.NoError(t, f.Sync())
	require.Equal(t, map[string]int{"ab\x00\x00\x00\x00g": crashSeeds}, found(t, d, "a"))
}

func TestDiskLock(t *testing.T) {
	d := New()
	l, err := d.Lock("lock")
	require.NoError(t, err)
	_, err = d.Lock("/lock")
	inUse, ok := err.(*vfs.LockedError)
	require.True(t, ok)
	require.NotZero(t, inUse.PID)
	require.NoError(t, l.Close())
	require.Error(t, l.Close())
	l, err = d.Lock("lock")
	require.NoError(t, err)
	require.Equal(t, "", content(t, d, "lock"))

	_, err = d.Crash(0, ProcessKill).Lock("lock")
	require.NoError(t, err)
	require.ErrorIs(t, l.Close(), ErrCrashed)
}

func TestDiskPowerCutContent(t *testing.T) {
	synced := strings.Repeat("s", 700)
	d := New()
	f := saved(t, d, "a", synced)
	require.Equal(t, map[string]int{synced: crashSeeds}, found(t, d, "a"))
	require.NoError(t, f.Truncate(0))
	all := strings.Repeat("w", 1200)
	written(t, f, 600, all)

	require.Equal(t, synced, content(t, d.Image(0, PowerCut), "a"))
	require.Equal(t, strings.Repeat("\x00", 600)+all, content(t, d.Image(1, PowerCut), "a"))
	require.Equal(t, found(t, d, "a"), found(t, d, "a"), "a seed decides")
	cuts, sizes, sectors := 0, map[int]bool{}, map[string]int{}
	for image := range found(t, d, "a") {
		sizes[len(image)] = true
		if !strings.HasPrefix(image, synced[:600]) {
			cuts++
			require.Empty(t, strings.Trim(image[:min(600, len(image))], "\x00"), "what was durable is there or cut, never garbage")
		}
		if len(image) >= 1536 { // has the first whole sector of the write, or what became of it
			sectors[image[1024:1536]]++
		}
	}
	require.Subset(t, sizes, map[int]bool{700: true, 1024: true, 1536: true, 1800: true})
	require.NotZero(t, cuts)
	require.NotZero(t, sectors[all[:512]], "kept")
	require.NotZero(t, sectors[strings.Repeat("\x00", 512)], "lost")
	require.Greater(t, len(sectors), 2, "garbage")
}

func TestDiskPowerCutNames(t *testing.T) {
	d := New()
	saved(t, d, "a", "old")
	f, err := d.Create("a.tmp")
	require.NoError(t, err)
	written(t, f, 0, "new")
	require.NoError(t, f.Sync())
	require.NoError(t, d.Rename("a.tmp", "a"))

	counts := found(t, d, "a", "a.tmp")
	require.Len(t, counts, 3, "a rename has both sides or neither: %v", counts)
	for _, one := range []string{"old -", "old new", "new -"} {
		require.Contains(t, counts, one)
	}
	require.NoError(t, d.Crash(2, ProcessKill).SyncDir("/"), "d is dead, not its successor")
	require.ErrorIs(t, d.SyncDir("/"), ErrCrashed)
}

func TestDiskSyncDirIsOfOneDirectory(t *testing.T) {
	d := New()
	require.NoError(t, d.Mkdir("/x"))
	require.NoError(t, d.Mkdir("/y"))
	require.NoError(t, d.SyncDir("/"))
	saved(t, d, "/x/a", "a")
	saved(t, d, "/y/b", "b")
	require.NoError(t, d.SyncDir("/x"))
	after := d.Image(0, PowerCut)
	require.Equal(t, "a", content(t, after, "/x/a"))
	require.Equal(t, "-", content(t, after, "/y/b"))

	// A file that moves between directories is in one of them, whichever is synced.
	require.NoError(t, d.Rename("/y/b", "/x/b"))
	require.NoError(t, d.SyncDir("/x"))
	require.Equal(t, map[string]int{"b -": crashSeeds}, found(t, d, "/x/b", "/y/b"))
}

func TestDiskLostDirectory(t *testing.T) {
	d := New()
	require.NoError(t, d.Mkdir("/x"))
	f, err := d.Create("/x/a")
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, d.SyncDir("/x"))
	require.Equal(t, "-", content(t, d.Image(0, PowerCut), "/x/a"))
	require.Equal(t, "", content(t, d.Image(1, PowerCut), "/x/a"))
}

func TestDiskProcessKillThenPowerCut(t *testing.T) {
	d := New()
	f := saved(t, d, "a", "old")
	written(t, f, 0, "new")
	require.NoError(t, d.Rename("a", "b"))
	_, err := d.Lock("lock")
	require.NoError(t, err)

	killed := d.Crash(0, ProcessKill)
	_, err = f.Size()
	require.ErrorIs(t, err, ErrCrashed)
	require.Equal(t, "new", content(t, killed, "b"))
	_, err = killed.Lock("lock")
	require.NoError(t, err)
	counts := found(t, killed, "a", "b")
	for _, one := range []string{"old -", "new -", "- old", "- new"} {
		require.Contains(t, counts, one)
	}

	killed = d.Crash(0, ProcessKill)
	g, err := killed.Edit("b")
	require.NoError(t, err)
	require.NoError(t, g.Sync())
	require.NoError(t, killed.SyncDir("/"))
	require.Equal(t, map[string]int{"- new": crashSeeds}, found(t, killed, "a", "b"))
}

func TestDiskCrashAt(t *testing.T) {
	sizes := map[int64]bool{}
	for seed := range uint64(20) {
		d := New()
		d.CrashAt, d.CrashSeed = 3, seed
		f, err := d.Create("a")
		require.NoError(t, err)
		written(t, f, 0, "start")
		_, err = f.WriteAt(make([]byte, 1000), 5)
		require.ErrorIs(t, err, ErrCrashed)
		require.ErrorIs(t, f.Sync(), ErrCrashed)
		require.ErrorIs(t, d.Mkdir("x"), ErrCrashed)
		_, err = d.Stat("a")
		require.ErrorIs(t, err, ErrCrashed)
		require.Equal(t, []string{"create /a", "write /a 0+5", "write /a 5+1000"}, d.log)

		info, err := d.Crash(seed, ProcessKill).Stat("a")
		require.NoError(t, err)
		sizes[info.Size()] = true
		require.Equal(t, "-", content(t, d.Image(0, PowerCut), "a"))
	}
	require.Equal(t, map[int64]bool{5: true, 512: true, 1005: true}, sizes)

	d := New()
	d.CrashAt = 1
	require.ErrorIs(t, d.Mkdir("x"), ErrCrashed)
	_, err := d.Crash(1, ProcessKill).Stat("x")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestDiskConcurrently(t *testing.T) {
	d := New()
	f := saved(t, d, "a", "")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 50 {
				_, err := f.WriteAt([]byte{byte(i)}, int64(i*50+k))
				assert.NoError(t, err)
				assert.NoError(t, f.Sync())
				_, err = f.ReadAt(make([]byte, 1), int64(i*50+k))
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	require.Len(t, content(t, d.Image(0, PowerCut), "a"), 400)
}
