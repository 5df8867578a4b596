// SPDX-License-Identifier: Apache-2.0

// Shop is the app of the guide (docs/guide): an order desk that keeps the history of all prices and orders, and can
// show what was known at any time.
//
//	go run ./examples/shop                   # in memory
//	go run ./examples/shop -config FILE      # with options from FILE, such as {backend: file, path: shop.log}
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/igniter-store/igniter/companion"
)

func main() {
	config := flag.String("config", "", "a file with companion.Options in YAML or JSON")
	flag.Parse()
	if err := run(context.Background(), *config, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, config string, out io.Writer) (err error) {
	var opts companion.Options // in memory
	if config != "" {
		if opts, err = companion.ReadOptions(config); err != nil {
			return err
		}
	}
	s, err := companion.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := open(s)
	if err != nil {
		return err
	}

	ana := companion.WithProducer(ctx, map[string]string{"who": "ana"})
	if _, err := shop.prices.Put(ana, "lamp", 40); err != nil {
		return err
	}
	id, err := shop.order(ana, "lamp", 2)
	if err != nil {
		return err
	}
	if err := shop.pay(ana, id); err != nil {
		return err
	}
	if err := shop.correct(ana, "lamp", 38, time.Now().Add(-time.Hour)); err != nil {
		return err
	}
	for text, err := range shop.story(ctx, id) {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, text)
	}
	unpaid, sold, err := shop.report(ctx, companion.Moment{})
	fmt.Fprintf(out, "%d unpaid, sold for %d\n", unpaid, sold)
	return err
}
