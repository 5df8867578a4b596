// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/store"
)

// watch prints the new facts of the log, from any writer, until ctx ends.
func watch(ctx context.Context, s *companion.Store, p *printer) error {
	p.section("What others write")
	p.text("Facts as they come; end with Ctrl-C.")
	seen := s.Head()
	for {
		err := s.Engine().WaitFor(ctx, seen+1)
		if errors.Is(err, context.Canceled) {
			return p.err
		}
		if err != nil {
			return err
		}
		head := s.Head()
		var facts []store.Record
		for _, name := range s.Engine().Stores() {
			for r, err := range s.Engine().Facts(ctx, name, seen) {
				if err != nil {
					return err
				}
				if r.Seq() <= head {
					facts = append(facts, r)
				}
			}
		}
		slices.SortFunc(facts, func(a, b store.Record) int { return cmp.Compare(a.Seq(), b.Seq()) })
		for _, r := range facts {
			by := string(r.Producer())
			p.text("seq %-5d %s  %s/%s = %s  %s", r.Seq(), clock(r.TransactionTime()), r.Store(), quoteEmpty(printable(r.Key())), cut(string(r.Value()), maxValue), by)
		}
		if seen = head; p.err != nil {
			return p.err
		}
	}
}
