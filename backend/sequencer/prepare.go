// SPDX-License-Identifier: Apache-2.0

package sequencer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"unsafe"

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
	r, value := room{left: need(&f)}, f.Value
	if err := r.hash(&f); err != nil {
		return f, cmp.Or(f.Validate(), err)
	}
	err := f.Validate()
	if f.Value = value; err == nil {
		r.normalize(&f)
	}
	return f, err
}

// PrepareBatch checks b as [Prepare] checks a fact, and returns its facts in the form that a log keeps. It does not change
// b. The facts share blocks of memory with each other.
func PrepareBatch(b backend.Batch, limit int) ([]backend.Fact, error) {
	r := room{}
	for i := range b.Facts {
		if err := checkSize(&b.Facts[i], limit); err != nil {
			return nil, err
		}
		r.left += need(&b.Facts[i])
	}
	if len(b.Facts) > backend.MaxBatch {
		return nil, b.Validate()
	}
	facts := slices.Clone(b.Facts)
	for i := range facts {
		if err := r.hash(&facts[i]); err != nil {
			return nil, cmp.Or(b.Validate(), err)
		}
	}
	if err := (&backend.Batch{Facts: facts, Expect: b.Expect}).Validate(); err != nil {
		return nil, err
	}
	for i := range facts {
		facts[i].Value = b.Facts[i].Value
		r.normalize(&facts[i])
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
	r, value := room{left: need(&f)}, f.Value
	err := r.hash(&f)
	if f.Value = value; err == nil {
		r.normalize(&f)
	}
	return f, err
}

// A room has blocks of memory that prepared facts share, so that not every fact costs an allocation.
type room struct {
	block []byte
	left  int // the number of bytes still to be taken
}

// Facts share blocks of about maxBlock bytes. A fact that needs more than maxShared has its own.
const (
	maxBlock  = 32 << 10
	maxShared = 4 << 10
)

// need returns the number of bytes that a fact takes.
func need(f *backend.Fact) int {
	n := Size(f)
	if f.ValueHash == "" {
		n += wire.HashLen
	}
	return n
}

// take returns room for n bytes.
func (r *room) take(n int) []byte {
	r.left -= n
	if cap(r.block)-len(r.block) < n {
		if n > maxShared {
			return make([]byte, 0, n)
		}
		r.block = make([]byte, 0, max(n, min(r.left+n, maxBlock)))
	}
	start := len(r.block)
	r.block = r.block[:start+n]
	return r.block[start : start : start+n]
}

// hash fills in ValueHash if it is empty. Since that checks the value, hash replaces the value by one that is fast to check
// again.
func (r *room) hash(f *backend.Fact) error {
	if f.ValueHash != "" {
		return nil
	}
	text, err := wire.AppendHash(r.take(wire.HashLen), f.Value)
	if err == nil {
		f.ValueHash = unsafe.String(unsafe.SliceData(text), len(text)) // nothing changes text later
		f.Value = plain
	}
	return err
}

var plain = json.RawMessage("0")

// normalize is Normalize for a fact that has a hash.
func (r *room) normalize(f *backend.Fact) {
	f.Seq = 0
	f.SchemaVersion = max(f.SchemaVersion, 1)
	block := r.take(Size(f))
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
}
