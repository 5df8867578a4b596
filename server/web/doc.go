// SPDX-License-Identifier: Apache-2.0

// Package web is the HTTP side of a server (package server): health and status for operators, and facts for browsers and
// programs, which read, follow and write. openapi.json describes the endpoints, and docs/http.md says how to use them.
//
// HEAD does what GET does, without the body. Unknown query parameters are rejected. A cursor is a seq, or a seq and a log
// as the ids of events have it; one that the log can't go on from is answered with 409, and so is an at_seq that the log
// does not reach. If facts after a cursor were pruned, the answer is 410, with the "horizon" from which nothing is missing:
// go on after its seq. If that happens once the answer has begun, and before they were read, it ends with an error. A
// client that begins at the log's beginning, after=0, gets the facts that are left. It is told the horizon first: by the
// header Igniter-Horizon, the latest seq before which facts may be missing, and by an event compacted. Values as of a moment
// before their store's horizon are answered with 410, too.
//
// The server decides who may read what: the token comes as a bearer, "Authorization: Bearer TOKEN", or the client shows a
// certificate. Errors are {"error_code":…,"error":…} with the codes of the server's protocol.
//
// # Events
//
// An event has a fact's cursor as its id, and the fact, in the form of logs, as its data. A client that reconnects with
// Last-Event-ID, as browsers do, goes on there without a gap or a repeat; a client that sends neither Last-Event-ID nor
// after gets facts from now on. While there are no facts to send, the server sends an id alone now and then, so that a
// client of few stores resumes where the log was read to. An event named igniter-error says why the stream ends;
// access_changed means that the client may read other stores than before. While the log is being opened, streams are accepted
// and wait.
//
// # Values by key
//
// After /v1/stores/, the store ends at the first slash, and the rest is the key, slashes included. Both are
// percent-encoded. The path is not cleaned: "a//b" and ".." are keys like others.
//
// The Handler does not answer questions about the log itself: [Handler.Attach] gives it a query.Reader, such as that of package
// store/reader.
package web
