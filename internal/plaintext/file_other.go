// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package plaintext

const nonBlocking = 0
