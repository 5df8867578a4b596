package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// appendLine appends a fact as a line of NDJSON, in the form of logs.
func appendLine(dst []byte, f *backend.Fact) []byte {
	start := len(dst)
	dst = wire.AppendFact(dst, f)
	if bytes.ContainsAny(dst[start:], "\r\n") { // white space in a value
		var line bytes.Buffer
		if json.Compact(&line, dst[start:]) == nil {
			dst = append(dst[:start], line.Bytes()...)
		}
	}
	return append(dst, '\n')
}

// valueCell returns a fact's value as tables show it.
func valueCell(f *backend.Fact) string {
	if f.Retraction() {
		return "(deleted)"
	}
	return cut(string(f.Value), 72)
}

// writerCell returns who wrote a fact as tables show it: @ and the name that a server stamped, and then what the writer says. No
// JSON begins with @. "": neither is known.
func writerCell(f *backend.Fact) string {
	by := f.By
	if by != "" {
		by = "@" + by
	}
	return cut(strings.TrimSpace(by+" "+string(f.Producer)), 32)
}

// describe returns all of a fact for people.
func describe(f *backend.Fact, version int) table {
	t := table{}
	t.row("store", f.Store)
	t.row("key", f.Key)
	t.row("value", string(f.Value))
	t.row("seq", f.Seq)
	t.row("version", version)
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
