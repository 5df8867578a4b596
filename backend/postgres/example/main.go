// SPDX-License-Identifier: Apache-2.0

// Example runs the tour or the bank of the examples on a log in PostgreSQL. Their code names no backend: this program links
// the backend by one import, and a configuration file names it.
//
//	go run ./backend/postgres/example tour -config igniter.yaml
//	go run ./backend/postgres/example bank -config igniter.yaml    # in two terminals at once
package main

import (
	"fmt"
	"os"

	"github.com/igniter-store/igniter/examples/bank/bank"
	"github.com/igniter-store/igniter/examples/tour/tour"

	_ "github.com/igniter-store/igniter/backend/postgres" // a log in PostgreSQL can be opened by its name
)

func main() {
	programs := map[string]func([]string){"tour": tour.Main, "bank": bank.Main}
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "example: say which program, tour or bank, and its flags")
		os.Exit(2)
	}
	programs[os.Args[1]](os.Args[2:])
}
