// SPDX-License-Identifier: Apache-2.0

// Package tour is the program of examples/tour. It is a package so that a program of another module can run it with a backend
// that it links.
package tour

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/igniter-store/igniter/companion"
)

// Main runs the program with arguments, and exits with 1 after an error.
func Main(args []string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, args, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

// run parses the flags, opens the store and goes through the tour.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var opts companion.Options
	flags := flag.NewFlagSet("tour", flag.ContinueOnError)
	flags.Func("config", "a YAML or JSON `file` with the store's options; later flags override them", func(path string) (err error) {
		opts, err = companion.ReadOptions(path)
		return err
	})
	flags.StringVar(&opts.Backend, "backend", "", "the backend that keeps the facts; empty: memory")
	flags.StringVar(&opts.Path, "path", "", "the backend's directory")
	flags.StringVar(&opts.Address, "address", "", "the backend's address")
	flags.StringVar(&opts.Transport, "transport", "", "how to reach the address: tcp or unix")
	flags.StringVar(&opts.Token, "token", "", "who we are to the backend")
	wal := flags.String("wal", "", "a Ruby write-ahead log to load instead of the recorded one")
	watching := flags.Bool("watch", false, "after the tour, show facts as others write them, until interrupted")
	if err := flags.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return nil
		}
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: the tour takes flags only, see -help", flags.Arg(0))
	}

	s, err := companion.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer func() {
		if closing := s.Close(); err == nil {
			err = closing
		}
	}()
	p := &printer{out: out}
	p.title("IGNITER  a store that remembers what is true, what was true, when we learned it, and why")
	if head := s.Head(); head > 0 {
		p.text("This log is not new: it holds facts through seq %d from before.", head)
	}
	for _, part := range []func(context.Context, *companion.Store, *printer) error{
		func(ctx context.Context, s *companion.Store, p *printer) error { return rubyFacts(ctx, s, p, *wal) },
		todoList,
		twoTimeAxes,
	} {
		if err := part(ctx, s, p); err != nil {
			return err
		}
	}
	p.text("The log now holds facts through seq %d, in the stores %q.", s.Head(), s.Engine().Stores())
	if p.err == nil && *watching {
		return watch(ctx, s, p)
	}
	return p.err
}
