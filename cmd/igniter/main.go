// Igniter serves a log of facts to other processes, and looks at logs, moves and mends them. See docs/operating.md,
// or run it with --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(Main()) }

// Main runs the command with what the process was given, and returns the exit code: 0 if it was done, 1 if what
// was asked about is bad or could not be done, 2 if the command was not understood.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.Environ())
}

// streams are what a command reads from and writes to.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func run(ctx context.Context, args []string, std streams, environ []string) int {
	a := &app{streams: std, environ: environ}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(std.err, "igniter: interrupted")
		return 1
	}
	fmt.Fprintln(std.err, "igniter:", err)
	if advice := adviceOn(err); advice != "" {
		fmt.Fprintln(std.err, "  "+advice)
	}
	return exitCode(err)
}
