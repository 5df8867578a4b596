// SPDX-License-Identifier: Apache-2.0

// Package companiontest helps to test apps that use a companion.Store. It has a Store in memory whose times and IDs are
// the same in each run, and shows facts as a table that people can read and tests can compare.
package companiontest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/store"
)

// A Clock stands still until it is advanced. Its methods may be called concurrently.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Start is the time of the clock of a new Store.
var Start = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d. If d is negative, new facts get the time of the latest fact, since transaction times
// never decrease.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// New returns a Store in memory that is closed when the test ends, and the clock of its transaction times, which starts
// at Start. The IDs of facts are f1, f2 and so on. opts are as for companion.New.
func New(t testing.TB, opts companion.Options) (*companion.Store, *Clock) {
	t.Helper()
	clock := &Clock{now: Start}
	var last atomic.Int64
	if opts.NewID == nil {
		opts.NewID = func() (string, error) { return fmt.Sprint("f", last.Add(1)), nil }
	}
	if opts.Now == nil {
		opts.Now = clock.Now
	}
	log := memory.New(memory.Options{Now: clock.Now})
	s, err := companion.New(context.Background(), log, opts)
	if err != nil {
		t.Fatalf("companiontest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("companiontest: %v", err)
		}
		if err := log.Close(); err != nil {
			t.Errorf("companiontest: %v", err)
		}
	})
	return s, clock
}

// Table returns the facts of the given stores, or of all stores if no stores are given, as a table in the order of the
// log. A line has seq, ID, store, key, transaction time, optional fields, and the value, which is null for a
// retraction. An ID, store or key that is empty or is not of printable characters without spaces is quoted as in Go.
// Facts that can't be read fail the test.
func Table(t testing.TB, s *companion.Store, stores ...string) string {
	t.Helper()
	if len(stores) == 0 {
		stores = s.Engine().Stores()
	}
	var facts []store.Record
	for _, name := range stores {
		for r, err := range s.Engine().Facts(context.Background(), name, 0) {
			if errors.Is(err, companion.ErrCompacted) {
				continue // the table shows the facts that are left
			}
			if err != nil {
				t.Fatalf("companiontest: %v", err)
			}
			facts = append(facts, r)
		}
	}
	slices.SortFunc(facts, func(a, b store.Record) int { return cmp.Compare(a.Seq(), b.Seq()) })
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "seq\tid\tstore\tkey\ttime\tmore\tvalue")
	for _, r := range facts {
		var more []string
		add := func(name, value string) {
			if value != "" {
				more = append(more, name+"="+value)
			}
		}
		if cause := r.Causation(); cause != "" {
			add("after", cell(cause))
		}
		if !r.ValidTime().IsZero() {
			add("valid", r.ValidTime().Format(time.RFC3339Nano))
		}
		if r.SchemaVersion() != 1 {
			add("version", fmt.Sprint(r.SchemaVersion()))
		}
		add("by", string(r.Producer()))
		add("from", string(r.Derivation()))
		if more == nil {
			more = []string{"-"}
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Seq(), cell(r.ID()), cell(r.Store()), cell(r.Key()),
			r.TransactionTime().Format(time.RFC3339Nano), strings.Join(more, " "), r.Value())
	}
	_ = w.Flush() // to memory
	return text.String()
}

// cell returns text as one word on one line.
func cell(text string) string {
	odd := func(c rune) bool {
		return c == '"' || c == utf8.RuneError || !unicode.IsGraphic(c) || unicode.IsSpace(c)
	}
	if text == "" || strings.ContainsFunc(text, odd) {
		return strconv.Quote(text)
	}
	return text
}
