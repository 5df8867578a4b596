// SPDX-License-Identifier: Apache-2.0

// Igniter serves a log of facts to other processes, and looks at logs, moves them and maintains them. See
// docs/operating.md, or run it with --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(Main()) }

// Main runs the command with the process's arguments and returns the exit code: 0 done, 1 failed or found something bad,
// 2 the command was not understood.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	a := &app{in: os.Stdin, out: os.Stdout, err: plain(os.Stderr)}
	if isTerminal(os.Stdout) {
		a.out = plain(os.Stdout)
	}
	cmd, err := a.rootCommand().ExecuteContextC(ctx)
	defer func() {
		if lines, ok := a.err.(*sink); ok {
			lines.close(time.Second)
		}
	}()
	if failed := a.help.err; failed != nil && (err == nil || errors.Is(err, failed)) {
		err = commandError{failed, 1, ""}
	}
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(a.err, "igniter: interrupted:", err)
		return 1
	}
	c, ok := errors.AsType[commandError](err)
	if !ok && a.started {
		c = commandError{err, 1, adviceOn(err)}
	} else if !ok {
		c = commandError{err, 2, fmt.Sprintf("See %s --help.", cmd.CommandPath())}
	}
	text := strings.TrimSpace(err.Error())
	if a.started {
		text = strings.ReplaceAll(text, "\n", "\n  ") // no line that a server makes up looks like one of the command
	}
	fmt.Fprintln(a.err, "igniter:", text)
	if c.advice != "" {
		fmt.Fprintln(a.err, "  "+c.advice)
	}
	return c.code
}
