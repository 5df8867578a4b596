// Package protocol is what clients and servers say to each other: requests, answers, streams and
// errors. Each message is the body of a frame, and facts are in the form of logs, see package wire.
//
// # A connection of version 2
//
// The first request is hello. After it requests are pipelined, and answers come in their order. A
// request_id, if given, is repeated as the last key of the answer.
//
//	{"op":"hello","protocol":2,"client":"igniter-go/0.1","token":"…"}
//	    {"ok":true,"protocol":2,"server":"igniter-go/0.1","last_seq":N,"max_frame":N,"features":[…]}
//	{"op":"write_fact","fact":{fact}}
//	    {"ok":true,"seq":N,"causation":…,"transaction_time":…}                      an [Ack]
//	    {"ok":true,"seq":N,…,"duplicate":true,"fact":{fact}}       the log held the ID already
//	{"op":"write_batch","facts":[{fact},…],"expect":[{"store":…,"key":…,"id":…},…]}
//	    {"ok":true,"facts":[{"seq":N,"causation":…,"transaction_time":…},…]}
//	{"op":"write_snapshot","through":N}
//	    {"ok":true,"through":N,"facts":N,"bytes":N}
//	{"op":"prune","seqs":[[from,to],…]}
//	    {"ok":true,"pruned":N,"missing":N}
//	{"op":"stats"}
//	    {"ok":true,"facts_written":N,…,"first_seq":N,"last_seq":N,"facts":N,"bytes":N,"durable_seq":N}
//
// Two requests turn their connection into a stream of log frames, among which stand control frames
// ([ControlFrame]):
//
//	{"op":"replay","after":N,"stores":["*"]}
//	    {"ok":true,"stream":true,"last_seq":N} … {"end":true,"last_seq":N}
//	{"op":"subscribe","after":N,"stores":["tasks"]}
//	    {"ok":true,"last_seq":N} … {"event":"heartbeat","last_seq":N} …
//
// A request that fails is answered with a code, a sentence and the fields of the error, so that
// [ParseError] makes the same error of it:
//
//	{"ok":false,"error_code":"conflict","error":"…","store":…,"key":…,"expected":…,"latest":…}
//
// Version 1, the dialect of the Ruby system, is in v1.go.
package protocol
