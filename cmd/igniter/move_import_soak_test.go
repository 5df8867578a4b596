// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An importTrial imports the facts of three parts and of the whole, in some order, to a log.
type importTrial struct {
	t     *testing.T
	dir   string
	facts int
	order []string // of the files with facts, in dir
}

// parts are the files that hold facts, by name: from one fact to another.
func (x *importTrial) parts() map[string][2]int {
	n := x.facts
	return map[string][2]int{"old.nd": {0, n / 3}, "middle.nd": {n / 3, n - n/10}, "new.nd": {n - n/10, n}, "all.nd": {0, n}, "all.wal": {0, n}}
}

// importKeys is how many keys the facts have.
const importKeys = 1000

// importFact returns a fact as Ruby writes it.
func importFact(n int) string {
	return fmt.Sprintf(`{"id":"%08x-0000-4000-8000-%012x","store":"readings","key":"sensor-%d","value":{"n":%d},"value_hash":"","causation":null,`+
		`"transaction_time":%d.5,"valid_time":null,"schema_version":1,"producer":null,"derivation":null}`, n, n, n%importKeys, n, 1_700_000_000+n)
}

// writeParts writes the files.
func (x *importTrial) writeParts() {
	for name, p := range x.parts() {
		f, err := os.Create(filepath.Join(x.dir, name))
		require.NoError(x.t, err)
		w := bufio.NewWriter(f)
		for n := p[0]; n < p[1]; n++ {
			text := importFact(n)
			if strings.HasSuffix(name, ".nd") {
				fmt.Fprintln(w, text)
				continue
			}
			var number [4]byte
			binary.BigEndian.PutUint32(number[:], uint32(len(text)))
			w.Write(number[:])
			w.WriteString(text)
			binary.BigEndian.PutUint32(number[:], crc32.ChecksumIEEE([]byte(text)))
			w.Write(number[:])
		}
		require.NoError(x.t, w.Flush())
		require.NoError(x.t, f.Close())
	}
}

// command returns an import of a file to the log.
func (x *importTrial) command(log, name string) *exec.Cmd {
	given := []string{"import", "--path", log, "--sync", "never", "--json"}
	if name == "all.wal" {
		given = append(given, "--ruby-wal")
	}
	return exec.Command("igniter", append(given, filepath.Join(x.dir, name))...)
}

// killed begins an import and kills it once the log holds some of what it writes. It may end before.
func (x *importTrial) killed(log, name string) {
	cmd := x.command(log, name)
	before := logSize(log)
	require.NoError(x.t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ends is not known
	}()
	for logSize(log) <= before+(64<<10) {
		select {
		case <-ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
	_ = cmd.Process.Kill() // it may have ended
	<-ended
}

func logSize(dir string) (size int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), ".wal") {
			size += info.Size()
		}
	}
	return size
}

// run imports the files in the trial's order, and then all of them again. Each import is killed first, and run again.
func (x *importTrial) run() {
	log := filepath.Join(x.dir, strings.Join(x.order, "+"))
	defer os.RemoveAll(log)
	latest := make([]int, importKeys) // by key: what the log should have last
	has := make([]bool, x.facts)
	var peak int64
	start := time.Now()
	for round := range 2 {
		for _, name := range x.order {
			if round == 0 {
				x.killed(log, name)
			}
			var out, errs bytes.Buffer
			cmd := x.command(log, name)
			cmd.Stdout, cmd.Stderr = &out, &errs
			require.NoError(x.t, cmd.Run(), "%s: %s", name, &errs)
			peak = max(peak, peakMemory(cmd.ProcessState))
			var report struct{ New, Known int }
			require.NoError(x.t, json.Unmarshal(out.Bytes(), &report))
			p := x.parts()[name]
			require.Equal(x.t, p[1]-p[0], report.New+report.Known, name)
			for n := p[0]; n < p[1]; n++ {
				if !has[n] {
					has[n], latest[n%importKeys] = true, n
				}
			}
			if round > 0 {
				require.Zero(x.t, report.New, name)
			}
		}
	}
	took := time.Since(start)
	x.check(log, has, latest)
	x.t.Logf("%d facts: %v for %d imports, each run twice after it was killed; at most %d MiB of memory", x.facts, took.Round(time.Second), len(x.order), peak>>20)
}

// check requires that a log has each fact once, and of each key the latest last.
func (x *importTrial) check(log string, has []bool, latest []int) {
	cmd := exec.Command("igniter", "export", "--path", log)
	out, err := cmd.StdoutPipe()
	require.NoError(x.t, err)
	require.NoError(x.t, cmd.Start())
	seen, last := make([]bool, x.facts), make([]int, importKeys)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		require.NoError(x.t, err)
		var f struct {
			ID, Key string
			Value   struct{ N int }
		}
		require.NoError(x.t, json.Unmarshal(line, &f))
		n := f.Value.N
		if seen[n] || f.Key != fmt.Sprintf("sensor-%d", n%importKeys) || !strings.HasPrefix(f.ID, fmt.Sprintf("%08x-", n)) {
			x.t.Fatalf("fact %d is there twice, or is not as it was: %s", n, line)
		}
		seen[n], last[n%importKeys] = true, n
	}
	require.NoError(x.t, cmd.Wait())
	require.Equal(x.t, has, seen)
	require.Equal(x.t, latest, last)
	text, err := exec.Command("igniter", "verify", log).CombinedOutput()
	require.NoError(x.t, err, "%s", text)
}

// TestImportTwice imports facts twice, from NDJSON and from a log of the Ruby system, in several orders of their parts, and
// kills imports: the log has each fact once, and what is current is what it was given last. With IGNITER_SOAK=1 these are
// 3,000,000 facts in every order, which takes some 10 GB of disk.
func TestImportTwice(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a process that is killed leaves its files open for a while")
	}
	x := &importTrial{t: t, dir: t.TempDir(), facts: 3000}
	orders := [][]string{{"new.nd", "all.wal", "old.nd"}}
	if os.Getenv("IGNITER_SOAK") != "" {
		x.facts, orders = 3_000_000, importOrders("old.nd", "middle.nd", "new.nd")
	}
	x.writeParts()
	for _, order := range orders {
		t.Run(strings.Join(order, ","), func(t *testing.T) {
			x.t, x.order = t, order
			x.run()
		})
	}
}

// importOrders returns each order of the parts, followed by the whole in both forms, and the whole before each part.
func importOrders(parts ...string) (orders [][]string) {
	var permute func(before, rest []string)
	permute = func(before, rest []string) {
		if len(rest) == 0 {
			orders = append(orders, append(append([]string{}, before...), "all.nd", "all.wal"))
		}
		for i := range rest {
			others := append(append([]string{}, rest[:i]...), rest[i+1:]...)
			permute(append(append([]string{}, before...), rest[i]), others)
		}
	}
	permute(nil, parts)
	for _, p := range parts {
		orders = append(orders, []string{p, "all.wal", "all.nd"})
	}
	return append(orders, []string{"all.nd", "all.wal"}, []string{"all.wal", "all.nd"})
}
