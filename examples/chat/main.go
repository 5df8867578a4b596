// SPDX-License-Identifier: Apache-2.0

// Chat shows the lines that people type, and keeps them in the log. Type lines in each of two terminals:
//
//	go run ./examples/serve
//	go run ./examples/chat -address 127.0.0.1:7400 -as ana
//	go run ./examples/chat -address 127.0.0.1:7400 -as bob
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/igniter-store/igniter/companion"
)

// A Line is something that was said.
type Line struct {
	Who  string `json:"who"`
	Text string `json:"text"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// run writes the lines of in and shows the lines of all users, until in or ctx ends.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) (err error) {
	opts := companion.Options{Backend: "network"}
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.StringVar(&opts.Address, "address", "127.0.0.1:7400", "the server's address")
	who := flags.String("as", "someone", "who speaks")
	if err := flags.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return nil
		}
		return err
	}
	s, err := companion.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	lines, err := companion.NewEvents[Line](s, "chat")
	if err != nil {
		return err
	}
	showing, stop := context.WithCancel(ctx)
	shown := make(chan error, 1)
	go func() { shown <- show(showing, lines, out) }()
	defer func() {
		stop()
		err = errors.Join(err, <-shown)
	}()

	said := make(chan string) // a read of in can't be interrupted, so run does not wait for this goroutine
	go func() {
		defer close(said)
		for text := bufio.NewScanner(in); text.Scan(); {
			select {
			case said <- text.Text():
			case <-showing.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case text, ok := <-said:
			if !ok {
				return nil
			}
			if text == "" {
				continue
			}
			if _, err := lines.Append(ctx, Line{*who, text}); err != nil {
				return err
			}
		}
	}
}

// show prints the lines said so far, and then new ones, until ctx is done.
func show(ctx context.Context, lines *companion.Events[Line], out io.Writer) error {
	for line, err := range lines.Tail(ctx, 0) {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err == nil {
			_, err = fmt.Fprintf(out, "%s %s: %s\n", line.Time.Local().Format(time.TimeOnly), line.Value.Who, line.Value.Text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
