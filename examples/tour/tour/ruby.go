// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/wire"
)

// recorded is a write-ahead log of the Ruby system, byte for byte.
//
//go:embed testdata/basic.wal
var recorded []byte

// rubyFacts loads a Ruby log into the store and shows the current and past values of its facts.
func rubyFacts(ctx context.Context, s *companion.Store, p *printer, path string) error {
	log, name := recorded, "basic.wal, recorded from Ruby"
	if path != "" {
		var err error
		if log, err = os.ReadFile(path); err != nil {
			return err
		}
		name = path
	}
	before := s.Head()
	stores, keys, damage := load(ctx, s, bytes.NewReader(log))
	facts := 0
	for _, k := range keys {
		facts += len(k.ids)
	}
	p.section("Facts from elsewhere")
	p.text("%d facts of %d keys read from %s. IDs, times and hashes are kept;", facts, len(keys), name)
	p.text("%d of them are new to this log, since a fact is known by its ID.", s.Head()-before)
	if errors.Is(damage, io.ErrUnexpectedEOF) {
		p.text("The last write was cut short, as by a crash, and is left out: %v.", damage)
	} else if damage != nil {
		return fmt.Errorf("load %s, after %d facts: %w", name, facts, damage)
	}

	now := [][]string{{"STORE", "KEY", "VERSION", "TAKEN IN (UTC)", "CURRENT VALUE"}}
	for _, name := range stores {
		for r, err := range s.Engine().List(ctx, name, companion.Query{}) {
			if err != nil {
				return err
			}
			now = append(now, []string{name, quoteEmpty(r.Key()), fmt.Sprint(r.Version()), clock(r.TransactionTime()), string(r.Value())})
		}
	}
	p.table(now)

	for _, k := range keys {
		if len(k.ids) < 2 {
			continue
		}
		p.text("What %s/%s was, read as of each of its facts:", k.store, quoteEmpty(k.key))
		past := [][]string{{"SEQ", "TAKEN IN (UTC)", "CAUSED BY", "VALUE THEN"}}
		for version, err := range s.Engine().History(ctx, k.store, k.key, companion.Moment{}) {
			if err != nil {
				return err
			}
			then, _, err := s.Engine().GetAt(ctx, k.store, k.key, companion.Moment{Seq: version.Seq()})
			if err != nil {
				return err
			}
			past = append(past, []string{fmt.Sprint(then.Seq()), clock(then.TransactionTime()), short(then.Causation()), string(then.Value())})
		}
		p.table(past)
	}
	return nil
}

// A loaded is a key of the Ruby log, with the IDs of its facts.
type loaded struct {
	store, key string
	ids        []string
}

// load imports the facts of a Ruby log unchanged. It returns the log's stores and keys, in order; after an error, it
// returns the keys before the error.
func load(ctx context.Context, s *companion.Store, log io.Reader) (stores []string, keys []*loaded, err error) {
	places := map[[2]string]*loaded{}
	seen := map[string]bool{}
	frames := wire.NewReader(log, 0)
	for {
		body, err := frames.Next()
		if err == io.EOF {
			return stores, keys, nil
		}
		if err != nil {
			return stores, keys, err
		}
		f, err := wire.CheckFact(body)
		if err != nil {
			return stores, keys, err
		}
		if f, err = s.Engine().Import(ctx, f); err != nil {
			return stores, keys, err
		}
		if !seen[f.Store] {
			seen[f.Store] = true
			stores = append(stores, f.Store)
		}
		k := places[[2]string{f.Store, f.Key}]
		if k == nil {
			k = &loaded{store: f.Store, key: f.Key}
			places[[2]string{f.Store, f.Key}] = k
			keys = append(keys, k)
		}
		k.ids = append(k.ids, f.ID)
	}
}
