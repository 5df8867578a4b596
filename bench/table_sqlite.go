// SPDX-License-Identifier: Apache-2.0

//go:build !lean

package main

import (
	"database/sql"
	"errors"
)

// A sqliteTable is SQLite with synchronous OFF and 256 MB of cache: a table of current values with indexes by status and
// amount, and one of all by key and seq.
type sqliteTable struct {
	db                            *sql.DB
	put1, put2, one, at, of, best *sql.Stmt
}

const sqliteTables = `PRAGMA cache_size = -262144;
CREATE TABLE IF NOT EXISTS current (key TEXT PRIMARY KEY, value BLOB NOT NULL, status TEXT AS (value->>'status'), amount REAL AS (value->>'amount')) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_status ON current (status);
CREATE INDEX IF NOT EXISTS by_amount ON current (amount);
CREATE TABLE IF NOT EXISTS history (key TEXT, seq INTEGER, value BLOB NOT NULL, PRIMARY KEY (key, seq)) WITHOUT ROWID;`

func openSQLiteTable(dir string) (table, error) {
	db, err := sqlite(inDir(dir, "sqlite"), false, sqliteTables)
	if err != nil {
		return nil, err
	}
	s := &sqliteTable{db: db}
	for into, query := range map[**sql.Stmt]string{
		&s.put1: `INSERT INTO current (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2`,
		&s.put2: `INSERT INTO history (key, seq, value) VALUES (?, ?, ?)`,
		&s.one:  `SELECT value FROM current WHERE key = ?`,
		&s.at:   `SELECT value FROM history WHERE key = ? AND seq <= ? ORDER BY seq DESC LIMIT 1`,
		&s.of:   `SELECT value FROM current WHERE status = 'late'`,
		&s.best: `SELECT value FROM current ORDER BY amount DESC LIMIT 20`,
	} {
		if *into, err = db.Prepare(query); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return s, nil
}

func (s *sqliteTable) put(seq int, key string, value []byte) error {
	return s.inTx(func(tx *sql.Tx) error { return s.putIn(tx, seq, key, value) })
}

func (s *sqliteTable) inTx(do func(tx *sql.Tx) error) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (s *sqliteTable) putIn(tx *sql.Tx, seq int, key string, value []byte) error {
	_, err := tx.Stmt(s.put1).Exec(key, string(value))
	if err == nil {
		_, err = tx.Stmt(s.put2).Exec(key, seq, value)
	}
	return err
}

func (s *sqliteTable) putAll(n int, each func(n int) (key string, value []byte)) error {
	return s.inTx(func(tx *sql.Tx) error {
		for i := range n {
			key, value := each(i)
			if err := s.putIn(tx, i+1, key, value); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *sqliteTable) get(key string) error { return s.first(s.one, key) }

func (s *sqliteTable) getAt(key string, seq int) error { return s.first(s.at, key, seq) }

func (s *sqliteTable) first(query *sql.Stmt, args ...any) error {
	n, err := s.list(query, args...)
	if err == nil && n != 1 {
		err = errKey
	}
	return err
}

func (s *sqliteTable) late() (int, error) { return s.list(s.of) }

func (s *sqliteTable) top() (int, error) { return s.list(s.best) }

func (s *sqliteTable) list(query *sql.Stmt, args ...any) (n int, err error) {
	rows, err := query.Query(args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var value sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&value); err != nil {
			return n, err
		}
		if err := found(value); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

func (s *sqliteTable) close() error {
	return closeAll(s.put1.Close, s.put2.Close, s.one.Close, s.at.Close, s.of.Close, s.best.Close, s.db.Close)
}
