// SPDX-License-Identifier: Apache-2.0

//go:build !lean

package main

import (
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// A badgerStore is github.com/dgraph-io/badger, with keys that ascend.
type badgerStore struct {
	db   *badger.DB
	next atomic.Int64
}

// openBadger returns a function that opens a database with the library's options, without checks for conflicts, since
// no two writers share a key.
func openBadger(durable bool) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		o := badger.DefaultOptions(inDir(dir, "badger")).WithSyncWrites(durable).WithLogger(nil).WithDetectConflicts(false)
		db, err := badger.Open(o)
		return &badgerStore{db: db}, err
	}
}

func (s *badgerStore) append(_, from, count int) error {
	at := int(s.next.Add(int64(count))) - count
	return s.db.Update(func(tx *badger.Txn) error {
		for i := range count {
			if err := tx.Set(sequence(at+i), raw(from+i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *badgerStore) scan() (n int, err error) {
	err = s.db.View(func(tx *badger.Txn) error {
		iter := tx.NewIterator(badger.DefaultIteratorOptions)
		defer iter.Close()
		for iter.Rewind(); iter.Valid(); iter.Next() {
			n++
			if err := iter.Item().Value(looked); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

func (s *badgerStore) close() error { return s.db.Close() }
