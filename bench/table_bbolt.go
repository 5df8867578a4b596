// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"

	"go.etcd.io/bbolt"
)

// A bboltTable is go.etcd.io/bbolt with NoSync: a bucket of current values, and one of all by key and seq.
type bboltTable struct{ db *bbolt.DB }

var current, history = []byte("current"), []byte("history")

func openBboltTable(dir string) (table, error) {
	db, err := bbolt.Open(inDir(dir, "bbolt"), 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	db.MaxBatchSize = 1
	return &bboltTable{db}, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(current)
		if err == nil {
			_, err = tx.CreateBucketIfNotExists(history)
		}
		return err
	})
}

func (b *bboltTable) put(seq int, key string, value []byte) error {
	return b.db.Update(func(tx *bbolt.Tx) error { return b.putIn(tx, seq, key, value) })
}

func (b *bboltTable) putIn(tx *bbolt.Tx, seq int, key string, value []byte) error {
	err := tx.Bucket(current).Put([]byte(key), value)
	if err == nil {
		err = tx.Bucket(history).Put(version(key, seq), value)
	}
	return err
}

// putAll puts all in few transactions.
func (b *bboltTable) putAll(n int, each func(n int) (key string, value []byte)) error {
	for from := 0; from < n; {
		err := b.db.Update(func(tx *bbolt.Tx) error {
			for end := min(from+10_000, n); from < end; from++ {
				key, value := each(from)
				if err := b.putIn(tx, from+1, key, value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func version(key string, seq int) []byte { return append([]byte(key), sequence(seq)...) }

func (b *bboltTable) get(key string) error {
	return b.db.View(func(tx *bbolt.Tx) error { return found(tx.Bucket(current).Get([]byte(key))) })
}

func (b *bboltTable) getAt(key string, seq int) error {
	return b.db.View(func(tx *bbolt.Tx) error {
		c, wanted := tx.Bucket(history).Cursor(), version(key, seq)
		at, value := c.Seek(wanted)
		if !bytes.Equal(at, wanted) {
			at, value = c.Prev()
		}
		if !bytes.HasPrefix(at, []byte(key)) {
			return errKey
		}
		return found(value)
	})
}

func (b *bboltTable) close() error { return b.db.Close() }
