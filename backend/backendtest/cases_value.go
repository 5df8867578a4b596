// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// valueCases are about the fields of facts.
func valueCases() []testCase {
	return []testCase{
		{"value-kept", 0, "Value is one JSON value, kept byte for byte except for white space around it.", valueKept},
		{"value-numbers-kept", 0, "Value is kept byte for byte, the text of numbers included.", valueNumbers},
		{"value-large", 0, "Value is kept byte for byte, whatever its length, as long as the fact's frame fits the limit.", valueLarge},
		{"value-too-large", limited, "A fact whose frame is larger than the backend's limit is ErrTooLarge, and is not written.", valueTooLarge},
		{"fields-kept", 0, "Every field that a writer sets is kept unchanged.", fieldsKept},
		{"by-kept", stamped, "By is kept unchanged; a fact written again may have another By.", byKept},
		{"hash-filled", 0, "ValueHash is the lower-case hex SHA-256 of Value's canonical JSON; the log fills it in if it is empty.", hashFilled},
		{"hash-given", 0, "A ValueHash that is given is kept, even one that does not match.", hashGiven},
		{"schema-version", 0, "SchemaVersion is from 1 to 2,147,483,647; 0 stands for 1.", schemaVersion},
		{"null-not-given", 0, "A Producer or Derivation of null becomes nil.", nullNotGiven},
	}
}

// wantKept writes each value in its own fact, and fails the case unless each comes back unchanged.
func (h *harness) wantKept(values ...string) {
	h.Helper()
	b := h.open()
	var log []backend.Fact
	for i, v := range values {
		f := of(fact(i).ID, "s", "k", v)
		f.Producer, f.Derivation = []byte(v), []byte(v)
		if backend.IsNull(f.Producer) {
			f.Producer, f.Derivation = nil, nil
		}
		got := h.write(b, f)[0]
		want := held(f, got)
		want.Producer, want.Derivation = bytes.TrimSpace(want.Producer), bytes.TrimSpace(want.Derivation)
		got = trimmed(got)
		got.Producer, got.Derivation = bytes.TrimSpace(got.Producer), bytes.TrimSpace(got.Derivation)
		h.wantSame("a written value", []backend.Fact{got}, []backend.Fact{want})
		log = append(log, want)
	}
	all := h.replay(b, 0)
	for i := range all {
		all[i] = trimmed(all[i])
		all[i].Producer, all[i].Derivation = bytes.TrimSpace(all[i].Producer), bytes.TrimSpace(all[i].Derivation)
	}
	h.wantSame("the log", all, log)
}

func valueKept(h *harness) {
	h.wantKept("null", "true", `""`, "[]", "{}", `[ ]`, `{ }`,
		"{ \"b\" :\t1 ,\r\n  \"a\":[ 1,2 , 3 ]}", // order and white space inside
		"[1,\n2]", "{\"a\":\n{\"b\":\n1}}",
		" \t\r\n{\"around\":1} \n", "\nnull ", "7 ",
		`"é ü 漢字 😀 \u00e9 \ud83d\ude00 \/ \b\f\n\r\t \" \\ \u0000 \u001f < > & '"`,
		"\"\u2028\u2029\ufeff\ufffd\x7f\U0010ffff\"",
		`{"\u0061b":1,"é":2,"e\u0301":3,"":4}`,
		`{"seq":1,"id":"x","value":{"value":null}}`,
		`[[[]],[{}],{"a":{"b":[{}]}}]`,
	)
}

func valueNumbers(h *harness) {
	h.wantKept("1.0e-07", "123456789012345678901234567890", "-0.0", "-0", "0", "1.0e+20", "1E5", "1e5", "1.10",
		"9007199254740993", "18446744073709551616", "1e400", "0.1000000000000000055511151231257827",
		`{"a":1.0,"b":[1.00,-1.5E-3,100000000000000000000000.5]}`)
}

func valueLarge(h *harness) {
	b := h.open()
	text := strings.Repeat("0123456789abcde\u00e9", 1<<20/17)
	f := of("large", "s", "k", `{"text":"`+text+`"}`)
	log := h.write(b, fact(0), f, fact(1))
	all := h.replay(b, 0)
	if len(all) != 3 || !bytes.Equal(all[1].Value, f.Value) || !bytes.Equal(log[1].Value, f.Value) {
		h.Fatalf("a value of %d bytes was not kept", len(f.Value))
	}
	all[1].Value, log[1].Value = nil, nil
	h.wantSame("the log", all, log)
}

func valueTooLarge(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	f := of("large", "tasks", "t0", `"`+strings.Repeat("x", b.Features().MaxFrame)+`"`)
	f.ValueHash = "given" // hashing would take long
	got, err := h.put(b, f)
	h.wantError("a value of "+fmt.Sprint(len(f.Value))+" bytes", err, backend.ErrTooLarge)
	if got.ID != "" || got.Value != nil {
		h.Fatalf("the error came with a fact that is not zero")
	}
	h.wantLog(b, log)
	f.Value = []byte(`"small"`)
	log = append(log, h.write(b, f, fact(3))...)
	h.wantLog(b, log)
	if log[1].Causation != fact(0).ID {
		h.Fatalf("the next fact has causation %q, want %q", log[1].Causation, fact(0).ID)
	}
}

func fieldsKept(h *harness) {
	b := h.open()
	plain, whole := of("plain", "s", "k", "1"), full("whole")
	all := full("all")
	all.Causation, all.ValueHash = "ünknown", "ANY text"
	all.TransactionTime = time.Date(2020, 2, 29, 1, 2, 3, 987654321, time.FixedZone("east", 3*3600))
	old := of("old", "s", "old", "1")
	old.ValidTime = time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)
	before := of("before", "s", "old", "1")
	before.ValidTime = time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC)
	given := []backend.Fact{plain, whole, all, old, before}
	log := h.write(b, given...)
	for i, f := range log {
		h.wantSame("a written fact", []backend.Fact{f}, []backend.Fact{held(given[i], f)})
	}
	h.wantLog(b, log)
}

func byKept(h *harness) {
	b := h.open()
	var given []backend.Fact
	for i, by := range []string{"", "app", `an "app" of ünïcode`, strings.Repeat("é", 128)} {
		f := full(fmt.Sprint("by-", i))
		if f.By = by; i%2 > 0 {
			f.Producer, f.Derivation = nil, nil
		}
		given = append(given, f)
	}
	log := h.write(b, given...)
	for i, f := range log {
		h.wantSame("a written fact", []backend.Fact{f}, []backend.Fact{held(given[i], f)})
	}
	again := given[1]
	again.By = "another"
	h.wantSame("a fact that another one writes again", h.write(b, again), log[1:2])
	h.wantLog(b, log)
}

func hashFilled(h *harness) {
	b := h.open()
	for i, x := range []struct{ value, canonical string }{
		{`{"n":1}`, `{"n":1}`},
		{" null ", "null"},
		{"{ \"b\" : [ 1 ,\n2 ] , \"a\" : { \"d\":true, \"c\":false } }", `{"a":{"c":false,"d":true},"b":[1,2]}`},
		{`{"Z":1,"a":2,"é":3,"\u0062":4,"aa":5}`, `{"Z":1,"a":2,"aa":5,"b":4,"é":3}`},
		{`{"\uffff":1,"\ud83d\ude00":2}`, "{\"\uffff\":1,\"\U0001f600\":2}"}, // by bytes, not by UTF-16
		{`"\u00e9\/\u003c\u000a\u0008\u0001\u007f"`, "\"é/<\\n\\b\\u0001\x7f\""},
		{`[1.0e-07,123456789012345678901234567890,-0.0,1.0e+20,1E5]`, `[1.0e-07,123456789012345678901234567890,-0.0,1.0e+20,1E5]`},
	} {
		sum := sha256.Sum256([]byte(x.canonical))
		want := hex.EncodeToString(sum[:])
		if got := h.write(b, of(fact(i).ID, "s", "k", x.value))[0]; got.ValueHash != want {
			h.Fatalf("the hash of %s is %q, want %s, the hash of %s", x.value, got.ValueHash, want, x.canonical)
		}
	}
}

func hashGiven(h *harness) {
	b := h.open()
	f := fact(0)
	f.ValueHash = "no hash at all"
	other := fact(1)
	other.ValueHash = strings.Repeat("AB", 32)
	log := h.write(b, f, other)
	if log[0].ValueHash != f.ValueHash || log[1].ValueHash != other.ValueHash {
		h.Fatalf("given hashes became %q and %q", log[0].ValueHash, log[1].ValueHash)
	}
	h.wantSame("a fact written again with its given hash", h.write(b, f), log[:1])
	h.wantLog(b, log)
}

func schemaVersion(h *harness) {
	b := h.open()
	var log []backend.Fact
	for i, x := range []struct{ given, want int }{{0, 1}, {1, 1}, {2, 2}, {math.MaxInt32, math.MaxInt32}} {
		f := fact(i)
		f.SchemaVersion = x.given
		log = append(log, h.write(b, f)...)
		if got := log[i].SchemaVersion; got != x.want {
			h.Fatalf("schema version %d became %d, want %d", x.given, got, x.want)
		}
	}
	h.wantLog(b, log)
}

func nullNotGiven(h *harness) {
	b := h.open()
	var log []backend.Fact
	for i, null := range []string{"null", " null\n"} {
		f := fact(i)
		f.Producer, f.Derivation = []byte(null), []byte(null)
		got := h.write(b, f)[0]
		if got.Producer != nil || got.Derivation != nil {
			h.Fatalf("producer %q became %q, derivation %q, want nil", null, got.Producer, got.Derivation)
		}
		log = append(log, got)
	}
	h.wantLog(b, log)
}
