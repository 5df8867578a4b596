// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"

	"github.com/tidwall/wal"
)

// A tidwallLog is github.com/tidwall/wal.
type tidwallLog struct {
	mu   sync.Mutex
	log  *wal.Log
	next uint64
}

// openTidwall returns a function that opens a log with binary records and otherwise the options of the library.
func openTidwall(durable bool) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		o := *wal.DefaultOptions
		o.NoSync, o.NoCopy = !durable, true
		l, err := wal.Open(inDir(dir, "wal"), &o)
		if err != nil {
			return nil, err
		}
		last, err := l.LastIndex()
		return &tidwallLog{log: l, next: last + 1}, err
	}
}

func (l *tidwallLog) append(_, from, count int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if count == 1 {
		l.next++
		return l.log.Write(l.next-1, raw(from))
	}
	var b wal.Batch
	for i := range count {
		b.Write(l.next, raw(from+i))
		l.next++
	}
	return l.log.WriteBatch(&b)
}

func (l *tidwallLog) scan() (n int, err error) {
	for i := uint64(1); i < l.next; i++ {
		r, err := l.log.Read(i)
		if err == nil {
			err = looked(r)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (l *tidwallLog) close() error { return l.log.Close() }
