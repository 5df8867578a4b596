#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the facts of an Igniter log in files as JSON lines: igniter_log.py DIRECTORY

It reads only, needs nothing but the standard library, and follows docs/format.md. The log should not be open in
another process, since its files may be replaced while they are read. Snapshots are compressed with zstd: Python 3.14
can decompress it, and older ones load the system's libzstd.
"""

import ctypes
import ctypes.util
import hashlib
import json
import pathlib
import struct
import sys
import zlib

MAX_BODY = 64 << 20  # the longest body that any log may have


class Damage(Exception):
    """The log has bytes that it cannot have."""


def frame(data, at):
    """Returns the body of the frame at an offset, and where the next frame begins. None: there is no whole frame."""
    if at + 4 > len(data):
        return None, at
    (size,) = struct.unpack_from(">I", data, at)
    end = at + 4 + size
    if not 0 < size <= MAX_BODY or end + 4 > len(data):
        return None, at
    body = data[at + 4 : end]
    if zlib.crc32(body) != struct.unpack_from(">I", data, end)[0]:
        return None, at
    return body, end + 4


def frames(data, name, at=0):
    """Yields all frames: data has nothing else."""
    while at < len(data):
        body, end = frame(data, at)
        if body is None:
            raise Damage(f"{name}: damaged frame at offset {at}")
        yield body
        at = end


def active_frames(data, name, always):
    """Yields the frames of the last segment, which may end with zeros, and with a frame that was never acknowledged."""
    end, at, last = len(data.rstrip(b"\0")), 0, 0
    while at < end:
        body, following = frame(data, at)
        if body is None:
            break
        yield body
        at = following
        for fact in facts_in(body):
            last = seq(fact)
    for later in range(at + 1, end if at < end else 0):  # is anything behind it that was durable?
        body, _ = frame(data, later)
        if body is None or body[:1] not in b"{[":
            continue
        through = json.loads(body).get("synced", 0) if body.startswith(b'{"synced":') else 0
        if always or through > last:
            raise Damage(f"{name}: damaged frame at offset {at}, with whole ones behind it")


def facts_in(body):
    """Yields the facts in a body as they are written: one, or a group that was written together."""
    if body.startswith((b'{"igniter":', b'{"synced":', b'{"closed":', b"h")):
        return  # a header, a marker, or nodes of the hash tree in place of pruned facts
    if body.startswith(b"{"):
        yield body
        return
    text, decoder = body.decode(), json.JSONDecoder()
    at = 1
    while True:
        while text[at] in " \n,":
            at += 1
        if text[at] == "]":
            return
        _, end = decoder.raw_decode(text, at)
        yield text[at:end].encode()
        at = end


def seq(fact):
    """Returns the place of a fact in the log. In logs it is always the first member."""
    return int(fact[len(b'{"seq":') : fact.index(b",")])


def decompress(block):
    """Returns the bytes of a zstd frame."""
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.decompress(block)
    lib = ctypes.CDLL(ctypes.util.find_library("zstd"))
    number, text = ctypes.c_size_t, ctypes.c_char_p
    lib.ZSTD_getFrameContentSize.restype, lib.ZSTD_getFrameContentSize.argtypes = number, [text, number]
    lib.ZSTD_decompress.restype, lib.ZSTD_decompress.argtypes = number, [text, number, text, number]
    size = lib.ZSTD_getFrameContentSize(block, len(block))
    if size > MAX_BODY + (1 << 20):
        raise Damage("a block that is too long")
    out = ctypes.create_string_buffer(size)
    if lib.ZSTD_decompress(out, size, block, len(block)) != size:
        raise Damage("a block that does not decompress")
    return out.raw


def header(data, name, kind):
    """Returns the header of a file, and where it ends."""
    body, end = frame(data, 0)
    if body is None or not body.startswith(b'{"igniter":'):
        raise Damage(f"{name}: no header")
    head = json.loads(body)
    if head["igniter"] != kind or head["version"] > 3:
        raise Damage(f"{name}: a {head['igniter']} of version {head['version']}, which this program does not know")
    return head, end


def log(directory):
    """Yields the facts of a log, in its order."""
    files = sorted(pathlib.Path(directory).iterdir())
    through = 0
    for path in [p for p in files if p.suffix == ".snap"][-1:]:
        data = path.read_bytes()
        head, end = header(data, path.name, "snapshot")
        if hashlib.sha256(data[end:]).hexdigest() != head["sha256"]:
            raise Damage(f"{path.name}: its content does not have the hash that it should have")
        through = head["last_seq"]
        for body in frames(data, path.name, end):
            if body.startswith(b"\x28"):  # as zstd begins; the others are nodes and the end
                for inner in frames(decompress(body), path.name):
                    yield from facts_in(inner)
    segments = [p for p in files if p.suffix == ".wal" and int(p.stem) > through]
    for path in segments:
        data = path.read_bytes()
        head, _ = header(data, path.name, "wal")
        if head["first_seq"] != through + 1:
            raise Damage(f"{path.name}: the facts from seq {through + 1} on, which come before it, are missing")
        last = path == segments[-1]
        for body in active_frames(data, path.name, head["sync"] == "always") if last else frames(data, path.name):
            for fact in facts_in(body):
                through = seq(fact)
                yield fact
        through = head.get("last_seq", through)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        for one in log(sys.argv[1]):
            sys.stdout.buffer.write(one + b"\n")
    except (Damage, OSError) as err:
        sys.exit(f"{sys.argv[1]}: {err}")
