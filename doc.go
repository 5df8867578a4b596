// SPDX-License-Identifier: Apache-2.0

// Package igniter is the root of Igniter, an embeddable, append-only, bitemporal store of facts with
// swappable backends. It holds no code: apps import [github.com/igniter-store/igniter/companion],
// authors of backends [github.com/igniter-store/igniter/backend].
package igniter
