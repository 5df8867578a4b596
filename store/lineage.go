package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A FactRef says everything about a fact but its value, of which it has the hash.
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
	Producer        json.RawMessage `json:"producer,omitempty"`
	Derivation      json.RawMessage `json:"derivation,omitempty"`
}

// Ref returns what there is to say about the fact without its value.
func (r Record) Ref() FactRef {
	f := r.Fact()
	return FactRef{
		Seq: f.Seq, ID: f.ID, Store: f.Store, Key: f.Key, ValueHash: f.ValueHash, Causation: f.Causation,
		TransactionTime: f.TransactionTime, ValidTime: f.ValidTime, SchemaVersion: f.SchemaVersion,
		Producer: f.Producer, Derivation: f.Derivation,
	}
}

// Sources returns the IDs of the facts that the fact was derived from by a [Rule]; nil if it was not.
func (r Record) Sources() []string {
	var d derivation
	if text := r.Derivation(); text == nil || json.Unmarshal(text, &d) != nil {
		return nil // what others put there is theirs
	}
	return d.Sources
}

// Causes returns the fact and those that led to it one after the other by Causation, the oldest first:
// the causation chain. It begins where a cause is not held, because there is none or it was pruned, or
// dropped from memory.
func (e *Engine) Causes(r Record) []FactRef {
	var chain []FactRef
	for seen := map[uint64]bool{}; r.data != nil && !seen[r.Seq()]; {
		seen[r.Seq()] = true
		chain = append(chain, r.Ref())
		r, _ = e.FactByID(r.Causation())
	}
	slices.Reverse(chain)
	return chain
}

// A Lineage is all that led to a fact: who wrote what when, from which sources.
type Lineage struct {
	// Facts are the fact itself, the last one, its causes and sources, and theirs, in the order of
	// the log. Their Causation and Derivation say how they hang together.
	Facts []FactRef `json:"facts"`

	// Missing are the IDs of causes and sources that the engine does not hold: they were pruned, or
	// were never in this log. Sorted.
	Missing []string `json:"missing,omitempty"`

	// Proof is the hex SHA-256 of the facts' canonical JSON, one after the other: of two lineages
	// with the same proof, nobody changed a fact, its value or a link.
	Proof string `json:"proof"`
}

// Lineage returns what led to r; ErrDropped where the engine does not hold a part of it that the log may
// have.
func (e *Engine) Lineage(r Record) (Lineage, error) {
	var l Lineage
	seen := map[string]bool{}
	for open := []Record{r}; len(open) > 0; {
		last := open[len(open)-1]
		open = open[:len(open)-1]
		if last.data == nil || seen[last.ID()] {
			continue
		}
		seen[last.ID()] = true
		l.Facts = append(l.Facts, last.Ref())
		for _, id := range append(last.Sources(), last.Causation()) {
			if id == "" || seen[id] {
				continue
			}
			if cause, ok := e.FactByID(id); ok {
				open = append(open, cause)
			} else if e.partial() {
				return Lineage{}, fmt.Errorf("store: lineage of fact %s: fact %s: %w", r.ID(), id, ErrDropped)
			} else if !slices.Contains(l.Missing, id) {
				l.Missing = append(l.Missing, id)
			}
		}
	}
	slices.SortFunc(l.Facts, func(a, b FactRef) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	})
	slices.Sort(l.Missing)
	var err error
	l.Proof, err = l.prove()
	return l, err
}

func (l Lineage) prove() (string, error) {
	sum := sha256.New()
	for _, f := range l.Facts {
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

// Verify checks a lineage, as it was taken here or elsewhere, against the log: its proof is that of
// its facts, each of them is in the log as the lineage has it, and has a value with that hash. What
// does not hold is an error that names the fact, and is backend.ErrCorrupt. Facts whose hash another
// system computed otherwise do not pass. A fact that the engine does not hold and the log may is
// ErrDropped.
func (e *Engine) Verify(l Lineage) error {
	proof, err := l.prove()
	if err != nil {
		return err
	}
	if proof != l.Proof {
		return fmt.Errorf("store: verify: the proof is %s, and that of the facts is %s: %w", l.Proof, proof, backend.ErrCorrupt)
	}
	for _, f := range l.Facts {
		r, ok := e.FactByID(f.ID)
		if !ok && e.partial() {
			return fmt.Errorf("store: verify: fact %s: %w", f.ID, ErrDropped)
		}
		if !ok {
			return fmt.Errorf("store: verify: fact %s is not in the log: %w", f.ID, backend.ErrCorrupt)
		}
		held, _ := json.Marshal(r.Ref())
		given, _ := json.Marshal(f)
		if !bytes.Equal(held, given) {
			return fmt.Errorf("store: verify: fact %s is %s in the log, and not %s: %w", f.ID, held, given, backend.ErrCorrupt)
		}
		if hash, err := wire.Hash(r.Value()); err != nil || hash != f.ValueHash {
			return fmt.Errorf("store: verify: fact %s has a value with the hash %s, and not %s: %w", f.ID, hash, f.ValueHash, backend.ErrCorrupt)
		}
	}
	return nil
}
