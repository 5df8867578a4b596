// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
)

// asWriter makes the test binary a process that writes facts to the log in a directory until it is killed, and
// prints the ID of each fact that was acknowledged.
const asWriter = "IGNITER_EXAMPLE_WRITER"

func TestMain(m *testing.M) {
	dir := os.Getenv(asWriter)
	if dir == "" {
		if shm, err := os.Stat("/dev/shm"); err == nil && shm.IsDir() {
			os.Setenv("TMPDIR", "/dev/shm") // where a sync costs nothing: the tests sync thousands of times
		}
		goleak.VerifyTestMain(m)
		return
	}
	l, err := Open(dir)
	for n := 0; err == nil; n++ {
		f := fact(fmt.Sprint(os.Getpid(), "-", n))
		if _, err = l.WriteFact(context.Background(), f); err == nil {
			fmt.Println(f.ID)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func fact(id string) backend.Fact {
	return backend.Fact{ID: id, Store: "s", Key: "k", Value: []byte(`{"id":"` + id + `"}`)}
}

func open(t testing.TB, dir string) *Log {
	l, err := Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// ids returns the IDs of all facts, and checks that the log is one chain without gaps.
func ids(t testing.TB, l *Log) []string {
	var all []string
	for f, err := range backend.Facts(l.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		require.EqualValues(t, len(all)+1, f.Seq)
		if len(all) > 0 {
			require.Equal(t, all[len(all)-1], f.Causation)
		}
		all = append(all, f.ID)
	}
	return all
}

// Two processes write one log and are killed again and again. Each acknowledged fact is in the log, once.
func TestKilledProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	var acknowledged []string
	for range 5 {
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 2 {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), asWriter+"="+dir)
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			all.Go(func() {
				lines := bufio.NewScanner(out)
				for n := 0; lines.Scan(); n++ {
					mu.Lock()
					acknowledged = append(acknowledged, lines.Text())
					mu.Unlock()
					if n == 20 {
						_ = cmd.Process.Kill()
					}
				}
				_ = cmd.Wait() // it was killed
			})
		}
		all.Wait()
	}
	got := ids(t, open(t, dir))
	require.Subset(t, got, acknowledged)
	seen := map[string]bool{}
	for _, id := range got {
		require.False(t, seen[id], "%s is there twice", id)
		seen[id] = true
	}
	require.GreaterOrEqual(t, len(acknowledged), 5*2*20)
}

// Of two writers that expect the same state one is refused, whichever Log it uses; and each Log follows what
// the other one writes.
func TestTwoLogs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	logs := [2]*Log{open(t, dir), open(t, dir)}
	follow := make(chan string)
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	all.Go(func() {
		for f, err := range backend.Facts(logs[1].Follow(ctx, backend.Range{})) {
			if err != nil {
				return
			}
			follow <- f.ID
		}
	})
	latest := ""
	for n := range 5 {
		var wins [2]bool
		var both sync.WaitGroup
		for i, l := range logs {
			both.Go(func() {
				b := backend.Batch{
					Facts:  []backend.Fact{fact(fmt.Sprint(n, "-", i, "-a")), fact(fmt.Sprint(n, "-", i, "-b"))},
					Expect: []backend.Expect{{Store: "s", Key: "k", ID: latest}},
				}
				w := l.Write(ctx, b)[0]
				wins[i] = w.Err == nil
				if wins[i] && w.First != uint64(2*n+1) {
					t.Errorf("first is %d", w.First)
				}
			})
		}
		both.Wait()
		require.NotEqual(t, wins[0], wins[1])
		winner := fmt.Sprint(n, "-", map[bool]int{true: 0, false: 1}[wins[0]])
		require.Equal(t, winner+"-a", <-follow)
		latest = winner + "-b"
		require.Equal(t, latest, <-follow)
		again := logs[n%2].Write(ctx, backend.Batch{Facts: []backend.Fact{fact(latest)}})[0]
		require.NoError(t, again.Err)
		require.Zero(t, again.First, "both know what is written")
	}
	cancel()
	all.Wait()
	require.Len(t, ids(t, logs[0]), 10)
}

// Files that a crash leaves behind do no harm, and are removed once no process can be writing them.
func TestLeftovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	_, err := l.WriteFact(t.Context(), fact("a"))
	require.NoError(t, err)
	young, old, linked := filepath.Join(path, "new-1"), filepath.Join(path, "new-2"), filepath.Join(path, "new-3")
	for _, name := range []string{young, old} {
		require.NoError(t, os.WriteFile(name, []byte("half a fra"), 0o600))
	}
	require.NoError(t, os.Link(dir(path).path(1), linked))
	yesterday := time.Now().Add(-24 * time.Hour)
	require.NoError(t, os.Chtimes(old, yesterday, yesterday))
	require.Equal(t, []string{"a"}, ids(t, open(t, path)))
	require.FileExists(t, young)
	require.NoFileExists(t, old)
}

// Every changed bit, every cut and every file that is missing is found when the log is opened.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	for _, id := range []string{"a", "b", "c"} {
		_, err := l.WriteFact(t.Context(), fact(id))
		require.NoError(t, err)
	}
	name := dir(path).path(2)
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	damaged := func(content []byte) {
		require.NoError(t, os.WriteFile(name, content, 0o600))
		_, err := Open(path)
		var corrupt *backend.CorruptError
		require.ErrorAs(t, err, &corrupt)
		require.Equal(t, name, corrupt.Path)
	}
	for bit := range 8 * len(whole) {
		flipped := bytes.Clone(whole)
		flipped[bit/8] ^= 1 << (bit % 8)
		damaged(flipped)
	}
	for n := range whole {
		damaged(whole[:n])
	}
	damaged(append(bytes.Clone(whole), whole...))
	for _, err := range l.Replay(t.Context(), backend.Range{}) { // an open log finds it too, after what is before it
		if err != nil {
			require.ErrorIs(t, err, backend.ErrCorrupt)
			break
		}
	}
	require.NoError(t, os.Remove(name))
	_, err = Open(path)
	require.ErrorIs(t, err, backend.ErrCorrupt)
	require.ErrorContains(t, err, name)
}

// After a failure that leaves unknown what the directory holds, the log takes no more writes until it is
// opened again.
func TestFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	_, err := l.WriteFact(t.Context(), fact("a"))
	require.NoError(t, err)
	require.NoError(t, os.Rename(path, path+"-away"))
	_, err = l.WriteFact(t.Context(), fact("b"))
	require.Error(t, err)
	require.NotErrorIs(t, err, backend.ErrFailed, "it is certain that nothing was written")
	require.NoError(t, os.Rename(path+"-away", path))
	f, err := l.WriteFact(t.Context(), fact("b"))
	require.NoError(t, err)
	require.EqualValues(t, 2, f.Seq)

	l.mu.Lock()
	l.failed = backend.ErrFailed
	l.mu.Unlock()
	_, err = l.WriteFact(t.Context(), fact("c"))
	require.ErrorIs(t, err, backend.ErrFailed)
	require.Equal(t, []string{"a", "b"}, ids(t, l))
}

func TestCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var out strings.Builder
	require.NoError(t, run(t.Context(), []string{path, "k", `{"n":1}`}, &out))
	require.NoError(t, run(t.Context(), []string{path}, &out))
	require.Equal(t, strings.Repeat("1 notes/k {\"n\":1}\n", 2), out.String())
	require.ErrorContains(t, run(t.Context(), nil, &out), "usage")
	require.ErrorIs(t, run(t.Context(), []string{path, "k", "no JSON"}, &out), backend.ErrInvalid)
}
