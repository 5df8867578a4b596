// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"

	"github.com/hashicorp/go-memdb"
)

// A memdbTable is github.com/hashicorp/go-memdb, in memory, with an index by status. It keeps current values only.
type memdbTable struct{ db *memdb.MemDB }

func openMemdb(string) (table, error) {
	db, err := memdb.NewMemDB(&memdb.DBSchema{Tables: map[string]*memdb.TableSchema{"tasks": {Name: "tasks", Indexes: map[string]*memdb.IndexSchema{
		"id":     {Name: "id", Unique: true, Indexer: &memdb.StringFieldIndex{Field: "Key"}},
		"status": {Name: "status", Indexer: &memdb.StringFieldIndex{Field: "Status"}},
	}}}})
	return &memdbTable{db}, err
}

func (m *memdbTable) put(_ int, key string, value []byte) error {
	t := &task{Key: key, Value: value}
	if err := json.Unmarshal(value, t); err != nil {
		return err
	}
	tx := m.db.Txn(true)
	defer tx.Abort()
	if err := tx.Insert("tasks", t); err != nil {
		return err
	}
	tx.Commit()
	return nil
}

func (m *memdbTable) get(key string) error {
	t, err := m.db.Txn(false).First("tasks", "id", key)
	if err != nil || t == nil {
		return errKey
	}
	return found(t.(*task).Value)
}

func (m *memdbTable) late() (n int, err error) {
	iter, err := m.db.Txn(false).Get("tasks", "status", "late")
	if err != nil {
		return 0, err
	}
	for t := iter.Next(); t != nil; t = iter.Next() {
		if err := found(t.(*task).Value); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (m *memdbTable) close() error { return nil }
