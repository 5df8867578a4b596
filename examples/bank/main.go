// SPDX-License-Identifier: Apache-2.0

// Bank moves money between accounts from many goroutines at once, and shows that no money is lost or
// made: not now, not at any moment before, and not by a correction of the past.
//
//	go run ./examples/bank
//	go run ./examples/bank -backend network -address 127.0.0.1:7400    # in two terminals at once
//	go run ./examples/bank -config igniter.yaml                        # which names any backend, and its settings
//	go run ./examples/bank -backend file -path DIR                     # and on another day, with the same DIR:
//	go run ./examples/bank -backend file -path DIR -day 2026-03-01     # the balances at the end of that day
package main

import (
	"os"

	"github.com/igniter-store/igniter/examples/bank/bank"
)

func main() { bank.Main(os.Args[1:]) }
