// SPDX-License-Identifier: Apache-2.0

package model

import (
	"errors"
	"iter"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// An Oracle is all facts of a log, in order. It answers each read by going through all of them.
type Oracle []backend.Fact

// At returns the fact that is a key's value at a moment, by the rules of package store; nil if none exists.
func (o Oracle) At(name, key string, m store.Moment) *backend.Fact {
	var visible []backend.Fact
	for _, f := range o {
		if f.Store == name && f.Key == key && (m.Seq == 0 || f.Seq <= m.Seq) &&
			(m.Time.IsZero() || !f.TransactionTime.After(m.Time)) {
			visible = append(visible, f)
		}
	}
	if m.Valid.IsZero() {
		if len(visible) == 0 {
			return nil
		}
		return &visible[len(visible)-1]
	}
	var best *backend.Fact
	for i, f := range visible {
		if !Effective(f).After(m.Valid) && (best == nil || !Effective(f).Before(Effective(*best))) {
			best = &visible[i]
		}
	}
	return best
}

// Effective returns the time from which a fact is valid.
func Effective(f backend.Fact) time.Time {
	if f.ValidTime.IsZero() {
		return f.TransactionTime
	}
	return f.ValidTime
}

// Where returns the facts that are ok.
func (o Oracle) Where(ok func(backend.Fact) bool) []backend.Fact {
	facts := []backend.Fact{}
	for _, f := range o {
		if ok(f) {
			facts = append(facts, f)
		}
	}
	return facts
}

// FactsOf returns the facts of records. It skips an ErrCompacted that comes first, and panics at any other error.
func FactsOf(records iter.Seq2[store.Record, error]) []backend.Fact {
	facts := []backend.Fact{}
	for r, err := range records {
		if errors.Is(err, backend.ErrCompacted) && len(facts) == 0 {
			continue
		}
		if err != nil {
			panic(err)
		}
		facts = append(facts, r.Fact())
	}
	return facts
}

func firstError(records iter.Seq2[store.Record, error]) error {
	for _, err := range records {
		if err != nil {
			return err
		}
	}
	return nil
}
