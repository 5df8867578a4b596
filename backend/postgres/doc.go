// SPDX-License-Identifier: Apache-2.0

// Package postgres keeps a log in a PostgreSQL database, version 14 or newer. There is no other system to operate. Several
// processes can use one log without an Igniter server. Facts are as durable as the database.
//
//	import _ "github.com/igniter-store/igniter/backend/postgres"
//
//	{backend: postgres, address: "postgres://app@db/app?sslmode=verify-full", settings: {log: orders}}
//
// An app that already has a pool passes it in [Options]. [InTx] writes facts in a transaction of the app, so that its
// tables and its facts commit together. [Position] and [Advance] keep a follower's cursor in the same transaction as the
// rows that it derives.
//
// # The tables
//
// A row of igniter.log is a log. A row of igniter.fact is a fact; its body has the bytes that package wire writes. See
// schema.sql.
//
// A writer locks the log's row, reads the end of the log, and inserts the next facts. So seqs are in the order of commits,
// and a rolled-back transaction leaves no gap. The row is locked but not updated: each update would leave a dead version of
// the row, and one forgotten open transaction would keep all of them.
//
// # Writing
//
// The waiting writes of one process are one transaction, in two round trips:
//
//	begin, settings, lock, the end of the log, its facts with these IDs, latest of keys  →  new facts
//	insert, commit                                                                       →  acknowledged
//
// If the answer to a commit is lost, the same facts are written again; the log knows them by their IDs.
//
// # Which log it is
//
// The log's row has the log's identity, and the place where it was last written: the cluster, its timeline, the database.
// After a failover, a restore or an upgrade the place is another one, and the log begins a new identity, whose ancestor is
// the old one. An open log goes on if all facts that it has read are still there; otherwise every method returns a
// *backend.DivergedError.
package postgres
