// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
)

// appendLine appends a fact as a line of NDJSON, in the form of logs.
func appendLine(dst []byte, f *backend.Fact) []byte { return append(query.AppendLine(dst, f), '\n') }

// valueCell returns a fact's value as tables show it.
func valueCell(f *backend.Fact) string {
	if f.Retraction() {
		return "(deleted)"
	}
	return string(f.Value)
}

// writerCell returns the writer of a fact as tables show it: the name that a server stamped, after an @, and then the
// producer. No JSON begins with @. "": neither is known.
func writerCell(f *backend.Fact) string {
	by := f.By
	if by != "" {
		by = "@" + by
	}
	return strings.TrimSpace(by + " " + string(f.Producer))
}

// describe returns a table of all fields of a fact. A version of 0 is left out.
func describe(f *backend.Fact, version int) table {
	t := table{}
	t.row("store", f.Store)
	t.row("key", f.Key)
	t.row("value", string(f.Value))
	t.row("seq", f.Seq)
	if version > 0 {
		t.row("version", version)
	}
	t.row("id", f.ID)
	t.row("follows", cmp.Or(f.Causation, "-"))
	t.row("time", clock(f.TransactionTime))
	t.row("valid", clock(f.ValidTime))
	t.row("schema", f.SchemaVersion)
	if f.By != "" {
		t.row("by", f.By)
	}
	t.row("producer", cmp.Or(string(f.Producer), "-"))
	if f.Derivation != nil {
		t.row("derivation", string(f.Derivation))
	}
	t.row("hash", f.ValueHash)
	return t
}

var factColumns = []any{"SEQ", "TIME", "VALID", "STORE", "KEY", "PRODUCER", "ID", "VALUE"}

// addFact adds a fact to a listing with factColumns.
func (l *listing) addFact(f *backend.Fact) error {
	if l.app.json {
		return l.app.encode(f)
	}
	return l.add(f, f.Seq, clock(f.TransactionTime), clock(f.ValidTime), f.Store, f.Key, l.app.brief(cmp.Or(writerCell(f), "-"), 32), f.ID, valueCell(f))
}

// printEvent prints a fact as a line. On a terminal the line is cut to the terminal's width.
func (a *app) printEvent(f *backend.Fact) error {
	if a.json {
		return a.encode(f)
	}
	_, err := fmt.Fprintln(a.out, a.eventLine("", f, 0))
	return err
}

// eventLine returns a line about a fact. valueBytes is the size of a value that was left out; 0 if the value is there.
func (a *app) eventLine(before string, f *backend.Fact, valueBytes int) string {
	line := before + fmt.Sprint(f.Seq, "  ", clock(f.TransactionTime), "  ", f.Store, "/", f.Key)
	if by := writerCell(f); by != "" {
		line += "  by " + a.brief(by, 32)
	}
	line = printable(line + "  ")
	value := printable(valueCell(f))
	if valueBytes > 0 {
		value = fmt.Sprintf("(%d bytes)", valueBytes)
	}
	if width := a.width(); width > 0 {
		value = cut(value, max(width-uniseg.StringWidth(line), leastRoom))
	}
	return line + value
}
