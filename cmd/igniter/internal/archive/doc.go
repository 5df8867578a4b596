// Package archive is the form of backups: facts with their seqs, compressed, checked and in pieces that follow each
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
//	header   {"igniter":"backup","version":2,"after":0,"through":51233,"created_at":1795467633.81,"previous":"…"}
//	block    frames as in a log, some 256 KiB of them, compressed with zstd (RFC 8878)
//	end      {"end":BLOCKS,"facts":FACTS,"last_id":"…","sha256":"…"}, sha256 being that of all before it
//
// Version 1 is the same, and each of its frames holds one fact.
//
// A piece holds the facts of a log after the seq after and through the seq through, which is the last that the log had
// given when the backup began. Seqs may be missing between them: those facts were pruned. previous is the sha256 of
// the piece that this one follows, or is left out. last_id is the ID of the last fact in this piece, or of the last
// one in those before it, and tells whether a log is still the one that was backed up.
//
// # A directory of pieces
//
//	LOCK                                                    held while a backup is made
//	00000000000000000001-00000000000000051233.backup        a piece, named for the seqs from after+1 to through
//	00000000000000051234-00000000000000068116.backup        the next one
//
// A piece gets its name, by rename from NAME.tmp, when all of it is durable.
package archive
