// SPDX-License-Identifier: Apache-2.0

// Package protocol has the messages between clients and servers: requests, answers, streams and errors. Each message is the
// body of a frame, and facts have the form of logs, see package wire.
//
// # A connection of version 2
//
// The first request is hello. After it requests are pipelined, and answers come in their order. A
// request_id, if given, is repeated as the last key of the answer.
//
//	{"op":"hello","protocol":2,"client":"igniter-go/0.1","token":"…"}
//	    {"ok":true,"protocol":2,"server":"igniter-go/0.1","last_seq":N,"log":UUID,"ancestors":[{"log":UUID,"through":N},…],
//	     "max_frame":N,"features":{…}}
//	{"op":"write_fact","fact":{fact}}
//	    {"ok":true,"seq":N,"causation":…,"transaction_time":…}                      an [Ack]
//	    {"ok":true,"seq":N,…,"duplicate":true}                      the log held the fact already
//	    {"ok":true,"seq":N,…,"duplicate":true,"fact":{fact}}        but not as sent; with "same_value":true, without its value
//	{"op":"write_batch","facts":[{fact},…],"expect":[{"store":…,"key":…,"id":…},…]}
//	    {"ok":true,"facts":[{"seq":N,"causation":…,"transaction_time":…},…]}
//	{"op":"write_snapshot","through":N}
//	{"op":"note_backup","through":N}
//	    {"ok":true,"through":N,"facts":N,"bytes":N}
//	{"op":"prune","seqs":[[from,to],…],"horizon":{"seq":N,"time":…}}
//	    {"ok":true,"pruned":N,"missing":N}
//	{"op":"stats"}
//	    {"ok":true,"facts_written":N,…,"first_seq":N,"last_seq":N,"facts":N,"bytes":N,"durable_seq":N,
//	     "log":UUID,"ancestors":[…],"head":{"through":N,"leaves":N,"root":BASE64},
//	     "horizons":{STORE:{"seq":N,"time":…},…}}       of the stores that the client may read
//
// The log does not change while the connection lasts. A client that has read or written compares the log of each hello with
// the log that it knows, and stops if the new log lacks facts that the client was given (backend.LogID). A CURSOR is a seq
// or the text of a backend.Cursor, "51233@UUID".
//
// Two requests turn their connection into a stream of pages of the log (see backend.Page), sent one after
// the other as frames of facts, as logs keep them, and control frames, which hold no facts
// ([ControlFrame]):
//
//	{"op":"replay","after":CURSOR,"through":N,"stores":["*"]}
//	    {"ok":true,"stream":true,"last_seq":N,"log":UUID} … {"end":true,"last_seq":N}
//	{"op":"subscribe","after":CURSOR,"through":N,"stores":["tasks"]}
//	    {"ok":true,"stream":true,"last_seq":N,"log":UUID} … {"event":"heartbeat","last_seq":N} …
//
// The answer says through which seq the log was read for the first page; if that is where the stream
// begins, the page is empty. Each frame of facts has one or several whole batches. The frames of a page
// come together. A client may make several pages of them, but never cuts a frame.
//
// The answer has the horizons of the first page, if there are any. A heartbeat before the frames of a later page has that
// page's horizons: "horizons":{STORE:{"seq":N,"time":…},…}.
//
// A heartbeat says that the log was read through N. A subscription sends one as soon as it has reached the
// log's end and has read further than the last fact that it sent, or than where it began, and when it has
// sent nothing for a while. The end frame ends a replay, or a subscription that has reached its end:
// everything was sent, and the log was read through N. An error answer ends a stream that failed. A stream
// that just ends was cut off.
//
// A request that fails is answered with a code, a sentence and the fields of the error, so that
// [ParseError] makes the same error of it. The connection goes on, also if the request was for a stream:
//
//	{"ok":false,"error_code":"conflict","error":"…","store":…,"key":…,"expected":…,"latest":…}
//	{"ok":false,"error_code":"diverged","error":"…","cursor":CURSOR,"log":UUID,"common":N}
//
// Version 1, the dialect of the Ruby system, is in v1.go.
package protocol
