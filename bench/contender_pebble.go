// SPDX-License-Identifier: Apache-2.0

//go:build !lean

package main

import (
	"errors"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// A pebbleStore is github.com/cockroachdb/pebble, with keys that ascend.
type pebbleStore struct {
	db   *pebble.DB
	sync *pebble.WriteOptions
	next atomic.Int64
}

type quiet struct{}

func (quiet) Infof(string, ...any)         {}
func (quiet) Errorf(string, ...any)        {}
func (quiet) Fatalf(f string, args ...any) { panic(f) }

// openPebble returns a function that opens a database with the library's options.
func openPebble(durable bool) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		db, err := pebble.Open(inDir(dir, "pebble"), &pebble.Options{Logger: quiet{}})
		s := &pebbleStore{db: db, sync: pebble.NoSync}
		if durable {
			s.sync = pebble.Sync
		}
		return s, err
	}
}

func (s *pebbleStore) append(_, from, count int) error {
	at := int(s.next.Add(int64(count))) - count
	if count == 1 {
		return s.db.Set(sequence(at), raw(from), s.sync)
	}
	b := s.db.NewBatch()
	for i := range count {
		if err := b.Set(sequence(at+i), raw(from+i), nil); err != nil {
			return err
		}
	}
	return errors.Join(b.Commit(s.sync), b.Close())
}

func (s *pebbleStore) scan() (n int, err error) {
	iter, err := s.db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	for iter.First(); iter.Valid(); iter.Next() {
		if err := looked(iter.Value()); err != nil {
			return n, err
		}
		n++
	}
	return n, iter.Close()
}

func (s *pebbleStore) close() error { return s.db.Close() }
