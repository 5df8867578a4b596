// Package protocol is what clients and servers say to each other: requests, answers, streams and
// errors, each the body of a frame of package wire.
//
// # Streams
//
// The answer to a replay or a subscription says through which seq the log was read for the first page; if that is where the
// stream begins, the page is empty. Frames follow: of facts, as logs keep them, each with one or several whole batches; and
// control frames, which hold no facts. A stream is pages of a log (see backend.Page), sent one after the other:
//
//   - The frames of a page's facts come together. A client may make several pages of them, but never cuts a frame.
//   - A heartbeat {"event":"heartbeat","last_seq":N} says that the log was read through N. A subscription sends one as soon as it
//     has reached the log's end and read further than the last fact that it sent, or than where it began; and when it has
//     sent nothing for a while.
//   - {"end":true,"last_seq":N} ends a replay, or a subscription that has reached its end: all was sent, and the log was read
//     through N.
//   - An error answer ends a stream that failed. A stream that just ends was cut off.
//
// A request that fails at once, as with a cursor of another log, is answered with an error, and the connection goes on.
package protocol
