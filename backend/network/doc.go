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
// The client makes a lost connection again, as long as the caller's context allows. It waits between attempts,
// longer each time, and sends requests again that were not answered: a log knows facts by their IDs, so that
// it does not write one twice. Replay and Follow go on after their last page. A connection is lost if nothing comes
// for three heartbeats while a stream is read or a call waits; a snapshot and a Prune may take longer.
//
// A loop whose connection is lost goes on only if the client may still read the same stores; otherwise it ends with
// backend.ErrAccessChanged.
//
// # Servers of the Ruby system
//
// With a server that does not know hello, the client speaks version 1 of the protocol, and says so in its log and in
// Stats. Version 1 carries writes of single facts, Replay, Follow, WriteSnapshot and Stats; other batches and Prune are
// errors.ErrUnsupported. Such a server does not number facts: a fact's Seq is its place in what the server replays.
// It does not know facts by their IDs either, so the client looks for an ID among the latest million that it has
// seen in the server's log. It learns keys and IDs from a replay and then from a subscription, which a server of
// the Ruby system may cut short when events come faster than they are read.
package network
