// SPDX-License-Identifier: Apache-2.0

package sequencer

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// Prepare checks f and returns it in the form that a log keeps, see [Normalize]. A fact that can't fit a frame of limit
// bytes is backend.ErrTooLarge, which is checked first; a fact that breaks a rule is a *backend.InvalidError. Limit 0 means
// no limit.
//
// The facts of a batch may each fit a frame but not together: the log must check the batch's frame when it knows which
// facts are new.
func Prepare(f backend.Fact, limit int) (backend.Fact, error) {
	if err := checkSize(&f, limit); err != nil {
		return f, err
	}
	if err := f.Validate(); err != nil {
		return f, err
	}
	return Normalize(f)
}

// PrepareBatch checks b as [Prepare] checks a fact, and returns its facts in the form that a log keeps. It does not change
// b.
func PrepareBatch(b backend.Batch, limit int) ([]backend.Fact, error) {
	for i := range b.Facts {
		if err := checkSize(&b.Facts[i], limit); err != nil {
			return nil, err
		}
	}
	if err := b.Validate(); err != nil {
		return nil, err
	}
	facts := slices.Clone(b.Facts)
	for i := range facts {
		var err error
		if facts[i], err = Normalize(facts[i]); err != nil {
			return nil, err
		}
	}
	return facts, nil
}

func checkSize(f *backend.Fact, limit int) error {
	if limit > 0 && Size(f) > limit {
		return TooLarge(limit)
	}
	return nil
}

// TooLarge returns a backend.ErrTooLarge that names the limit of a log's frames, in bytes.
func TooLarge(limit int) error {
	return fmt.Errorf("%w: the limit is a frame of %d bytes", backend.ErrTooLarge, limit)
}

// Size returns the bytes of JSON that a log keeps of f: its values without the white space around them. It does not parse
// the values.
func Size(f *backend.Fact) int {
	return len(jsonvalue.TrimSpace(f.Value)) + len(jsonvalue.TrimSpace(f.Producer)) + len(jsonvalue.TrimSpace(f.Derivation))
}

// Normalize returns f, which must be valid, in the form that a log keeps, except for the fields that [Sequencer.Assign]
// sets. It removes the white space around JSON values, fills in SchemaVersion and ValueHash, makes a null Producer or
// Derivation nil, brings times into UTC, and sets Seq to 0. The result shares no bytes with f.
func Normalize(f backend.Fact) (backend.Fact, error) {
	if f.ValueHash == "" {
		var err error
		if f.ValueHash, err = wire.Hash(f.Value); err != nil {
			return f, err
		}
	}
	f.Seq = 0
	f.SchemaVersion = max(f.SchemaVersion, 1)
	block := make([]byte, 0, Size(&f))
	for _, v := range []*json.RawMessage{&f.Value, &f.Producer, &f.Derivation} {
		if v != &f.Value && (*v == nil || backend.IsNull(*v)) {
			*v = nil
			continue
		}
		start := len(block)
		block = append(block, jsonvalue.TrimSpace(*v)...)
		*v = block[start:len(block):len(block)]
	}
	if !f.TransactionTime.IsZero() {
		f.TransactionTime = wire.Time(f.TransactionTime)
	}
	if !f.ValidTime.IsZero() {
		f.ValidTime = wire.Time(f.ValidTime)
	}
	return f, nil
}
