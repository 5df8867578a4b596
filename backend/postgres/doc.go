// SPDX-License-Identifier: Apache-2.0

// Package postgres is a log in a PostgreSQL database, version 14 or newer: no other system to operate, several processes on one
// log without a server of ours, and facts that survive what the database survives.
//
//	import _ "github.com/igniter-store/igniter/backend/postgres"
//
//	{backend: postgres, address: "postgres://app@db/app?sslmode=verify-full", settings: {log: orders}}
//
// An app that has a pool already passes it in [Options]. [InTx] writes facts in a transaction of the app, so that its tables
// and its facts commit together, and [Position] and [Advance] keep a follower's place in the transaction that changes what it
// derives.
//
// # The tables
//
// One row of igniter.log is a log, and one row of igniter.fact is a fact, whose body is what package wire writes, byte for
// byte. See schema.sql.
//
// A writer locks the log's row, reads where the log ends, and inserts what comes next. So seqs are in the order of commits, and a
// transaction that is rolled back leaves no gap. The row is locked and not updated: each update would leave a dead version, and a
// transaction that somebody forgets keeps them all.
//
// # Writing
//
// The writes of one process that wait are one transaction, in two round trips:
//
//	begin, settings, lock, where the log ends, which IDs it has, each key's latest fact   →  what is new
//	insert, commit                                                                       →  acknowledged
//
// If the answer to a commit is lost, the same facts are written again; the log knows them by their IDs.
//
// # Which log it is
//
// The log's row has the log's identity, and the place where it was last written: the cluster, its timeline, the database. After a
// failover, a restore or an upgrade the place is another one, and the log begins a new identity, whose ancestor is the old one.
// A log that is open goes on if it has read nothing that is lost; otherwise every method returns a *backend.DivergedError.
package postgres
