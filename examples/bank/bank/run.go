// SPDX-License-Identifier: Apache-2.0

// Package bank is the program of examples/bank. It is a package so that a program of another module can run it with a backend
// that it links.
package bank

import (
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

// Main runs the program with arguments, and exits with 1 after an error.
func Main(args []string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, args, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bank:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var opts companion.Options
	flags := flag.NewFlagSet("bank", flag.ContinueOnError)
	flags.Func("config", "a `file` that says where the facts live, in YAML or JSON; flags after it replace what it says", func(path string) (err error) {
		opts, err = companion.ReadOptions(path)
		return err
	})
	flags.StringVar(&opts.Backend, "backend", "", "where the facts live; empty: in memory")
	flags.StringVar(&opts.Path, "path", "", "the backend's directory")
	flags.StringVar(&opts.Address, "address", "", "the backend's address")
	tellers := flags.Int("tellers", 16, "how many move money at once")
	each := flags.Int("transfers", 25, "how many transfers each of them makes")
	var day time.Time
	flags.Func("day", "move nothing, and show what was there at the end of a `day` such as 2026-03-01, in UTC", func(text string) (err error) {
		day, err = time.Parse(time.DateOnly, text)
		return err
	})
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
	b, err := newBank(s)
	if err != nil {
		return err
	}
	if !day.IsZero() {
		return b.statement(ctx, day, out)
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d tellers move money between %d accounts\n", *tellers, accountCount)
	done, refused, err := b.work(ctx, *tellers, *each)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d transfers made, %d refused for want of money\n", done, refused)

	if err := s.Sync(ctx); err != nil {
		return err
	}
	moments, err := b.audit(ctx)
	if err != nil {
		return err
	}
	if moments < done {
		return fmt.Errorf("the audit saw %d transfers, fewer than were made", moments)
	}
	fmt.Fprintf(out, "all accounts have %d together now, and had after each transfer of the past\n", accountCount*initial)
	return b.correct(ctx, out)
}
