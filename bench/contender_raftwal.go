// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
)

// A raftLog is github.com/hashicorp/raft-wal, with the library's options. It syncs every write and has no option not to.
type raftLog struct {
	mu   sync.Mutex
	wal  *raftwal.WAL
	meta *metadb.BoltMetaDB // the library's own would stay open
	next uint64
}

func openRaftWAL(dir string) (store, error) {
	meta := new(metadb.BoltMetaDB)
	w, err := raftwal.Open(dir, raftwal.WithMetaStore(meta))
	if err != nil {
		return nil, err
	}
	last, err := w.LastIndex()
	return &raftLog{wal: w, meta: meta, next: last + 1}, err
}

func (l *raftLog) append(_, from, count int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	logs, all := make([]*raft.Log, count), make([]raft.Log, count)
	for i := range logs {
		all[i] = raft.Log{Index: l.next, Term: 1, Data: raw(from + i)}
		logs[i] = &all[i]
		l.next++
	}
	return l.wal.StoreLogs(logs)
}

func (l *raftLog) scan() (n int, err error) {
	var r raft.Log
	for i := uint64(1); i < l.next; i++ {
		err := l.wal.GetLog(i, &r)
		if err == nil {
			err = looked(r.Data)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (l *raftLog) close() error { return closeAll(l.wal.Close, l.meta.Close) }
