// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// A bboltStore is go.etcd.io/bbolt, with keys that ascend.
type bboltStore struct {
	db      *bbolt.DB
	next    atomic.Int64
	grouped bool // several goroutines write: each waits in a Batch of all
}

var bucket = []byte("records")

// openBbolt returns a function that opens a database for some goroutines.
func openBbolt(durable bool, goroutines int) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		db, err := bbolt.Open(inDir(dir, "bbolt"), 0o600, &bbolt.Options{NoSync: !durable, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
		if err != nil {
			return nil, err
		}
		db.MaxBatchSize = goroutines
		s := &bboltStore{db: db, grouped: goroutines > 1}
		return s, db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucket)
			if err == nil {
				if last, _ := b.Cursor().Last(); last != nil {
					s.next.Store(int64(binary.BigEndian.Uint64(last)) + 1)
				}
			}
			return err
		})
	}
}

func (s *bboltStore) append(_, from, count int) error {
	at := int(s.next.Add(int64(count))) - count
	put := func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		b.FillPercent = 0.9 // keys ascend
		for i := range count {
			if err := b.Put(sequence(at+i), raw(from+i)); err != nil {
				return err
			}
		}
		return nil
	}
	if s.grouped {
		return s.db.Batch(put)
	}
	return s.db.Update(put)
}

func (s *bboltStore) scan() (n int, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(_, v []byte) error {
			n++
			return looked(v)
		})
	})
	return n, err
}

func (s *bboltStore) close() error { return s.db.Close() }
