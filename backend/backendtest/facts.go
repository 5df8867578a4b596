// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/igniter-store/igniter/backend"
)

// fact returns the i-th plain fact: one of three keys in store "tasks".
func fact(i int) backend.Fact {
	return of(fmt.Sprintf("fact-%06d", i), "tasks", fmt.Sprintf("t%d", i%3), fmt.Sprintf(`{"n":%d}`, i))
}

// facts returns the plain facts 0 to n-1.
func facts(n int) []backend.Fact {
	all := make([]backend.Fact, n)
	for i := range all {
		all[i] = fact(i)
	}
	return all
}

// wide returns the i-th plain fact with a value of a page's size, so that logs of a few facts have several
// pages.
func wide(i int) backend.Fact {
	f := fact(i)
	f.Value = fmt.Appendf(nil, `{"n":%d,"text":"%s"}`, i, strings.Repeat("x", backend.PageSize))
	return f
}

// wides returns the wide facts 0 to n-1.
func wides(n int) []backend.Fact {
	all := make([]backend.Fact, n)
	for i := range all {
		all[i] = wide(i)
	}
	return all
}

// of returns a fact without the fields that the log fills in.
func of(id, store, key, value string) backend.Fact {
	return backend.Fact{ID: id, Store: store, Key: key, Value: json.RawMessage(value)}
}

// full returns a fact with all fields set that the log does not fill in.
func full(id string) backend.Fact {
	f := of(id, "ünïcode store", "a/key with spaces\x00and more", `{"a":[1,2,{"b":null}]}`)
	f.ValidTime = time.Date(2021, 3, 4, 5, 6, 7, 123456789, time.UTC)
	f.SchemaVersion = 7
	f.Producer = json.RawMessage(`{"name":"tests","version":1.50}`)
	f.Derivation = json.RawMessage(`["from",{"fact":"f1"}]`)
	return f
}

// held returns the fact that a log must hold after given was written: given, with the fields from got that the log fills
// in.
func held(given, got backend.Fact) backend.Fact {
	f := given.Clone()
	f.Seq = got.Seq
	f.Value = bytes.Trim(f.Value, " \t\r\n")
	if f.ValueHash == "" {
		f.ValueHash = got.ValueHash
	}
	if f.Causation == "" {
		f.Causation = got.Causation
	}
	if f.TransactionTime.IsZero() {
		f.TransactionTime = got.TransactionTime
	}
	f.SchemaVersion = max(f.SchemaVersion, 1)
	if backend.IsNull(f.Producer) {
		f.Producer = nil
	}
	if backend.IsNull(f.Derivation) {
		f.Derivation = nil
	}
	return f
}

// trimmed returns f without white space around its value, which a log may keep or not.
func trimmed(f backend.Fact) backend.Fact {
	f.Value = bytes.Trim(f.Value, " \t\r\n")
	return f
}

// clones returns deep copies.
func clones(all []backend.Fact) []backend.Fact {
	copies := slices.Clone(all)
	for i := range copies {
		copies[i] = copies[i].Clone()
	}
	return copies
}

// overwrite overwrites every byte of f that could be shared, and the capacity behind it.
func overwrite(f backend.Fact) {
	for _, b := range []json.RawMessage{f.Value, f.Producer, f.Derivation} {
		copy(b, bytes.Repeat([]byte("#"), len(b)))
		_ = append(b, "####"...)
	}
}

func equal(a, b backend.Fact) bool {
	return a.Seq == b.Seq && a.ID == b.ID && a.Store == b.Store && a.Key == b.Key &&
		equalJSON(a.Value, b.Value) && a.ValueHash == b.ValueHash && a.Causation == b.Causation &&
		a.TransactionTime.Equal(b.TransactionTime) && a.ValidTime.Equal(b.ValidTime) &&
		a.SchemaVersion == b.SchemaVersion && a.By == b.By && equalJSON(a.Producer, b.Producer) &&
		equalJSON(a.Derivation, b.Derivation)
}

// equalJSON compares bytes; nil is not equal to empty.
func equalJSON(a, b json.RawMessage) bool {
	return (a == nil) == (b == nil) && bytes.Equal(a, b)
}

// diff says how got differs from want, "" if it does not.
func diff(got, want []backend.Fact) string {
	if slices.EqualFunc(got, want, equal) {
		return ""
	}
	got, want = shortened(got), shortened(want)
	if len(got)+len(want) > 200 { // too many to print: the first difference is enough
		i := 0
		for i < len(got) && i < len(want) && equal(got[i], want[i]) {
			i++
		}
		return fmt.Sprintf("%d facts, want %d; they differ from number %d on:\n%s", len(got), len(want), i,
			cmp.Diff(want[i:min(i+3, len(want))], got[i:min(i+3, len(got))], cmp.Comparer(equalJSON)))
	}
	return cmp.Diff(want, got, cmp.Comparer(equalJSON))
}

// shortened returns facts for printing: the end of a long value is replaced by its hash.
func shortened(all []backend.Fact) []backend.Fact {
	all = slices.Clone(all)
	for i := range all {
		if v := all[i].Value; len(v) > 1000 {
			all[i].Value = fmt.Appendf(nil, "%.60s... (%d bytes, SHA-256 %x)", v, len(v), sha256.Sum256(v))
		}
	}
	return all
}

// seqs returns the seq of each.
func seqs(all []backend.Fact) []uint64 {
	list := make([]uint64, len(all))
	for i, f := range all {
		list[i] = f.Seq
	}
	return list
}

// without returns the facts except the ones at the given indexes.
func without(all []backend.Fact, places ...int) []backend.Fact {
	var rest []backend.Fact
	for i, f := range all {
		if !slices.Contains(places, i) {
			rest = append(rest, f)
		}
	}
	return rest
}
