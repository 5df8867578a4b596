// SPDX-License-Identifier: Apache-2.0

// Package archive is the format of backups: facts with their seqs, compressed and checksummed, in pieces that follow each
// other.
//
// # A piece
//
// A piece is frames (package wire): a length, a body, and the body's CRC-32.
//
//	+--------+--------+-----+--------+----------+-----+
//	| header | block  |  …  | block  | horizons | end |
//	+--------+--------+-----+--------+----------+-----+
//
//	header    {"igniter":"backup","version":3,"after":0,"through":51233,"created_at":1795467633.81,"previous":"…","line":1,
//	           "as":["…"],"log":"0197c0de-…","ancestors":[{"log":"0197b1a2-…","through":48211}]}
//	block     frames as in a log, some 256 KiB of them, compressed with zstd (RFC 8878)
//	horizons  {"igniter":"horizons","horizons":{"tasks":{"seq":48000,"time":"…"}}}, if facts are missing
//	end       {"end":BLOCKS,"facts":FACTS,"last_id":"…","sha256":"…"}, with the SHA-256 of all bytes before it
//
// The frames in blocks hold a batch of facts each, as the log keeps them. In version 1 each holds one fact. Versions 1 and 2
// have no horizons, "line" and "as".
//
// A piece holds the facts of a log after the seq "after" and through the seq "through", which was the log's last seq
// when the backup began. Seqs are missing where facts were pruned. The horizons are the log's horizons after it was
// read: the moments before which its past is incomplete (backend.Horizon). "log" and "ancestors" are the log's identity
// and ancestors (backend.Stats); pieces of logs without identity lack them. "last_id" is the ID of the last fact in
// this piece or, if the piece is empty, in the pieces before.
//
// # Pieces that follow each other
//
// "previous" is the sha256 of the previous piece. The first piece lacks it, and so does a piece that was written to a
// stream. The hash also covers the header, and so each piece identifies its whole past. The log of a piece must also be
// the log of the previous piece, or have that log as an ancestor through at least the previous piece's last seq.
// Reading therefore finds a piece that is missing, altered, exchanged, or of another past.
//
// Several pieces can follow one piece: if a log was restored to an earlier seq and is backed up to the same directory,
// a new line of pieces begins after the last piece that both have in common. "line" is the number of the line in which
// the piece was written, minus 1. A line is found from its last piece back to its first.
//
// A piece that was merged from several has "as": the hashes that pieces written before the merge may have as
// "previous". If the seqs of a piece are within the seqs of a merged piece of the same line, it is left over from a
// merge that was cut short.
//
// # A directory of pieces
//
//	LOCK                                                    held while a backup is made
//	00000000000000000001-00000000000000051233.backup        a piece, named for the seqs from after+1 to through
//	00000000000000051234-00000000000000068116.backup        the next one
//	00000000000000051234-00000000000000052001.2.backup      a piece of line 2
//
// A piece is renamed from NAME.*.tmp to its name once all of it is durable.
package archive
