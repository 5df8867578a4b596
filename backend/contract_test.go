// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

func valid() backend.Fact {
	return backend.Fact{ID: "i", Store: "s", Key: "k", Value: []byte("1")}
}

func nested(open, inner, close string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(close, n)
}

func TestValidate(t *testing.T) {
	tooLarge := math.MaxInt32
	tooLarge++ // negative if an int has 32 bits
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		field  string // "": valid
		change func(*backend.Fact)
	}{
		{"", func(*backend.Fact) {}},
		{"id", func(f *backend.Fact) { f.ID = "" }},
		{"", func(f *backend.Fact) { f.ID = strings.Repeat("i", 128) }},
		{"id", func(f *backend.Fact) { f.ID = strings.Repeat("i", 129) }},
		{"id", func(f *backend.Fact) { f.ID = "\xff" }},
		{"store", func(f *backend.Fact) { f.Store = "" }},
		{"", func(f *backend.Fact) { f.Store = strings.Repeat("é", 128) }},
		{"store", func(f *backend.Fact) { f.Store = strings.Repeat("é", 128) + "x" }},
		{"store", func(f *backend.Fact) { f.Store = "a\xc3" }},
		{"", func(f *backend.Fact) { f.Key = "" }},
		{"", func(f *backend.Fact) { f.Key = strings.Repeat("\x00", 1024) }},
		{"key", func(f *backend.Fact) { f.Key = strings.Repeat("k", 1025) }},
		{"key", func(f *backend.Fact) { f.Key = "\xed\xa0\x80" }},
		{"value", func(f *backend.Fact) { f.Value = nil }},
		{"value", func(f *backend.Fact) { f.Value = []byte("") }},
		{"value", func(f *backend.Fact) { f.Value = []byte(" ") }},
		{"", func(f *backend.Fact) { f.Value = []byte(" null ") }},
		{"value", func(f *backend.Fact) { f.Value = []byte("{") }},
		{"", func(f *backend.Fact) { f.Value = []byte(nested("[", "", "]", 90)) }},
		{"value", func(f *backend.Fact) { f.Value = []byte(nested("[", "", "]", 91)) }},
		{"", func(f *backend.Fact) { f.ValueHash = strings.Repeat("h", 128) }},
		{"value_hash", func(f *backend.Fact) { f.ValueHash = strings.Repeat("h", 129) }},
		{"causation", func(f *backend.Fact) { f.Causation = strings.Repeat("c", 129) }},
		{"causation", func(f *backend.Fact) { f.Causation = "\xff" }},
		{"", func(f *backend.Fact) { f.TransactionTime, f.ValidTime = year(1).Add(1), year(10000).Add(-1) }},
		{"transaction_time", func(f *backend.Fact) { f.TransactionTime = year(10000) }},
		{"valid_time", func(f *backend.Fact) { f.ValidTime = year(1).Add(-1) }},
		{"", func(f *backend.Fact) { f.SchemaVersion = 1<<31 - 1 }},
		{"schema_version", func(f *backend.Fact) { f.SchemaVersion = tooLarge }},
		{"schema_version", func(f *backend.Fact) { f.SchemaVersion = -1 }},
		{"", func(f *backend.Fact) { f.Producer, f.Derivation = []byte(`"me"`), []byte("null") }},
		{"producer", func(f *backend.Fact) { f.Producer = []byte("") }},
		{"producer", func(f *backend.Fact) { f.Producer = []byte(`{"a":1,"a":2}`) }},
		{"derivation", func(f *backend.Fact) { f.Derivation = []byte(nested("[", "", "]", 91)) }},
	} {
		f := valid()
		c.change(&f)
		batch := backend.Batch{Facts: []backend.Fact{valid(), f}}
		if c.field == "" {
			require.NoError(t, f.Validate())
			require.NoError(t, batch.Validate())
			continue
		}
		var invalid *backend.InvalidError
		require.ErrorAs(t, f.Validate(), &invalid)
		require.Equal(t, c.field, invalid.Field)
		require.ErrorAs(t, batch.Validate(), &invalid)
		require.Equal(t, "facts[1]."+c.field, invalid.Field)
		require.ErrorIs(t, batch.Validate(), backend.ErrInvalid)
	}
	for field, e := range map[string]backend.Expect{
		"expect[0].store": {}, "expect[0].key": {Store: "s", Key: "\xff"}, "expect[0].id": {Store: "s", ID: strings.Repeat("x", 129)},
	} {
		batch := backend.Batch{Expect: []backend.Expect{e}}
		var invalid *backend.InvalidError
		require.ErrorAs(t, batch.Validate(), &invalid)
		require.Equal(t, field, invalid.Field)
	}
	require.NoError(t, (&backend.Batch{}).Validate())
}

func TestClone(t *testing.T) {
	f := valid()
	f.Producer, f.Derivation = []byte("2"), nil
	g := f.Clone()
	require.Equal(t, f, g)
	f.Value[0], f.Producer[0] = 'x', 'x'
	require.Equal(t, "1", string(g.Value))
	require.Equal(t, "2", string(g.Producer))
}

func TestErrors(t *testing.T) {
	conflict := &backend.ConflictError{Store: "s", Key: "k", Expected: "a"}
	require.ErrorIs(t, fmt.Errorf("wrapped: %w", conflict), backend.ErrConflict)
	require.EqualError(t, conflict, `backend: conflict: the latest fact of key "k" in store "s" is none, not "a": read the key again, then decide`)
	corrupt := &backend.CorruptError{Path: "p", Offset: 7, Reason: "wrong CRC"}
	require.ErrorIs(t, corrupt, backend.ErrCorrupt)
	require.NotErrorIs(t, corrupt, backend.ErrConflict)
	require.EqualError(t, corrupt, "backend: corrupt: p: at byte 7: wrong CRC")
	require.EqualError(t, &backend.CorruptError{Reason: "x"}, "backend: corrupt: at byte 0: x")
	diverged := &backend.DivergedError{Cursor: backend.Cursor{Log: someLog, Seq: 9}, Common: 7}
	require.ErrorIs(t, fmt.Errorf("wrapped: %w", diverged), backend.ErrDiverged)
	require.ErrorContains(t, diverged, "cursor 9@0197c0de-0100-7000-8000-0000000000ff")
	require.ErrorContains(t, diverged, "after seq 7")
	require.EqualError(t, &backend.InvalidError{Field: "key", Reason: "empty"}, "backend: invalid key: empty")
}
