// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// A FactRef is a fact without its value; it has the value's hash.
type FactRef struct {
	Seq             uint64          `json:"seq"`
	ID              string          `json:"id"`
	Store           string          `json:"store"`
	Key             string          `json:"key"`
	ValueHash       string          `json:"value_hash"`
	Causation       string          `json:"causation,omitempty"`
	TransactionTime time.Time       `json:"transaction_time"`
	ValidTime       time.Time       `json:"valid_time,omitzero"`
	SchemaVersion   int             `json:"schema_version"`
	By              string          `json:"by,omitempty"`
	Producer        json.RawMessage `json:"producer,omitempty"`
	Derivation      json.RawMessage `json:"derivation,omitempty"`
}

// ref returns the fact without its value.
func (r Record) ref() FactRef {
	f := r.Fact()
	return RefOf(&f)
}

// RefOf returns a fact without its value. It shares f's memory.
func RefOf(f *backend.Fact) FactRef {
	return FactRef{
		Seq: f.Seq, ID: f.ID, Store: f.Store, Key: f.Key, ValueHash: f.ValueHash, Causation: f.Causation,
		TransactionTime: f.TransactionTime, ValidTime: f.ValidTime, SchemaVersion: f.SchemaVersion,
		By: f.By, Producer: f.Producer, Derivation: f.Derivation,
	}
}

// A Source names a fact from which other facts were derived.
type Source struct {
	Store string // "": not known, as in the derivations of earlier releases
	ID    string
}

// SourcesOf parses the Derivation of a fact. It returns the name of the [Rule] that derived the fact and the rule's
// sources, or nothing if derived is not the JSON that a rule writes.
func SourcesOf(derived json.RawMessage) (rule string, from []Source) {
	var d derivation
	if derived == nil || json.Unmarshal(derived, &d) != nil {
		return "", nil
	}
	return d.Rule, d.sources()
}

func sourcesIn(text json.RawMessage) []Source {
	_, from := SourcesOf(text)
	return from
}

// An origin names a fact that led to another one.
type origin struct {
	Source
	other  bool   // if the store has no such fact, another one may have it
	before uint64 // the seq of the fact
}

// links returns the facts that f names as its origins: its sources, and its cause, which is the key's fact before f
// unless the writer named another.
func (f *FactRef) links() (all []origin) {
	for _, s := range sourcesIn(f.Derivation) {
		all = append(all, origin{s, s.Store == "", f.Seq})
	}
	if f.Causation != "" {
		all = append(all, origin{Source{f.Store, f.Causation}, true, f.Seq})
	}
	return all
}

// led returns the fact that a link names; the zero Record if the engine does not hold it. If the link's store is
// unknown, led returns the first fact in the log with the ID, and only if it is before the linking fact: a later fact
// with the same ID changes no lineage.
func (e *Engine) led(l origin) (found Record) {
	if found = e.fact(l.Store, l.ID); found.data != nil || !l.other {
		return found
	}
	for r := range e.factsWith(l.ID) {
		if r.Seq() < l.before && (found.data == nil || r.Seq() < found.Seq()) {
			found = r
		}
	}
	return found
}

// Causes returns the causation chain of a fact, the oldest fact first: each fact's Causation names the fact
// before it, and r is the last. If the engine does not hold a cause, because it was pruned or dropped from
// memory, the chain begins after that cause.
func (e *Engine) Causes(r Record) []FactRef {
	var chain []FactRef
	for seen := map[uint64]bool{}; r.data != nil && !seen[r.Seq()]; {
		seen[r.Seq()] = true
		chain = append(chain, r.ref())
		r = e.led(origin{Source{r.Store(), r.Causation()}, true, r.Seq()})
	}
	slices.Reverse(chain)
	return chain
}

// A Lineage is everything that led to a fact: who wrote what, when, and from which sources.
type Lineage struct {
	// Facts are the causes and sources of the fact, their causes and sources, and so on, in the order
	// of the log. The last one is the fact itself. Their Causation and Derivation link them.
	Facts []FactRef `json:"facts"`

	// Missing are the IDs of causes and sources that are not in the log: they were pruned, or written to
	// another log. Sorted.
	Missing []string `json:"missing,omitempty"`

	// Proof is the hex SHA-256 of the canonical JSON of Facts, one after the other. Two lineages with the
	// same proof have the same facts, values and links.
	Proof string `json:"proof"`
}

// Lineage returns what led to the fact with an ID, in one of some stores. Stores and errors are as in [Engine.FactByID]. The
// error is also ErrDropped if the engine does not hold a part of the lineage that the log may have.
func (e *Engine) Lineage(id string, stores ...string) (l Lineage, err error) {
	r, err := e.FactByID(id, stores...)
	if err != nil {
		return l, fmt.Errorf("store: lineage: %w", err)
	}
	seen := map[uint64]bool{}
	for open := []Record{r}; len(open) > 0; {
		r, open = open[len(open)-1], open[:len(open)-1]
		if seen[r.Seq()] {
			continue
		}
		seen[r.Seq()] = true
		ref := r.ref()
		l.Facts = append(l.Facts, ref)
		for _, link := range ref.links() {
			next := e.led(link)
			switch {
			case next.data != nil:
				open = append(open, next)
			case e.partial():
				return Lineage{}, fmt.Errorf("store: lineage of fact %s: fact %q: %w", id, link.ID, ErrDropped)
			default:
				l.Missing = append(l.Missing, link.ID)
			}
		}
	}
	slices.SortFunc(l.Facts, func(a, b FactRef) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.Sort(l.Missing)
	l.Missing = slices.Compact(l.Missing)
	l.Proof, err = ProofOf(l.Facts)
	return l, err
}

// ProofOf returns the proof of a lineage of facts, see [Lineage].Proof.
func ProofOf(facts []FactRef) (string, error) {
	sum := sha256.New()
	for _, f := range facts {
		text, err := json.Marshal(f)
		if err == nil {
			text, err = wire.AppendCanonical(nil, text)
		}
		if err != nil {
			return "", fmt.Errorf("store: prove fact %s: %w", f.ID, err)
		}
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// equalForm returns a form of f that does not depend on how its JSON was written: on white space, escapes, the order of
// keys, the forms of numbers, time zones, or null for a missing field.
func (f FactRef) equalForm() ([]byte, error) {
	f.TransactionTime, f.ValidTime = f.TransactionTime.UTC(), f.ValidTime.UTC()
	for _, text := range []*json.RawMessage{&f.Producer, &f.Derivation} {
		if jsonvalue.IsNull(*text) {
			*text = nil
		}
	}
	text, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	return appendEqual(nil, text)
}

// VerifyLineage checks a lineage, taken by this engine or another, against the log: the log has each fact as the
// lineage has it; the fact's value has the hash; every cause and source is in the lineage, or not in the log; and the
// proof matches the log's facts. If any of this does not hold, the error is backend.ErrCorrupt and names the fact. A
// fact with a hash that another system computed differently does not pass. If the engine does not hold a fact that the
// log may have, the error is ErrDropped.
//
// A lineage may have been written as JSON by any program, which may order keys, escape texts and write white
// space, numbers and the zones of times in its own way. One that rounds numbers changes the facts.
func (e *Engine) VerifyLineage(l Lineage) error {
	if err := e.verifyWhole(l); err != nil {
		return err
	}
	held := make([]FactRef, len(l.Facts))
	for i, f := range l.Facts {
		r, err := e.FactByID(f.ID, f.Store)
		switch {
		case errors.Is(err, ErrNotFound):
			return fmt.Errorf("store: verify: fact %s is not in the log: %w", f.ID, backend.ErrCorrupt)
		case err != nil:
			return fmt.Errorf("store: verify: %w", err)
		}
		held[i] = r.ref()
		want, err := held[i].equalForm()
		if err != nil {
			return fmt.Errorf("store: verify: fact %s in the log: %w", f.ID, err)
		}
		given, err := f.equalForm()
		if err != nil {
			return fmt.Errorf("store: verify: fact %s is no JSON of a fact: %w: %w", f.ID, backend.ErrCorrupt, err)
		}
		if !bytes.Equal(want, given) {
			return fmt.Errorf("store: verify: fact %s is %s in the log, and not %s: %w", f.ID, want, given, backend.ErrCorrupt)
		}
		if hash, err := wire.Hash(r.Value()); err != nil || hash != f.ValueHash {
			return fmt.Errorf("store: verify: fact %s has a value with the hash %s, and not %s: %w", f.ID, hash, f.ValueHash, backend.ErrCorrupt)
		}
	}
	switch proof, err := ProofOf(held); {
	case err != nil:
		return err
	case proof != l.Proof:
		return fmt.Errorf("store: verify: the lineage has the proof %s, and its facts have the proof %s: %w", l.Proof, proof, backend.ErrCorrupt)
	}
	return nil
}

// verifyWhole checks that a lineage has every cause and source that is in the log.
func (e *Engine) verifyWhole(l Lineage) error {
	has, missing := make(map[Source]bool, 2*len(l.Facts)), make(map[string]bool, len(l.Missing))
	for _, f := range l.Facts {
		has[Source{f.Store, f.ID}], has[Source{"", f.ID}] = true, true
	}
	for _, id := range l.Missing {
		missing[id] = false // no fact names it
	}
	for _, f := range l.Facts {
		for _, link := range f.links() {
			r := e.led(link)
			if r.data != nil {
				link.Store = r.Store()
			} else if link.other {
				link.Store = ""
			}
			switch _, said := missing[link.ID]; {
			case has[link.Source]: // whether the log has it is checked for every fact
			case r.data == nil && said:
				missing[link.ID] = true
			default:
				return fmt.Errorf("store: verify: the lineage leaves out fact %s, which led to fact %s: %w", link.ID, f.ID, backend.ErrCorrupt)
			}
		}
	}
	for id, named := range missing {
		if !named {
			return fmt.Errorf("store: verify: fact %s is missing in the lineage, and none of its facts names it, or it is in the log: %w", id, backend.ErrCorrupt)
		}
	}
	return nil
}
