// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/igniter-store/igniter/backend/file"
)

// appendRow returns a row in which goroutines append batches of size records, as fast as each of them can.
func appendRow(section, name string, goroutines, size int, contenders []contender) row {
	r := row{section: section, name: name, unit: perSecond}
	for _, c := range contenders {
		r.entries = append(r.entries, entry{name: c.name, promise: c.promise, kind: c.kind, run: func(t *turn) (s sample, err error) {
			l, err := open(t, c.open)
			if err != nil {
				return s, err
			}
			defer closing(l.close, &err)
			return t.drive(goroutines, size, func(g, from int) error { return l.append(g, from, size) })
		}})
	}
	return r
}

// A contender is a store that is opened for a row.
type contender struct {
	name, promise string
	kind          kind
	open          func(dir string) (store, error)
}

// closing closes and keeps the first error.
func closing(close func() error, err *error) {
	if failed := close(); *err == nil {
		*err = failed
	}
}

const (
	groups   = "concurrent writers share a sync"
	noGroups = "one writer after the other"
)

// durables returns the contenders that append durably, for a number of goroutines.
func durables(goroutines int) []contender {
	all := []contender{
		{"fdatasync", "limit: write and fdatasync, into a file of zeros; no log", limit, openRaw(true, 1)},
		{"igniter file", "sync always: fdatasync; " + groups, ours, openFile(file.SyncAlways)},
		{"igniter engine on file", "the same, and readers of the engine see it", ours, over(openFile(file.SyncAlways))},
		{"etcd wal", "fdatasync; " + noGroups, peer, openEtcdWAL(true)},
		{"raft-wal", "fsync; " + noGroups, peer, openRaftWAL},
		{"tidwall/wal", "fsync; " + noGroups, peer, openTidwall(true)},
		{"pebble", "pebble.Sync; " + groups, peer, openPebble(true)},
		{"bbolt", fmt.Sprintf("fdatasync; Batch with MaxBatchSize %d for more than one writer", goroutines), peer, openBbolt(true, goroutines)},
		{"badger", "SyncWrites (msync); " + groups, peer, openBadger(true)},
		{"SQLite", "journal_mode WAL, synchronous FULL; " + noGroups, peer, openSQLite(true)},
	}
	if goroutines > 1 {
		all[0].name = fmt.Sprintf("fdatasync, groups of %d", goroutines)
		all[0].promise = "limit: one write and fdatasync for as many records as writers wait, into a file of zeros; no log"
	}
	return all
}

// unsynced returns the contenders that append without a sync. A killed process loses nothing, unless the promise says
// so.
func unsynced() []contender {
	return []contender{
		{"write", "limit: a write for each append, into a file of zeros; no log", limit, openRaw(false, 1)},
		{"igniter file", "sync never: the kernel has it", ours, openFile(file.SyncNever)},
		{"igniter engine on file", "the same, and readers of the engine see it", ours, over(openFile(file.SyncNever))},
		{"igniter memory", "in memory, lost with the process", ours, openMemory},
		{"igniter engine on memory", "the same, and readers of the engine see it", ours, over(openMemory)},
		{"etcd wal", "SetUnsafeNoFsync: partly in the process's buffer, lost with it", peer, openEtcdWAL(false)},
		{"tidwall/wal", "NoSync: the kernel has it", peer, openTidwall(false)},
		{"pebble", "pebble.NoSync: in the process's buffer at first, lost with it", peer, openPebble(false)},
		{"bbolt", "NoSync: the kernel has it", peer, openBbolt(false, 1)},
		{"badger", "no SyncWrites: in a mapped file", peer, openBadger(false)},
		{"SQLite", "journal_mode WAL, synchronous OFF: the kernel has it", peer, openSQLite(false)},
	}
}

func appendRows() (all []row) {
	for _, goroutines := range []int{1, 16, 64, 256} {
		r := appendRow("Durable append", fmt.Sprintf("%d goroutines, one record each", goroutines), goroutines, 1, durables(goroutines))
		if goroutines == 1 {
			r.name = "1 goroutine, one record at a time"
		} else {
			r.entries[0].run = limitOfGroups(goroutines)
		}
		all = append(all, r)
	}
	return append(all,
		appendRow("Durable append", "1 goroutine, batches of 100", 1, 100, durables(1)),
		appendRow("Unsynced append", "1 goroutine, one record at a time", 1, 1, unsynced()),
		appendRow("Unsynced append", "1 goroutine, batches of 100", 1, 100, unsynced()),
	)
}

// limitOfGroups measures the disk with ideal groups.
func limitOfGroups(group int) func(t *turn) (sample, error) {
	return func(t *turn) (s sample, err error) {
		l, err := open(t, openRaw(true, group))
		if err != nil {
			return s, err
		}
		defer closing(l.close, &err)
		return t.drive(1, group, func(g, from int) error { return l.append(g, from, 1) })
	}
}
