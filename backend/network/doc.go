// SPDX-License-Identifier: Apache-2.0

// Package network is the client of a server (package server): a [backend.Log] that another process keeps, over
// TCP, a Unix socket or TLS.
//
// # Connections
//
// Calls from any number of goroutines share one connection and do not wait for each other: the client sends
// requests without waiting for the answers to earlier ones, and answers come in the order of requests. Replay, Follow,
// WriteSnapshot and Prune have connections of their own, closed when their loop or call ends.
//
// The client reconnects after a lost connection, as long as the caller's context allows. It waits between attempts, longer
// each time, and resends requests that were not answered: a log knows facts by their IDs, so that it does not write a fact
// twice. Replay and Follow continue after their last page. A connection counts as lost if the server is silent for three
// heartbeats while a stream is read or a call waits; a snapshot and a Prune may take longer.
//
// A loop whose connection is lost goes on only if the client may still read the same stores; otherwise it ends with
// backend.ErrAccessChanged.
//
// # Servers of the Ruby system
//
// With a server that does not know hello, the client speaks version 1 of the protocol, and reports that in its logger and
// in Stats. Version 1 has writes of single facts, Replay, Follow, WriteSnapshot and Stats; other batches and Prune are
// errors.ErrUnsupported. Such a server does not number facts: a fact's Seq is its position in the server's replay. The
// server does not recognise facts by their IDs either, so the client looks for an ID among the latest million that it has
// seen in the server's log. It learns keys and IDs from a replay and then from a subscription. A server of the Ruby system
// may end a subscription when events come faster than they are read.
package network
