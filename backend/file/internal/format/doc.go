// SPDX-License-Identifier: Apache-2.0

// Package format has the files of a log as bytes: segment files, snapshots and indexes. Its readers and
// writers know no log: they need an open file, and some of them the [File] that describes it.
//
// All files are made of frames (package wire): a length, a body, and the body's CRC-32. The first frame is
// a [Header], in JSON. Readers ignore fields of a header that they do not know, so that a field which may be
// ignored needs no new version.
//
// The header of each segment file and snapshot of version 2 says which log it belongs to ([Identity]): a log's
// UUID, and the logs that it has its past in common with, each through a seq, the latest first. The log is the one
// that the last file names, unless an earlier file names one that has that one among its ancestors. Files of
// version 1 do not say:
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
// Seqs follow each other from first_seq on. If facts were pruned, or were lost and the segment repaired,
// seqs have gaps, and the header says what else the file covers. It is written last, and filled with spaces to
// the size that was left for it, at least 384 bytes:
//
//	header   {"igniter":"wal","version":1,"first_seq":51234,"last_seq":68116,"facts":16001,"created_at":…,
//	          "horizons":{"tasks":{"seq":68190,"time":"2026-11-28T12:00:00.5Z"}}}
//
// The horizons, in a snapshot too, say how far the past of the stores is incomplete that lost facts of the file
// (backend.Horizon); the store "" stands for all, when a repair lost facts of unknown stores. They are missing where facts
// were pruned before logs kept horizons.
//
// Such a file has nodes of the hash tree of RFC 6962 over the facts of the log ([Tree]) in place of facts that were pruned
// from it: frames that begin with "h", each before the facts that come after. A node has three parts. The first is how many
// leaves its first leaf is after the first leaf of the node before it, as an unsigned varint. The others are its level, a byte,
// and its hash, 32 bytes. A node of a level stands for 1<<level facts. The leaf of the fact with seq n is leaf n-1: the SHA-256
// of a zero byte and the fact as the codec writes it. Files with nodes are of version 3, and say in "nodes" how many they have.
// In a snapshot they lie between the blocks.
//
// If sync is not "always", there are markers between the facts: {"synced":51301} says that the facts
// through that seq were durable before the marker was written, and {"closed":51402}, at the end, that the log was
// closed with that seq as its last; it is cut off when the log is opened again. The header of such a segment of version 2
// has "boot", the kernel's ID of the time since the machine was started.
//
// # A snapshot
//
//	+--------+--------+--------+-----+--------+-----+
//	| header | block  | block  |  …  | block  | end |
//	+--------+--------+--------+-----+--------+-----+
//
//	header   {"igniter":"snapshot","version":1,"first_seq":1,"last_seq":51233,"facts":51233,
//	          "created_at":…,"sha256":"…"}, filled with spaces likewise; sha256 is the hash of all
//	          that follows the header
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
// The index of a large file is written in parts, so that stores, IDs and keys take turns: then a store or a key may be there
// several times. A key's last entry is its latest fact. Stores are numbered from 0 through the whole index.
//
// Indexes of version 1 do not name the stores of IDs: an ID may be of any store. Their s frames come after their i frames.
//
// An index holds nothing that is not in its file. It is valid only while size and check match the file: its
// size, and the CRC of its header. The bodies after the header begin with the letter shown. Numbers are
// unsigned varints, as in encoding/binary; texts begin with their length. A point is stored as its distance
// from the point before it, in seqs and bytes. An ID is stored as the distance of its seq from the seq
// before it in the same frame, the number of its store, and then either the length of its text and the text, or 0 and the 16
// bytes of a UUID.
package format
