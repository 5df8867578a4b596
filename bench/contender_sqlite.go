// SPDX-License-Identifier: Apache-2.0

//go:build !lean

package main

import (
	"database/sql"
	"errors"

	_ "modernc.org/sqlite" // registers the driver
)

// A sqliteStore is a table of SQLite, by modernc.org/sqlite, which needs no C.
type sqliteStore struct {
	db     *sql.DB
	insert *sql.Stmt
}

// openSQLite returns a function that opens a database with a write-ahead log and one connection.
func openSQLite(durable bool) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		db, err := sqlite(inDir(dir, "sqlite"), durable, `CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY, record BLOB NOT NULL)`)
		if err != nil {
			return nil, err
		}
		insert, err := db.Prepare(`INSERT INTO records (record) VALUES (?)`)
		return &sqliteStore{db, insert}, err
	}
}

// sqlite opens a database and makes its tables.
func sqlite(path string, durable bool, schema string) (*sql.DB, error) {
	synchronous := "OFF"
	if durable {
		synchronous = "FULL"
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous("+synchronous+")")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec(schema)
	return db, err
}

func (s *sqliteStore) append(_, from, count int) error {
	if count == 1 {
		_, err := s.insert.Exec(raw(from))
		return err
	}
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	insert := tx.Stmt(s.insert)
	for i := range count {
		if _, err := insert.Exec(raw(from + i)); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func (s *sqliteStore) scan() (n int, err error) {
	rows, err := s.db.Query(`SELECT record FROM records ORDER BY seq`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var r sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&r); err != nil {
			return n, err
		}
		if err := looked(r); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

func (s *sqliteStore) close() error { return closeAll(s.insert.Close, s.db.Close) }
