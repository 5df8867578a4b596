// SPDX-License-Identifier: Apache-2.0

// Package server shares a log between processes: it serves any [backend.Backend] over TCP, Unix sockets and TLS. Package
// backend/network is its client; clients of the Ruby system can talk to it too.
//
// # Protocol
//
// A connection carries frames of package wire. A client sends requests, JSON objects with an op, and gets the answers in
// the same order. Requests that a client sends without waiting are handled together: consecutive writes are one call of
// the log, and the answers are sent with one write.
//
// Until a connection says hello it speaks version 1, byte for byte as the Ruby system does: ping, write_fact, replay,
// write_snapshot, stats, server_status, subscribe, close. After hello it speaks version 2, which has batches,
// expectations, streams of any part of the log, prune, and heartbeats. Package internal/protocol has the requests and
// answers.
//
// # Streams
//
// If the log is a [wire.Framer], a replay or a subscription sends the log's own frames without encoding them again, so a
// thousand subscribers share the bytes. A subscriber is served from the log, by its cursor, not from a queue: a slow
// subscriber costs writers and other subscribers nothing, and loses nothing. A subscriber that does not read at all is cut
// off.
//
// # HTTP
//
// Package server/web answers HTTP about a server: its health and counters, and facts for browsers and scripts.
//
// # Security
//
// On loopback and Unix sockets, clients need no credentials by default. A server that listens beyond loopback needs
// tokens ([Options.Tokens]) or client certificates (an [Options.TLS] that requires them), or [Options.Insecure]. Package
// server/auth has both.
package server
