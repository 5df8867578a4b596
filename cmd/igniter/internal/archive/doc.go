// Package archive is the format of backups: facts with their seqs, compressed and checksummed, in pieces that follow each
// other.
//
// # A piece
//
// A piece is frames (package wire): a length, a body, and the body's CRC-32.
//
//	+--------+--------+--------+-----+--------+-----+
//	| header | block  | block  |  …  | block  | end |
//	+--------+--------+--------+-----+--------+-----+
//
//	header   {"igniter":"backup","version":2,"after":0,"through":51233,"created_at":1795467633.81,"previous":"…",
//	          "log":"0197c0de-…","ancestors":[{"log":"0197b1a2-…","through":48211}]}
//	block    frames as in a log, some 256 KiB of them, compressed with zstd (RFC 8878)
//	end      {"end":BLOCKS,"facts":FACTS,"last_id":"…","sha256":"…"}, with the SHA-256 of all bytes before it
//
// The frames in blocks hold a batch of facts each, as the log keeps them. In version 1 each holds one fact.
//
// A piece holds the facts of a log after the seq "after" and through the seq "through", the log's last one when the backup
// began. Seqs are missing where facts were pruned. "previous" is the sha256 of the piece before; the first piece has none.
// "log" and "ancestors" are those of the log (backend.Stats); pieces of logs without identity lack them. They tell whether a
// log is the one that was backed up, and which cursors go on in a log that is restored. "last_id" is the ID of the last fact in this piece or, if it is empty, in the pieces before. It tells whether a
// log without identity is the one that was backed up.
//
// # A directory of pieces
//
//	LOCK                                                    held while a backup is made
//	00000000000000000001-00000000000000051233.backup        a piece, named for the seqs from after+1 to through
//	00000000000000051234-00000000000000068116.backup        the next one
//
// A piece gets its name, by rename from NAME.*.tmp, when all of it is durable.
package archive
