// SPDX-License-Identifier: Apache-2.0

//go:build !lean

package main

import (
	"math"

	"github.com/dgraph-io/badger/v4"
)

// A badgerTable is github.com/dgraph-io/badger in its managed mode, which keeps all versions, at seqs as their times.
type badgerTable struct{ db *badger.DB }

func openBadgerTable(dir string) (table, error) {
	o := badger.DefaultOptions(inDir(dir, "badger")).WithLogger(nil).WithDetectConflicts(false).WithNumVersionsToKeep(math.MaxInt)
	db, err := badger.OpenManaged(o)
	return &badgerTable{db}, err
}

func (b *badgerTable) put(seq int, key string, value []byte) error {
	tx := b.db.NewTransactionAt(math.MaxUint64, true)
	defer tx.Discard()
	if err := tx.Set([]byte(key), value); err != nil {
		return err
	}
	return tx.CommitAt(uint64(seq), nil)
}

func (b *badgerTable) putAll(n int, each func(n int) (key string, value []byte)) error {
	batch := b.db.NewManagedWriteBatch()
	defer batch.Cancel()
	for i := range n {
		key, value := each(i)
		if err := batch.SetEntryAt(badger.NewEntry([]byte(key), value), uint64(i+1)); err != nil {
			return err
		}
	}
	return batch.Flush()
}

func (b *badgerTable) get(key string) error { return b.getAt(key, math.MaxInt) }

func (b *badgerTable) getAt(key string, seq int) error {
	tx := b.db.NewTransactionAt(uint64(seq), false)
	defer tx.Discard()
	item, err := tx.Get([]byte(key))
	if err != nil {
		return err
	}
	return item.Value(found)
}

func (b *badgerTable) close() error { return b.db.Close() }
