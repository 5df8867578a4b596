// SPDX-License-Identifier: Apache-2.0

// Package auth decides who may use a log that a server shares, and for what.
//
// A client shows a [Credential]: a token, a certificate, both or nothing. A [Policy] turns it into a [Grant], which
// names the stores that the client may read and write. [Tokens] and [Certificate] are read from files, which may
// change while the server runs; a [Session], and a [Reading] of the log, notice that and look the grant up again.
package auth
