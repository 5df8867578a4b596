// SPDX-License-Identifier: Apache-2.0

// Package wire is the codec of Igniter's log: the same bytes in memory, in log files and on sockets.
//
// # Frame
//
//	+----------------+-------- ... --------+----------------+
//	| length  u32 BE | body, length bytes  | CRC-32  u32 BE |   CRC-32 (IEEE) of the body
//	+----------------+-------- ... --------+----------------+
//
// A body is one JSON value in UTF-8 and never empty. A length of 0, or above the limit ([DefaultMaxFrame] by default), is
// damage; a reader finds it before it allocates memory.
//
// # Fact
//
// A fact is a JSON object. In logs its keys have this order. Keys that are null are left out, and so is schema_version if
// it is 1. value is always present, and last:
//
//	{"seq":42,"id":"…","store":"tasks","key":"t1","causation":"…","transaction_time":1795467633.8167136,
//	 "valid_time":…,"schema_version":2,"value_hash":"…","by":"…","producer":{…},"derivation":{…},"value":{…}}
//
// The key by is newer than the rest. A fact without it has the same bytes as before, and an older reader ignores it.
// Version 1 of the protocol does not have it.
//
// Since value is last, a reader that has checked the CRC of a frame finds the value without scanning it ([ParseFact]).
// Facts from other sources may have their keys in any order; unknown keys are ignored. [CheckFact] checks every byte of
// them. [ReadFact] reads a fact that is to be written, and leaves the check of its value to [backend.Fact.Validate].
//
// Times are decimal seconds since 1970 UTC, see [AppendTime] and [ParseTime]. Values are kept byte
// for byte.
//
// # Group
//
// A body that is an array of facts holds facts that were written together: all or none.
//
//	[\n{fact},\n{fact},\n{fact}\n]
//
// [ParseGroup] finds the facts by the line ends. The line ends are left out if a value has one itself,
// as white space; inside a string a line end is escaped.
//
// # Canonical JSON and hash
//
// The canonical form ([AppendCanonical]) has no white space; object keys sorted by the bytes of
// the decoded key; strings with only quote, backslash and U+0000 to U+001F escaped, short where
// there is a short escape (\b \t \n \f \r), the rest as \u00xx in lower case; the texts of numbers unchanged. A fact's
// value_hash ([Hash]) is the lower-case hex SHA-256 of its value's canonical form.
package wire
