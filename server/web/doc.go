// Package web is the HTTP side of a server (package server): health and status for those who watch over it, and facts
// for those who read them with a browser or a script. It only reads.
//
//	GET /healthz                        200 as long as the process answers
//	GET /readyz                         200 while the log is served; 503 while it is opened, with how far that is, and while the server drains
//	GET /v1/status                      what the server has counted and what the log holds; for administrators
//	GET /v1/facts?after=N&store=S       the facts after a seq, of some stores or all, as NDJSON, up to the log's end or limit=N of them
//	GET /v1/events?after=N&store=S      the same, and what comes then, as server-sent events
//	GET /v1/stores/{store}/{key}        the fact that is a key's value, with as_of=TIME, at_seq=N, valid_at=TIME
//
// HEAD does what GET does, without the body. A parameter that there is not is an error, since the answer would be one to
// another question.
//
// Who may read what is the server's to say: the token comes as a bearer, "Authorization: Bearer TOKEN", or the client
// shows a certificate. Errors are {"error_code":…,"error":…} with the codes of the server's protocol.
//
// # Events
//
// An event has a fact's seq as its id, and the fact, in the form of logs, as its data. A client that connects again with
// Last-Event-ID, as browsers do by themselves, goes on there, without a gap and without a repeat; without that and without
// after it gets what comes from now on. When nothing comes there is an id alone, now and then, so that a client that
// reads few stores goes on from where the log was read to.
//
// # Values by key
//
// The store ends with the first slash after it; what comes then is the key, slashes and all: both are percent-encoded, and
// nothing in them is cleaned as paths are elsewhere.
//
// The Handler does not read values itself: [Handler.Attach] gives it a [Values], over whatever engine the program has.
package web
