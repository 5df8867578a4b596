// Package network is the client of a server (package server): a [backend.Backend] whose log is kept by
// another process, over TCP, a Unix socket or TLS. It has every optional interface.
//
// # Connections
//
// Calls from any number of goroutines go over one connection without waiting for each other: requests
// that are waiting are sent with one write, and answers come in the order of requests. Replay, Follow,
// WriteSnapshot and Prune have connections of their own, closed when their loop or call ends.
//
// A connection that is lost is made again, as long as the caller's context allows, ever more slowly and at
// random intervals. What was not answered is sent again: facts are known by their IDs, so that one which
// had been written is not written twice. Replay and Follow go on after the last fact that they yielded. A
// stream in which nothing comes for three heartbeats, and a request without an answer for as long, is taken
// for lost; a snapshot or a Prune takes its time.
//
// # Servers of the Ruby system
//
// A server that does not know hello is spoken to in version 1 of the protocol, which the log and Stats tell.
// That carries writes, Replay, Follow, WriteSnapshot and Stats; WriteBatch and Prune are
// errors.ErrUnsupported. Such a server numbers nothing: a fact's Seq is its place in what the server replays.
// It knows no fact by its ID either, so that the client looks for an ID among the latest million that it
// has seen in the server's log. What the log knows of keys and IDs is read from the server first, and from a
// subscription then, which a server of the Ruby system may cut short when events come faster than they
// are taken.
package network
