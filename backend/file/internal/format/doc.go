// SPDX-License-Identifier: Apache-2.0

// Package format reads and writes the files of a log: segment files, snapshots and indexes. Its readers and writers do not
// know the log: they need an open file, and some of them the [File] that describes it.
//
// All files are made of frames (package wire): a length, a body, and the body's CRC-32. The first frame is
// a [Header], in JSON. Readers ignore unknown fields of a header, so that a new field which they may ignore needs no new
// version.
//
// The header of each segment file and snapshot of version 2 names its log ([Identity]): the log's UUID and its ancestors,
// each with the seq through which they have the same facts, the latest first. The last file names the log of the directory,
// unless an earlier file names a log that has the former among its ancestors. Files of version 1 name no log:
//
//	header   {"igniter":"wal","version":2,"first_seq":51234,"created_at":1795467633.81,"sync":"always",
//	          "log":"0197c0de-…","ancestors":[{"log":"0197b1a2-…","through":48211}]}
//
// # A segment file
//
//	+--------+------+-----------+------+-----------+--------+
//	| header | fact | [fact,…]  | fact | [fact,…]  | 0 0 0… |
//	+--------+------+-----------+------+-----------+--------+
//	           one   a group of             the      space written ahead, only in an active
//	           fact  facts, all or none     last     segment that is synced always
//
//	header   {"igniter":"wal","version":1,"first_seq":51234,"created_at":1795467633.81,"sync":"always"}
//
// Seqs are consecutive from first_seq on. If facts were pruned, or were lost and the segment repaired, seqs have gaps, and
// the header has the last seq that the file covers and the number of its facts. Such a header is written last, and filled
// with spaces to the size that was reserved for it, at least 384 bytes:
//
//	header   {"igniter":"wal","version":1,"first_seq":51234,"last_seq":68116,"facts":16001,"created_at":…,
//	          "horizons":{"tasks":{"seq":68190,"time":"2026-11-28T12:00:00.5Z"}}}
//
// "horizons", in a snapshot too, has the horizon (backend.Horizon) of each store that lost facts of the file. The store ""
// stands for all stores, after a repair that lost facts of unknown stores. Files that were pruned before logs kept horizons
// lack them.
//
// In place of pruned facts, such a file has nodes of the hash tree of RFC 6962 over the facts of the log ([Tree]). They are
// in frames that begin with "h", before the facts that follow them. A node has three parts. The first is the distance of
// its first leaf from the first leaf of the previous node, as an unsigned varint. The others are its level, a byte, and its
// hash, 32 bytes. A node of a level stands for 1<<level facts. The leaf of the fact with seq n is leaf n-1: the SHA-256 of
// a zero byte and the fact as the codec writes it. Files with nodes are of version 3, and say in "nodes" how many they
// have. In a snapshot they lie between the blocks.
//
// If sync is not "always", there are markers between the facts. {"synced":51301} says that the facts through that seq were
// durable before the marker was written. {"closed":51402}, at the end, says that the log was closed with that seq as its
// last; the next Open cuts this marker off. In version 2, the header of such a segment has "boot", the kernel's ID of the
// machine's latest start.
//
// # A snapshot
//
//	+--------+--------+--------+-----+--------+-----+
//	| header | block  | block  |  …  | block  | end |
//	+--------+--------+--------+-----+--------+-----+
//
//	header   {"igniter":"snapshot","version":1,"first_seq":1,"last_seq":51233,"facts":51233,
//	          "created_at":…,"sha256":"…"}, also filled with spaces; sha256 is the hash of all
//	          bytes after the header
//	block    frames as in a segment, about 256 KiB, compressed with zstd (RFC 8878)
//	end      {"end":BLOCKS,"facts":FACTS}
//
// # An index
//
//	header   {"igniter":"index","version":2,"first_seq":…,"last_seq":…,"facts":…,"created_at":…,
//	          "file":"00000000000000051234.wal","size":…,"check":…,"last_time":…,"points":…,"ids":…,"keys":…}; "largest" says how long the
//	         longest body of facts is, if that is more than 16 MiB; "tree":{"first":…,"end":…,"hashes":…} is the file's part of the
//	         hash tree; indexes that Open built, and older indexes, lack it
//	p…       points: seqs and offsets of frames, one for each 64 KiB of a segment or each block of a snapshot
//	s…       the names of stores
//	i…       the IDs of all facts, with their seqs and stores
//	k…       each key's latest fact: store, seq, key, ID
//
// The index of a large file is written in parts, each with stores, IDs and keys. So a store or a key may occur several
// times. The last entry of a key is its latest fact. Stores are numbered from 0 through the whole index.
//
// Indexes of version 1 do not have the stores of IDs. Their s frames come after their i frames.
//
// An index holds nothing that is not in its file. It is valid only while size and check match the file: its
// size, and the CRC of its header. The bodies after the header begin with the letter shown. Numbers are
// unsigned varints, as in encoding/binary; texts begin with their length. A point is stored as its distance
// from the point before it, in seqs and bytes. An ID is stored as the distance of its seq from the seq
// before it in the same frame, the number of its store, and then either the length of its text and the text, or 0 and the 16
// bytes of a UUID.
package format
