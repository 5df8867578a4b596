// Package server shares a log between processes: it serves any [backend.Backend] over TCP, Unix sockets
// and TLS. Package backend/network is its client; clients of the Ruby system can talk to it too.
//
// # Protocol
//
// A connection carries frames of package wire. A client sends requests, JSON objects with an op, and gets
// an answer to each, in their order. Requests that a client has sent without waiting for answers are
// handled together, the facts in them as one write, and answered together.
//
// Until a connection says hello it speaks version 1, byte for byte as the Ruby system does: ping,
// write_fact, replay, write_snapshot, stats, server_status, subscribe, close. After hello it speaks
// version 2, which has batches, conditions, streams of log frames after a seq, prune, and heartbeats.
// Package wire has the requests and answers.
//
// # Streams
//
// What a replay or a subscription sends are the log's own frames, without encoding them again, if the
// backend is a [wire.Framer] and nothing must be left out; so a thousand subscribers share the bytes. A
// subscriber is served from the log by its place in it, not from a queue: one that is slow costs the
// writers and the other subscribers nothing, and loses nothing. One that does not read at all is cut
// off.
//
// # HTTP
//
// Package server/web answers HTTP about a server: its health and what it counts, and facts for browsers and
// scripts.
//
// # Security
//
// There is none on loopback and Unix sockets unless Options ask for it. A server that listens beyond
// loopback wants tokens ([Options.Tokens]) or client certificates ([Options.TLS] that requires them),
// or to be told that it is meant to be open ([Options.Insecure]).
package server
