// SPDX-License-Identifier: Apache-2.0

// Package web is the HTTP side of a server (package server): health and status for operators, and facts for browsers and
// programs, which read, follow and write. openapi.json describes the endpoints, and docs/http.md says how to use them.
//
// HEAD is GET without the body. Unknown query parameters are rejected. A cursor is a seq, or a seq and a log as in the ids
// of events. If the log can't continue from a cursor, or does not reach an at_seq, the answer is 409. If facts after a
// cursor were pruned, the answer is 410, with the "horizon" from which no fact is missing: go on after its seq. If the
// facts are pruned after the answer has begun but before they were read, the answer ends with an error. A client that
// begins at the log's beginning, after=0, gets the remaining facts. Before them it gets the horizon: in the header
// Igniter-Horizon, the latest seq before which facts may be missing, and in an event named compacted. Values as of a moment
// before their store's horizon are answered with 410, too.
//
// The server decides which stores a client may read. The client sends its token as a bearer, "Authorization: Bearer TOKEN",
// or shows a certificate. Errors are {"error_code":…,"error":…} with the codes of the server's protocol.
//
// # Events
//
// An event has a fact's cursor as its id, and the fact, in the form of logs, as its data. A client that reconnects with
// Last-Event-ID, as browsers do, continues there without a gap or a repeat. A client that sends neither Last-Event-ID nor
// after gets only new facts. While there are no facts to send, the server regularly sends an id alone, so that a client of
// few stores resumes from the point to which the log was read. An event named igniter-error says why the stream ends;
// access_changed means that the stores that the client may read have changed. While the log is being opened, streams are
// accepted and wait.
//
// # Values by key
//
// After /v1/stores/, the store ends at the first slash, and the rest is the key, slashes included. Both are
// percent-encoded. The path is not cleaned: "a//b" and ".." are ordinary keys.
//
// The Handler does not itself compute answers about the log: [Handler.Attach] gives it a query.Reader, for example one of
// package store/reader.
package web
