// Package wire is the one codec of Igniter: the same bytes in memory, in log files and on sockets.
//
// # Frame
//
//	+----------------+-------- ... --------+----------------+
//	| length  u32 BE | body, length bytes  | CRC-32  u32 BE |   CRC-32 (IEEE) of the body
//	+----------------+-------- ... --------+----------------+
//
// A body is one JSON value in UTF-8 and never empty. A length of 0, or above the limit in force
// ([DefaultMaxFrame] unless told otherwise), is damage, found before anything is allocated.
//
// # Fact
//
// A fact is a JSON object. In logs its keys stand in this order, without those that are null
// (and without schema_version when it is 1), value always there and last:
//
//	{"seq":42,"id":"…","store":"tasks","key":"t1","causation":"…","transaction_time":1795467633.8167136,
//	 "valid_time":…,"schema_version":2,"value_hash":"…","producer":{…},"derivation":{…},"value":{…}}
//
// So a reader of a frame whose CRC holds finds the value without scanning it ([ParseFact]). Bytes
// that come from elsewhere are checked whole ([CheckFact]): any order of keys, unknown ones
// ignored, missing ones taken for null. Peers that speak protocol version 1 get every key, nulls
// too, in the order of [AppendFactV1].
//
// Times are decimal seconds since 1970 UTC, see [AppendTime] and [ParseTime]. Values are kept byte
// for byte.
//
// # Group
//
// A body that is an array of facts holds facts that were written as one: all or none.
//
//	[\n{fact},\n{fact},\n{fact}\n]
//
// The line ends are there for [ParseGroup], which finds the facts by them. They are left out where
// a value holds a line end itself (as white space: inside a string it is escaped).
//
// # Canonical JSON and hash
//
// The canonical form ([AppendCanonical]) has no white space; object keys sorted by the bytes of
// the decoded key; strings with only quote, backslash and U+0000 to U+001F escaped, short where
// there is a short escape (\b \t \n \f \r), the rest as \u00xx in lower case; number texts as they
// are. A fact's value_hash ([Hash]) is the lower-case hex SHA-256 of its value's canonical form.
package wire
