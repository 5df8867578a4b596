// SPDX-License-Identifier: Apache-2.0

// Package file keeps a log of facts in a directory, so that it survives crashes of the process and of the
// machine, and power cuts. It is a [backend.Log].
//
// # The directory
//
//	LOCK                             locked by the process that has the log open; names that process
//	00000000000000051233.snap        a snapshot: the log through seq 51233
//	00000000000000051233.snap.idx    its index
//	00000000000000051234.wal         a sealed segment: the facts from seq 51234 on
//	00000000000000051234.wal.idx     its index
//	00000000000000068117.wal         the active segment, the last one: facts are appended to it
//	RESERVE                          only reserves space; see below
//	MIRROR                           marks a copy of another log, which takes no writes; see Mirror
//	quarantine/                      bytes that recovery cut off, each with a report
//
// There is at most one snapshot, and segments follow it without a gap. A file is written as NAME.tmp, and renamed once all
// of it is durable. If a file with that ending is left, it was never finished, and Open removes it. Package
// backend/file/internal/format draws the files. Indexes hold nothing that is not in their files, and are built again when
// they are missing or damaged. So Open reads only the indexes and the active segment: damage in a sealed file shows when
// the file is read, or when [Verify] looks for it.
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
//  7. A sector that is overwritten with the same bytes keeps them, also if the power is cut meanwhile.
//
// # Syncs that fail
//
// After a failed sync, Linux keeps the data in memory and marks it as clean: the next sync has nothing to do and succeeds,
// and a crash loses the data. (Rebello et al., “Can Applications Recover from fsync Failures?”, USENIX ATC 2020.) So a sync
// is never just repeated:
//
//   - EIO, ENOSPC, EDQUOT and all other errors are final. The log takes no more writes until it is opened again. Open
//     rewrites the frames that may not be durable, and syncs them: under SyncAlways the last frame, otherwise the frames
//     after the last marker.
//   - ENOMEM and EINTR pass. That does not mean that the data is still dirty: the kernel itself retries a sync that finds no
//     memory (since commit 80a2ea9f85850f1cdae814be03b4a16c3d3abc00, “mm: retry writepages() on ENOMEM when doing an data integrity
//     writeback”), and a block device that fails for want of a resource is ENOMEM too. So the frames that are not durable
//     are written and synced again, up to 10 times in a second. A frame in flight is written from memory; other frames are
//     copied from the file if their CRCs match.
//
// Linux reports a failed write once to each open file. The committer and the flusher sync at the same time only when the
// flusher writes space ahead; for that, the flusher opens the file a second time.
//
// # How a fact is written
//
// Callers check, normalize and encode their facts in parallel and queue them. One of them at a time is the committer. It
// takes the waiting writes, up to 1 MiB or one larger write; numbers the facts; builds one frame of them all; writes it
// with one call; syncs; and only then publishes the facts and answers. While it syncs, the next group gathers. Under
// SyncAlways at most one frame is in flight, so that after a crash there is at most one bad frame, the last. Another
// goroutine, the flusher, writes zeros ahead of the committer, so that a sync need not wait for the file system to record
// that the file grew; it syncs under SyncInterval, it makes the indexes of sealed segments, and it keeps the log's head
// (backend.Head): the parts of sealed segments are in their indexes, and facts of the active segment are hashed while few
// are written, so that writers do not wait for it. A log of an earlier release is read once in the background to compute
// its head.
//
// Readers work on the log's state: its files, the end of the acknowledged frames, and the latest frames in memory. A state
// is immutable; each group commit, new segment, snapshot and prune replaces it by a new one.
//
// Frames are written with pwrite. Copying them into a mapped file is no faster for synced writes, since the sync takes most
// of the time. And an error of the disk would arrive as a signal that ends the process, instead of an error of the write.
//
// # What recovery does
//
// [Open] uses the index of each sealed file, or reads the whole file if it has no valid one. It reads the active segment.
// If the last frame is cut short or damaged, it was never acknowledged: Open moves it to quarantine/ and cuts the segment.
// Zeros at the end are the space written ahead. Under SyncInterval and SyncNever, a crash of the machine can also leave
// whole frames after a damaged one. Unless a marker says that these were durable, Open cuts everything from the first
// damage on. Any other damage affects facts that were durable: Open fails with a [backend.CorruptError] and changes
// nothing, unless Options.Repair is set.
//
// If a crash left a snapshot beside the segments that it replaces, Open reads the whole snapshot before it uses it, and
// sets it aside if it is damaged.
//
// # Which log it is
//
// Each new file names its log and the log's ancestors (see [backend.LogID]). Open begins a new identity, and a new segment
// with it, when facts that readers have seen may be missing: after a repair that drops facts, and, under SyncInterval and
// SyncNever, when the log was not closed and the machine was restarted since. To detect the latter, the header of a segment
// has the kernel's boot ID, and Close ends the segment with a marker, which the next Open cuts off, durably, before it
// takes facts. [Restore] begins a new identity too. A log of version 1 of the formats gets an identity when it is opened.
//
// An open Log checks that LOCK is still the file that it locked: with each synced group, before it creates, renames or
// removes a file, in Stats, and once a second. If the directory or LOCK was removed or replaced, another process may write
// there: every method then returns a *backend.DivergedError.
//
// # Who else may write there
//
// Another user with write access to the directory, or an operator who replaces it, must not redirect the log's files. So
// the log accesses everything below one handle of the directory (os.Root), which is opened with LOCK and stays open. It
// opens only regular files, and follows no link in the directory or in quarantine/. The path itself may have links. Files
// are created exclusively. Directories have the mode 0700 and files 0600, whatever the umask: if a group needs access,
// change the mode of the directory by hand. [Verify] and [PlanRepair] write nothing. If LOCK exists, they lock it, only to
// exclude Open.
//
// # Full disks
//
// Without room, writes fail with backend.ErrFull and leave nothing behind; once there is room, the log takes writes again.
// Prune and WriteSnapshot write a new file before they remove old ones. For that, the log keeps a reserve, so that they
// work on a full disk: a file of the size of the largest segment plus 64 KiB (plus Options.SegmentSize if that is smaller).
// Open makes it, and the flusher enlarges it. If there is no other room, the log removes the reserve and makes it again
// afterwards; writers get ErrFull meanwhile. With the reserve, each segment can be pruned, and a snapshot can be made of a
// few segments at a time, as long as it fits into the room of the reserve and of the removed segments. A larger snapshot
// cannot be pruned on a full disk. The reserve is made only if there is room for all of it. On file systems that copy on
// write, or share room with other programs, it may be less useful. Stats counts it. It may be removed while the log is
// closed.
//
// # File systems
//
// A file system that cannot lock files is refused. One that cannot sync directories (CIFS, some of FUSE) is used with a
// warning: assumption 4 does not hold there, so that a crash of the machine can take whole files. A log may have more files
// than the process may have open: opening a log takes some ten descriptors. The directory stays open as long as its log, so
// that beginning a segment without free descriptors fails before anything has changed, and works again later. A call that
// fails for lack of descriptors or memory, or is interrupted, is retried for half a second (the sync of a directory for
// eight seconds). Then it fails, and the log takes writes as before. On Linux, files that root makes get the owner of the
// log's directory.
//
// # Windows
//
// The lock is LockFileEx: LOCK cannot be read, removed or renamed while the log is open, and errors do not name the
// process. Sync is FlushFileBuffers. Files are opened so that they can be renamed and removed meanwhile; readers close them
// between pages, since a file may not be renamed to the name of an open one where the file system lacks POSIX semantics. If
// another program, such as a virus scanner, keeps a file open for more than two seconds, the operation that needed the
// rename fails and changes nothing: try it again.
//
// Windows cannot sync a directory. Assumptions 3 and 4 rely on the journal of NTFS, which records renames whole and in
// order; they were not tested with power cuts. Since the machine's last start is not known, under SyncInterval and
// SyncNever a log that was not closed always begins a new identity.
//
// Tested, as Windows programs under wine 8 on Linux, without NTFS and POSIX semantics: opening, locking, writing, pages,
// batches, pruning, snapshots and [Verify]. [PlanRepair] of a damaged active segment fails there. Not tested: Windows
// itself, the whole conformance suite, and the kill tests.
package file
