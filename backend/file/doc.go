// SPDX-License-Identifier: Apache-2.0

// Package file keeps a log of facts in a directory, so that it survives crashes of the process and of the
// machine, and power cuts. It is a [backend.Log].
//
// # The directory
//
//	LOCK                             locked by the process that has the log open; says which one that is
//	00000000000000051233.snap        a snapshot: the log through seq 51233
//	00000000000000051233.snap.idx    its index
//	00000000000000051234.wal         a sealed segment: the facts from seq 51234 on
//	00000000000000051234.wal.idx     its index
//	00000000000000068117.wal         the active segment, the last one: facts are appended to it
//	RESERVE                          takes room only; see below
//	MIRROR                           marks the copy of another log, which takes no writes; see Mirror
//	quarantine/                      bytes that recovery cut off, each with a report
//
// There is at most one snapshot, and segments follow it without a gap. A file is written as NAME.tmp, and
// renamed once all of it is durable; other files with that ending were never finished, and Open removes
// them. Package backend/file/internal/format draws the files. Indexes hold nothing that is not in their
// files, and are built again when they are missing or damaged. So Open reads the indexes and the active
// segment, and nothing else: damage in a sealed file shows when the file is read, or when [Verify] looks
// for it.
//
// # Assumptions
//
// The code assumes this about the disk and its file system, and nothing more:
//
//  1. Bytes that were written and not synced may be lost, reordered or torn, in any way and any part.
//  2. A file's content stays once fdatasync has returned.
//  3. Rename is atomic: a name belongs to the old file or to the new one, whole.
//  4. A name is durable once its directory was synced.
//  5. A failed sync says nothing about what reached the disk, and a later one that succeeds does not either.
//  6. A read returns what was written, or its CRC does not match.
//  7. A sector that is written with the bytes that it has keeps them, also if the power is cut meanwhile.
//
// # Syncs that fail
//
// After a failed sync, Linux has the data in memory and takes it for clean: the next sync has nothing to do and succeeds, and a
// crash takes the data. (Rebello et al., “Can Applications Recover from fsync Failures?”, USENIX ATC 2020.) So a sync is never
// just repeated:
//
//   - EIO, ENOSPC, EDQUOT and all other errors are final. The log takes no more writes until it is opened again. Open writes
//     what may not be durable again, and syncs that: under SyncAlways the last frame, otherwise what follows the last marker.
//   - ENOMEM and EINTR pass. That does not mean that the data is still dirty: the kernel itself retries a sync that finds no
//     memory (since commit 80a2ea9f85850f1cdae814be03b4a16c3d3abc00, “mm: retry writepages() on ENOMEM when doing an data integrity
//     writeback”), and a block device that fails for want of a resource is ENOMEM too. So what is not durable is written again, a frame
//     in flight from memory and others as the file has them, if their CRCs match, and synced again, up to 10 times in a second.
//
// Linux tells each open file once that a write to it failed. The committer and the flusher sync beside each other only when the
// flusher writes space ahead; it opens the file again for that.
//
// # How a fact is written
//
// Callers check, normalize and encode their facts in parallel and queue them. One of them at a time is the
// committer: it takes what waits, up to 1 MiB or one larger write; numbers the facts; builds one frame of
// them all; writes it with one call; syncs; and only then publishes the facts and answers. While it syncs,
// the next group gathers. Under SyncAlways at most one frame is in flight, so that after a crash there is
// at most one bad frame, the last. Another goroutine, the flusher, writes zeros ahead of the committer, so
// that a sync need not wait for the file system to record that the file grew; it syncs under SyncInterval,
// it makes the indexes of sealed segments, and it keeps the log's head (backend.Head): the parts of sealed segments are
// in their indexes, and facts of the active segment are hashed while few are written, so that no writer waits for it. A
// log of an earlier release is read once in the background for that.
//
// Readers work on the log's state: its files, how far they are acknowledged, and the latest frames in
// memory. A state never changes; each group commit, new segment, snapshot and prune puts a new one in its
// place.
//
// Frames are written with pwrite. Copying them into a mapped file is no faster for synced writes, since the
// sync takes the time, and an error of the disk would arrive as a signal that ends the process instead of an
// error of the write.
//
// # What recovery does
//
// [Open] uses the index of each sealed file, or reads the whole file if it has no valid one. It reads the
// active segment. If that ends in a frame which is cut short or damaged, with no whole frame after it, the
// frame was never acknowledged: it is moved to quarantine/, and the segment is cut. Zeros at the end are
// the space written ahead. Under SyncInterval and SyncNever, a crash of the machine can also leave whole
// frames after a damaged one; unless a marker says that these were durable, everything from the first
// damage on is cut. Any other damage concerns facts that were durable: it is a [backend.CorruptError], and
// nothing is changed, unless Options.Repair is set.
//
// If a crash left a snapshot beside the segments that it was made of, the snapshot is read whole before it
// is used, and set aside if it is damaged.
//
// # Which log it is
//
// Each new file names the log that it belongs to, and the logs that it goes on from (see [backend.LogID]). Open begins a
// new identity, and a new segment with it, when facts that were given out may be missing: after a repair that drops facts,
// and, under SyncInterval and SyncNever, when the log was not closed and the machine was started again since. For the
// latter, the header of a segment has the kernel's boot ID, Close ends the segment with a marker, and Open cuts that off,
// durably, before it takes facts. [Restore] begins a new identity too. A log of version 1 of the formats gets one when it
// is opened.
//
// A Log that is open looks whether LOCK is still the file that it locked, with each group that is synced, before it
// creates, renames or removes a file, in Stats, and once a second. If the directory was removed or replaced, or LOCK was,
// another process may write there: every method then returns a *backend.DivergedError.
//
// # Who else may write there
//
// A process must not be led astray by somebody who may write to the directory, or by an operator who replaces it. So everything
// in it is found below one handle of the directory (os.Root), which is opened with LOCK and stays open; only regular files are
// opened, and no link is followed, in the directory or in quarantine/. The path itself may have links. Files are created
// exclusively. Directories have the mode 0700 and files 0600, whatever the umask: allow a group more by hand, on the
// directory, where it is needed. [Verify] and [PlanRepair] write nothing: they lock LOCK against Open only, if it exists.
//
// # Full disks
//
// Without room, writes fail with backend.ErrFull and leave nothing behind; once there is room, the log takes writes again.
// Prune and WriteSnapshot write a new file before they remove old ones. The log keeps a reserve for that, so that they work on a
// full disk: a file as large as the largest segment and 64 KiB (with a smaller Options.SegmentSize, that), which Open
// makes and the flusher makes larger. If there is no other room, it is removed, and made again afterwards; writers get
// ErrFull meanwhile. With it, each segment can be pruned, and a snapshot be made of some segments after the other, as long
// as the snapshot fits into what the reserve and the removed segments give. A snapshot that is larger than that cannot be
// pruned on a full disk. The reserve is made only where there is room for all of it; file systems that copy on write, or
// share room with other programs, may promise less. Stats counts it. It may be removed while the log is closed.
//
// # File systems
//
// A file system that cannot lock files is refused. One that cannot sync directories (CIFS, some of FUSE) is used with a
// warning: assumption 4 does not hold there, so that a crash of the machine can take whole files. A log may have more files
// than the process may have open: opening it takes some ten descriptors. The directory stays open while its log is, so that
// beginning a segment without descriptors to spare fails before anything has changed, and works again later. Whatever fails
// for want of descriptors or memory, or is interrupted, is tried again for half a second (the sync of a directory for
// eight); then it fails, and the log takes writes as before. On Linux, files that root makes get the owner of the log's
// directory.
//
// # Windows
//
// The lock is LockFileEx, so that LOCK cannot be read, removed or renamed while the log is open, and errors do not name the
// process. Sync is FlushFileBuffers. Files are opened so that they can be renamed and removed meanwhile; readers close
// them between pages, since a file may not be renamed to the name of an open one where the file system lacks POSIX
// semantics. If another program, such as a virus scanner, keeps a file open for more than two seconds, what needed the
// rename fails and changes nothing: try it again.
//
// Windows cannot sync a directory. Assumptions 3 and 4 rest on the journal of NTFS, which records renames whole and in
// order, and no power cut was tried there. The time of the machine's start is not known, so that under SyncInterval and
// SyncNever a log that was not closed always begins a new identity.
//
// Tried, as Windows programs under wine 8 on Linux, without NTFS and POSIX semantics: opening, locking, writing, pages,
// batches, pruning, snapshots and [Verify]. [PlanRepair] of a damaged active segment fails there. Not tried: Windows itself,
// and all of the conformance suite and the kill tests.
package file
