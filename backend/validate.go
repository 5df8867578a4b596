// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// The limits of a fact, in bytes where no other unit is named.
const (
	MaxIDLen    = 128  // ID and Causation
	MaxStoreLen = 256  // Store
	MaxKeyLen   = 1024 // Key
	MaxHashLen  = 128  // ValueHash
	MaxByLen    = 256  // By
	MaxDepth    = 90   // Value, Producer, Derivation: arrays and objects inside each other
)

// MaxBatch limits the facts of a [Batch], and likewise its expectations. It is the same for every backend, so that a batch
// which one backend takes is not too long for another.
const MaxBatch = 100_000

// Times lie in the years 1 to 9999; the zero time.Time means "not given".
var (
	minTime = time.Time{}.Add(1)
	maxTime = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).Add(-1)
)

// Validate reports the first rule of [Fact] that f breaks as an *InvalidError, or nil. It checks every byte of f, and does
// not change f. It does not check the size of f's frame, since each backend has its own limit.
func (f *Fact) Validate() error {
	if err := checkText("id", f.ID, 1, MaxIDLen); err != nil {
		return err
	}
	if err := checkName(f.Store, f.Key); err != nil {
		return err
	}
	if len(f.Value) == 0 {
		return &InvalidError{"value", "empty: a fact has a JSON value, and null retracts"}
	}
	if err := checkValue("value", f.Value); err != nil {
		return err
	}
	if err := checkText("value_hash", f.ValueHash, 0, MaxHashLen); err != nil {
		return err
	}
	if err := checkText("causation", f.Causation, 0, MaxIDLen); err != nil {
		return err
	}
	if err := checkText("by", f.By, 0, MaxByLen); err != nil {
		return err
	}
	if err := checkTime("transaction_time", f.TransactionTime); err != nil {
		return err
	}
	if err := checkTime("valid_time", f.ValidTime); err != nil {
		return err
	}
	if f.SchemaVersion < 0 || f.SchemaVersion > math.MaxInt32 {
		return &InvalidError{"schema_version", fmt.Sprintf("%d is not from 1 to %d", f.SchemaVersion, math.MaxInt32)}
	}
	if f.Producer != nil {
		if err := checkValue("producer", f.Producer); err != nil {
			return err
		}
	}
	if f.Derivation != nil {
		return checkValue("derivation", f.Derivation)
	}
	return nil
}

// Validate reports the first rule that b breaks as an *InvalidError, or nil. The error's Field names the fact or
// expectation by its index. More than [MaxBatch] facts or expectations are ErrTooLarge.
func (b *Batch) Validate() error {
	if n := max(len(b.Facts), len(b.Expect)); n > MaxBatch {
		return fmt.Errorf("%w: a batch has at most %d facts and as many expectations, and this one has %d: write several", ErrTooLarge, MaxBatch, n)
	}
	for i := range b.Facts {
		if err := b.Facts[i].Validate(); err != nil {
			return within(fmt.Sprintf("facts[%d].", i), err)
		}
	}
	for i := range b.Expect {
		e := &b.Expect[i]
		err := checkName(e.Store, e.Key)
		if err == nil {
			err = checkText("id", e.ID, 0, MaxIDLen)
		}
		if err != nil {
			return within(fmt.Sprintf("expect[%d].", i), err)
		}
	}
	return nil
}

func within(prefix string, err error) error {
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		return &InvalidError{prefix + invalid.Field, invalid.Reason}
	}
	return err
}

// CheckStore reports why name can't be the name of a store, as an *InvalidError, or nil.
func CheckStore(name string) error { return checkText("store", name, 1, MaxStoreLen) }

func checkName(store, key string) error {
	if err := CheckStore(store); err != nil {
		return err
	}
	return checkText("key", key, 0, MaxKeyLen)
}

func checkText(field, s string, least, most int) error {
	switch {
	case len(s) < least:
		return &InvalidError{field, "empty"}
	case len(s) > most:
		return &InvalidError{field, fmt.Sprintf("%d bytes long, the limit is %d", len(s), most)}
	case !utf8.ValidString(s):
		return &InvalidError{field, fmt.Sprintf("%q is not valid UTF-8", s)}
	}
	return nil
}

func checkTime(field string, t time.Time) error {
	if !t.IsZero() && (t.Before(minTime) || t.After(maxTime)) {
		return &InvalidError{field, "not in the years 1 to 9999"}
	}
	return nil
}

func checkValue(field string, v json.RawMessage) error {
	if err := jsonvalue.Check(v, MaxDepth); err != nil {
		return &InvalidError{field, err.Error()}
	}
	return nil
}

// IsNull reports whether v is the JSON value null, with or without white space around it.
func IsNull(v []byte) bool { return jsonvalue.IsNull(v) }
