// SPDX-License-Identifier: Apache-2.0

// Tour is a small to-do app on a Companion Store. It loads facts that the Ruby system recorded, then
// writes, corrects, retracts and reads back its own, and shows what was true, what was known when,
// and who said so and why.
//
//	go run ./examples/tour
//	go run ./examples/tour -backend file -path DIR      # twice: the second run finds what the first left
//	go run ./examples/serve                             # a server, then in two other terminals:
//	go run ./examples/tour -backend network -address 127.0.0.1:7400 -watch
//	go run ./examples/tour -backend network -address 127.0.0.1:7400
//
// Its code never names a backend: flags, or a file (-config), say where the facts live.
package main

import (
	"os"

	"github.com/igniter-store/igniter/examples/tour/tour"
)

func main() { tour.Main(os.Args[1:]) }
