// Package file keeps a log of facts in a directory, so that it survives the process, the machine's
// crash and the power's failure. It is a [backend.Backend] with every optional interface.
//
// # The directory
//
//	LOCK                             locked by the one process that has the log open; holds its ID
//	00000000000000051233.snap        a snapshot: the log through seq 51233
//	00000000000000051233.snap.idx    its index
//	00000000000000051234.wal         a sealed segment: the facts from seq 51234 on
//	00000000000000051234.wal.idx     its index
//	00000000000000068117.wal         the active segment, the last one: it is written to
//	quarantine/                      bytes that recovery cut off, each with a report
//
// There is at most one snapshot, and segments follow it without a gap. A file gets its name, by rename
// from NAME.tmp, when all of it is durable; what else has that ending was never finished, and is
// removed. Indexes hold nothing that is not in their files, and are made anew when they are missing or
// damaged.
//
// # A segment
//
// All files are made of frames (package wire): a length, a body, and the body's CRC-32.
//
//	+--------+------+-----------+------+-----------+--------+
//	| header | fact | [fact,…]  | fact | [fact,…]  | 0 0 0… |
//	+--------+------+-----------+------+-----------+--------+
//	           one   a group of             the      space written ahead, in the active segment
//	           fact  facts, all or none     last     under SyncAlways only
//
//	header   {"igniter":"wal","version":1,"first_seq":51234,"created_at":1795467633.81,"sync":"always"}
//
// Seqs follow each other from first_seq on. Where facts were pruned, or lost and the segment
// repaired, the header says what else there is, and seqs have gaps:
//
//	header   {"igniter":"wal","version":1,"first_seq":51234,"last_seq":68116,"facts":16001,"created_at":…}
//
// Under SyncInterval and SyncNever there are markers between the facts: {"synced":51301} says that the
// facts through that seq were durable before it was written.
//
// # A snapshot
//
//	+--------+--------+--------+-----+--------+-----+
//	| header | block  | block  |  …  | block  | end |
//	+--------+--------+--------+-----+--------+-----+
//
//	header   {"igniter":"snapshot","version":1,"first_seq":1,"last_seq":51233,"facts":51233,
//	          "created_at":…,"sha256":"…"}, with spaces up to 384 bytes, since it is written last;
//	          sha256 is that of all that follows it
//	block    frames as in a segment, some 256 KiB of them, compressed with zstd (RFC 8878)
//	end      {"end":BLOCKS,"facts":FACTS}
//
// # An index
//
//	header   {"igniter":"index","version":1,"first_seq":…,"last_seq":…,"facts":…,"created_at":…,
//	          "file":"00000000000000051234.wal","size":…,"check":…,"last_time":…,"points":…,"ids":…,"keys":…}
//	p…       seqs and offsets of frames to begin reading at, one for each 64 KiB, or each block
//	i…       the IDs of the latest facts, up to two million, with their seqs
//	s…       the names of stores
//	k…       each key's latest fact: store, seq, key, ID
//
// It serves only while size and check, the CRC of the file's header, are those of the file. The bodies
// after the header begin with the letter shown. Numbers are unsigned varints, as in encoding/binary; texts
// begin with their length. Points are told by how far they are from the one before, seq and offset;
// IDs by how far their seq is from the one before in the same frame, and then the length of the ID's
// text and the text, or 0 and the 16 bytes of a UUID. So opening a log reads its indexes and its active
// segment, and nothing else: damage in a sealed file shows when the file is read, or when [Verify]
// looks for it.
//
// # Assumptions
//
// What the code takes for granted of the disk and its file system, and nothing beyond:
//
//  1. What was written and not synced may be lost, reordered or torn, in any way and any part.
//  2. What was synced stays: a file's content, after fdatasync.
//  3. Rename is atomic: a name is that of the old file or of the new one, whole.
//  4. A name is durable once its directory was synced.
//  5. A sync that failed says nothing about what reached the disk. It is never tried again: the
//     log takes no more writes until it is opened anew, and reads what is there.
//  6. What is read is what was written, or its CRC does not fit.
//
// # How a fact is written
//
// Callers check, normalize and encode their facts side by side and queue them. One of them at a time is
// the committer: it takes what waits, up to 1 MiB or one larger write; numbers the facts; builds one frame of them
// all; writes it with one call; syncs; and only then shows it to readers and answers. While it syncs,
// the next group gathers. Under SyncAlways at most one frame is under way at any time, so after a crash
// there is at most one bad frame, the last. A second goroutine, the keeper, writes zeros ahead of the
// committer, so that a sync need not wait for the file system to note that the file grew; it syncs
// under SyncInterval, and it makes the indexes of sealed segments.
//
// Frames are written with pwrite. Copying them into a mapped file was measured too: for synced writes
// it is no faster, since the sync is what takes the time, and an error of the disk would arrive as a
// signal that ends the process instead of an error of the write.
//
// # What recovery does
//
// [Open] takes each sealed file as its index says, or reads it whole if there is no good one. It reads
// the active segment. Where that ends in a frame which is cut short or damaged, with nothing whole after
// it, the frame was never acknowledged: it is moved to quarantine/, and the segment is cut. Zeros
// at the end are the space written ahead. Under SyncInterval and SyncNever, a crash of the machine can
// also leave whole frames after a damaged one; unless a marker says that these were durable, all from
// the first damage on is cut. Anything else is damage to facts that were durable: a
// [backend.CorruptError], and nothing is changed, unless Options.Repair is set.
//
// A snapshot that a crash left beside the segments it was made of is read whole before it is used, and
// set aside if it is no good.
//
// # Windows
//
// The package compiles for Windows, and [Open] refuses to work there: files get their names while they
// are open, and names are made durable by syncing directories. Windows does neither.
package file
