// SPDX-License-Identifier: Apache-2.0

// Package auth decides which clients may use the log of a server, and what they may do.
//
// A client shows a [Credential]: a token, a certificate, both or nothing. A [Policy] turns it into a [Grant], which
// names the stores that the client may read and write. [Tokens] and [Certificate] are read from files, which may change
// while the server runs. A [Session], and a [Reading] of the log, notice a change and look the grant up again.
package auth
