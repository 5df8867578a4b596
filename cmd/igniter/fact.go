package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"

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

func writeLine(w io.Writer, f *backend.Fact) error {
	_, err := w.Write(appendLine(nil, f))
	return err
}

// valueWidth is how much of a value tables show.
const valueWidth = 72

// factColumns are those of factRow.
var factColumns = []string{"seq", "time", "valid", "store", "key", "value", "producer", "id"}

func factRow(f *backend.Fact) []string {
	return []string{strconv.FormatUint(f.Seq, 10), clock(f.TransactionTime), clock(f.ValidTime), f.Store, f.Key,
		valueCell(f.Value), cut(orDash(string(f.Producer)), 32), f.ID}
}

// valueCell returns a value as tables show it.
func valueCell(v json.RawMessage) string {
	if backend.IsNull(v) {
		return "(deleted)"
	}
	return cut(string(v), valueWidth)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// describe prints a fact by itself for people.
func describe(w io.Writer, f *backend.Fact, version int) error {
	t := newTable(w)
	t.row("store", f.Store)
	t.row("key", f.Key)
	t.row("value", string(f.Value))
	t.row("seq", strconv.FormatUint(f.Seq, 10))
	t.row("version", strconv.Itoa(version))
	t.row("id", f.ID)
	t.row("follows", orDash(f.Causation))
	t.row("time", clock(f.TransactionTime))
	t.row("valid", clock(f.ValidTime))
	t.row("schema", strconv.Itoa(f.SchemaVersion))
	t.row("producer", orDash(string(f.Producer)))
	if f.Derivation != nil {
		t.row("derivation", string(f.Derivation))
	}
	t.row("hash", f.ValueHash)
	return t.end()
}
