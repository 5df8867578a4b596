// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/igniter-store/igniter/backend/file"
)

const million = 1_000_000

// readers returns the contenders of the rows that read back.
func readers() []contender {
	return []contender{
		{"read", "a file read in blocks of 256 KiB, a byte of each record looked at", limit, openPlain},
		{"igniter file", "facts decoded, checksums checked", ours, openFile(file.SyncNever)},
		{"etcd wal", "raw bytes, checksums checked, all into memory", peer, openEtcdWAL(false)},
		{"raft-wal", "raw bytes, one by one", peer, openRaftWAL},
		{"tidwall/wal", "raw bytes, one by one; checks nothing", peer, openTidwall(false)},
		{"pebble", "raw bytes", peer, openPebble(false)},
		{"bbolt", "raw bytes in a mapped file; checks nothing", peer, openBbolt(false, 1)},
		{"badger", "raw bytes", peer, openBadger(false)},
		{"SQLite", "raw bytes", peer, openSQLite(false)},
	}
}

// readRows returns the row in which a store with a million records is opened and read.
func readRows() []row {
	r := row{section: "Read back", name: "a million records, opened and scanned", unit: perSecond}
	for _, c := range readers() {
		r.entries = append(r.entries, entry{name: c.name, promise: c.promise, kind: c.kind,
			prepare: func(t *turn) error { return fill(c, t.dir, t.scaled(million)) },
			run: func(t *turn) (s sample, err error) {
				start := time.Now()
				l, err := c.open(t.dir)
				if err != nil {
					return s, err
				}
				defer closing(l.close, &err)
				return scan(l, t.scaled(million), start)
			}})
	}
	return []row{r}
}

// fill makes a store of n records in a directory.
func fill(c contender, dir string, n int) (err error) {
	l, err := c.open(dir)
	if err != nil {
		return err
	}
	defer closing(l.close, &err)
	return appendAll(l, n)
}

// appendAll appends n records, in batches.
func appendAll(l store, n int) error {
	const size = 1000
	for from := 0; from < n; from += size {
		if err := l.append(0, from, min(size, n-from)); err != nil {
			return err
		}
	}
	return nil
}

// scan reads back n records.
func scan(l store, n int, start time.Time) (s sample, err error) {
	got, err := l.(scanner).scan()
	if err == nil && got != n {
		err = fmt.Errorf("%d records came back of %d", got, n)
	}
	return sample{Value: float64(got) / time.Since(start).Seconds()}, err
}
