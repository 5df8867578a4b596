// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A machine describes the machine of a run, and the versions of the peers.
type machine struct {
	CPU        string            `json:"cpu"`
	Processors int               `json:"processors"`
	Memory     string            `json:"memory"`
	Kernel     string            `json:"kernel"`
	Disk       string            `json:"disk"` // file system and device of the directory that was written to
	Go         string            `json:"go"`
	Versions   map[string]string `json:"versions"` // of the peers
}

// peers are the modules whose versions are printed.
var peers = []string{
	"go.etcd.io/etcd/server/v3", "github.com/hashicorp/raft-wal", "github.com/tidwall/wal", "github.com/cockroachdb/pebble/v2", "go.etcd.io/bbolt",
	"github.com/dgraph-io/badger/v4", "modernc.org/sqlite", "github.com/redis/go-redis/v9", "github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go",
	"github.com/hashicorp/go-memdb",
}

func thisMachine(dir string) machine {
	m := machine{CPU: after("/proc/cpuinfo", "model name"), Processors: runtime.NumCPU(), Memory: after("/proc/meminfo", "MemTotal"), Go: runtime.Version(), Versions: map[string]string{}}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = "Linux " + strings.TrimSpace(string(release))
	}
	m.Disk = disk(dir)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if slices.Contains(peers, d.Path) {
				m.Versions[d.Path] = d.Version
			}
		}
	}
	if out, err := exec.Command(redisServer, "--version").Output(); err == nil {
		_, rest, _ := strings.Cut(string(out), "v=")
		m.Versions[redisServer], _, _ = strings.Cut(rest, " ")
	}
	return m
}

// after returns the text after a name and a colon in a file of the system.
func after(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// disk returns the file system and the device of a directory, by its longest mount point.
func disk(dir string) string {
	dir, err := filepath.Abs(dir)
	mounts, failed := os.ReadFile("/proc/self/mounts")
	if err != nil || failed != nil {
		return "unknown"
	}
	found, longest := "unknown", -1
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 3 && len(f[1]) > longest && (f[1] == "/" || dir == f[1] || strings.HasPrefix(dir, f[1]+"/")) {
			found, longest = fmt.Sprintf("%s on %s (%s)", f[2], f[0], f[3]), len(f[1])
		}
	}
	return found
}

func (m machine) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nMachine: %s, %d processors, %s of memory, %s, %s, %s. Versions:", m.CPU, m.Processors, m.Memory, m.Kernel, m.Disk, m.Go)
	sep := " "
	for _, name := range append(slices.Clone(peers), redisServer) {
		if v := m.Versions[name]; v != "" {
			fmt.Fprintf(&b, "%s%s %s", sep, name, v)
			sep = ", "
		}
	}
	b.WriteString(".\n")
	return b.String()
}

// others returns how many processors other programs use, measured over a time in which this program does nothing.
func others(while time.Duration) float64 {
	before, ok := busyTicks()
	own := ownTime()
	time.Sleep(while)
	after, still := busyTicks()
	own = ownTime() - own
	if !ok || !still {
		return 0
	}
	const perSecond = 100 // USER_HZ
	return max(0, float64(after-before)/perSecond-own.Seconds()) / while.Seconds()
}

// ownTime returns for how long processors have worked for this process.
func ownTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// busyTicks returns how long processors worked since the system started, without waiting for the disk.
func busyTicks() (int, bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	line, _, _ := strings.Cut(string(text), "\n")
	total := 0
	for i, f := range strings.Fields(line)[1:] {
		if n, err := strconv.Atoi(f); err == nil && i != 3 && i != 4 && i < 8 { // idle, iowait, and guests, which are counted twice
			total += n
		}
	}
	return total, true
}

// roomFor returns an error if the disk of a directory has less free space than needed.
func roomFor(dir string, bytes uint64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return err
	}
	if free := s.Bavail * uint64(s.Bsize); free < bytes {
		return fmt.Errorf("%s has %d MiB free, and %d MiB are needed", dir, free>>20, bytes>>20)
	}
	return nil
}
