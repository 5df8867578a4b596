// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// invalidCases are about the limits of Fact.
func invalidCases() []testCase {
	const rule = "A fact that breaks a limit of Fact is an *InvalidError, which names the field, and is not written. "
	return []testCase{
		{"invalid-text", 0, rule + "ID: 1 to 128 bytes of UTF-8; Store: 1 to 256; Key: at most 1024; ValueHash and Causation: at most 128.", invalidText},
		{"invalid-by", stamped, rule + "By: at most 256 bytes of UTF-8.", invalidBy},
		{"invalid-value", 0, rule + "Value is one JSON value, in valid UTF-8, without lone surrogates. Empty is not null, and invalid.", invalidValue},
		{"invalid-depth", 0, rule + "Value, Producer and Derivation are at most 90 levels deep.", invalidDepth},
		{"invalid-duplicate-key", 0, rule + "No object of Value, Producer or Derivation has the same key twice.", invalidDuplicateKey},
		{"invalid-time", 0, rule + "Times lie in the years 1 to 9999.", invalidTime},
		{"invalid-schema-version", 0, rule + "SchemaVersion is from 1 to 2,147,483,647; 0 stands for 1.", invalidSchemaVersion},
		{"limits", 0, "A fact that just meets every limit of Fact is accepted; the empty key is a key like any other.", limits},
	}
}

// A fault is a field that breaks a limit.
type fault struct {
	field  string
	change func(f *backend.Fact)
}

// wantInvalid fails the case unless b refuses a fact with each fault, and writes nothing.
func (h *harness) wantInvalid(faults ...fault) {
	h.Helper()
	b := h.open()
	log := h.write(b, fact(0))
	for i, x := range faults {
		f := full("bad")
		x.change(&f)
		got, err := h.put(b, f)
		var invalid *backend.InvalidError
		if !errors.As(err, &invalid) || !errors.Is(err, backend.ErrInvalid) {
			h.Errorf("%s, fault %d: error %v, want an *InvalidError", x.field, i, err)
		} else if invalid.Field != x.field {
			h.Errorf("%s, fault %d: the error names field %q: %v", x.field, i, invalid.Field, err)
		}
		if !equal(got, backend.Fact{}) {
			h.Errorf("%s, fault %d: the error came with a fact that is not zero", x.field, i)
		}
	}
	h.wantLog(b, log)
	log = append(log, h.write(b, full("bad"))...) // the ID is still unused
	h.wantLog(b, log)
}

func invalidText(h *harness) {
	fields := []struct {
		name     string
		set      func(f *backend.Fact, s string)
		required bool
		most     int
	}{
		{"id", func(f *backend.Fact, s string) { f.ID = s }, true, 128},
		{"store", func(f *backend.Fact, s string) { f.Store = s }, true, 256},
		{"key", func(f *backend.Fact, s string) { f.Key = s }, false, 1024},
		{"value_hash", func(f *backend.Fact, s string) { f.ValueHash = s }, false, 128},
		{"causation", func(f *backend.Fact, s string) { f.Causation = s }, false, 128},
	}
	var faults []fault
	for _, x := range fields {
		bad := []string{strings.Repeat("x", x.most+1), strings.Repeat("é", x.most/2) + "x", "\xff", "a\xc3", "\xed\xa0\x80", "a\xc0\x80b"}
		if x.required {
			bad = append(bad, "")
		}
		for _, s := range bad {
			faults = append(faults, fault{x.name, func(f *backend.Fact) { x.set(f, s) }})
		}
	}
	h.wantInvalid(faults...)
}

func invalidBy(h *harness) {
	var faults []fault
	for _, s := range []string{strings.Repeat("x", 257), strings.Repeat("é", 128) + "x", "\xff", "a\xc3", "\xed\xa0\x80"} {
		faults = append(faults, fault{"by", func(f *backend.Fact) { f.By = s }})
	}
	h.wantInvalid(faults...)
}

// each returns faults that put the texts into Value, Producer and Derivation.
func each(texts ...string) []fault {
	var faults []fault
	for _, s := range texts {
		faults = append(faults,
			fault{"value", func(f *backend.Fact) { f.Value = json.RawMessage(s) }},
			fault{"producer", func(f *backend.Fact) { f.Producer = json.RawMessage(s) }},
			fault{"derivation", func(f *backend.Fact) { f.Derivation = json.RawMessage(s) }})
	}
	return faults
}

func invalidValue(h *harness) {
	faults := each("", " ", "nul", "NULL", "{", "}", "[1", "[1,]", `{"a":1,}`, `{"a"}`, `{a:1}`, "'a'", `"a`, "1 2", "{}{}", "null,",
		"01", "+1", "1.", ".5", "1e", "--1", "0x1", "NaN", "Infinity", "truE", "\x00", "[1]\x00", "\ufeff1", "1 // one", "\u00a01",
		"\"a\nb\"", "\"\t\"", `"\x41"`, `"\u12"`, `"\u12G4"`, `"\`,
		"\"\xff\"", "\"a\xc3\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", "\"\xf4\x90\x80\x80\"", "{\"\xff\":1}",
		`"\ud800"`, `"\udc00"`, `"\ud800\ud800"`, `"\udc00\ud800"`, `"\ud800x"`, `"\ud800\n"`, `{"\ud83d":1}`, `[["\uDBFF"]]`)
	faults = append(faults, fault{"value", func(f *backend.Fact) { f.Value = nil }})
	h.wantInvalid(faults...)
}

// nested returns depth arrays, or objects, inside each other.
func nested(depth int) []string {
	return []string{
		strings.Repeat("[", depth) + strings.Repeat("]", depth),
		strings.Repeat(`{"a":`, depth-1) + "{}" + strings.Repeat("}", depth-1),
		strings.Repeat(`[{"a":`, depth/2) + strings.Repeat("[", depth%2) + strings.Repeat("]", depth%2) + map[bool]string{true: "1"}[depth%2 == 0] + strings.Repeat("}]", depth/2),
	}
}

func invalidDepth(h *harness) {
	h.wantInvalid(each(append(nested(91), nested(5000)...)...)...)
}

func invalidDuplicateKey(h *harness) {
	var many strings.Builder
	for i := range 40 {
		many.WriteString(`"` + fact(i).ID + `":1,`)
	}
	h.wantInvalid(each(`{"a":1,"a":1}`, `{"a":1,"b":2,"a":3}`, `{"":1,"":2}`, `[{"x":{"a":1,"a":2}}]`, `{"a":{"a":1},"b":[],"a":0}`,
		`{"a":1,"\u0061":2}`, `{"é":1,"\u00e9":2}`, `{"😀":1,"\ud83d\ude00":2}`, `{"/":1,"\/":2}`, `{"\n":1,"\u000A":2}`,
		`{`+many.String()+`"fact-000007":2}`)...)
}

func invalidTime(h *harness) {
	var faults []fault
	for _, t := range []time.Time{
		time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 30, 0, 0, time.FixedZone("west", -3600)),
		time.Date(0, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(-44, 3, 15, 12, 0, 0, 0, time.UTC),
		time.Unix(math.MaxInt64>>8, 0), time.Unix(math.MinInt64>>8, 0),
	} {
		faults = append(faults,
			fault{"transaction_time", func(f *backend.Fact) { f.TransactionTime = t }},
			fault{"valid_time", func(f *backend.Fact) { f.ValidTime = t }})
	}
	h.wantInvalid(faults...)
}

func invalidSchemaVersion(h *harness) {
	h.wantInvalid(
		fault{"schema_version", func(f *backend.Fact) { f.SchemaVersion = -1 }},
		fault{"schema_version", func(f *backend.Fact) { f.SchemaVersion = math.MinInt }},
		fault{"schema_version", func(f *backend.Fact) { f.SchemaVersion = math.MaxInt32; f.SchemaVersion++ }})
}

func limits(h *harness) {
	b := h.open()
	longest := of(strings.Repeat("i", 128), strings.Repeat("é", 128), strings.Repeat("k", 1024), nested(90)[0])
	longest.ValueHash, longest.Causation = strings.Repeat("h", 128), strings.Repeat("é", 64)
	longest.Producer, longest.Derivation = []byte(nested(90)[1]), []byte(nested(90)[2])
	longest.SchemaVersion = math.MaxInt32
	first, last := time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
	longest.TransactionTime, longest.ValidTime = first, last
	shortest := of("i", "s", "", "0")
	shortest.TransactionTime, shortest.ValidTime = last, first
	after := of("j", "s", "", `{"k":{"a":1},"h":{"a":1}}`)
	given := []backend.Fact{longest, shortest, after}
	log := h.write(b, given...)
	for i, f := range log {
		h.wantSame("a fact at the limits", []backend.Fact{f}, []backend.Fact{held(given[i], f)})
	}
	if t := log[2].TransactionTime; !t.Equal(last) {
		h.Fatalf("after a fact of transaction time %v the log gave %v, which is before it or not in the years 1 to 9999", last, t)
	}
	if log[2].Causation != "i" {
		h.Fatalf("the empty key's second fact has causation %q, want %q", log[2].Causation, "i")
	}
	h.wantLog(b, log)
}
