// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

// A write is how a fact is written.
type write struct {
	fact     backend.Fact
	isEvent  bool // the key is the fact's ID
	producer string
	ifLatest *string // nil: no condition; empty: the key has no facts
	ifAbsent bool
}

// writing gives a command the flags of a write.
func (a *app) writing(w *write, cmd *cobra.Command, conditions bool) *cobra.Command {
	flags := cmd.Flags()
	flags.StringVar(&w.fact.ID, "id", "", "the fact's ID (default a new UUID); writing the same ID again has no effect")
	flags.Func("valid-time", "the `time` when it became true: "+query.TimeHelp, instant(&w.fact.ValidTime))
	flags.StringVar(&w.producer, "producer", "", "the writer: JSON, or else a string")
	flags.IntVar(&w.fact.SchemaVersion, "schema-version", 1, "version of the value's schema")
	if conditions {
		flags.Func("if-latest", "write only if the key's latest fact has this `ID`; empty: if the key has no facts", func(id string) error {
			w.ifLatest = &id
			return nil
		})
		flags.BoolVar(&w.ifAbsent, "if-absent", false, "write only if the key has no facts")
		cmd.MarkFlagsMutuallyExclusive("if-latest", "if-absent")
	}
	return a.withJSON(withLogFlags(cmd))
}

// write writes a fact and prints the receipt. value is JSON; if it is "-" or missing, the JSON is read from the input.
func (a *app) write(ctx context.Context, w write, name, key string, value ...string) (err error) {
	f := w.fact
	if f.ID == "" {
		if f.ID, err = store.NewID(); err != nil {
			return err
		}
	}
	if f.Store, f.Key = name, key; w.isEvent {
		f.Key = f.ID
	}
	text, err := a.value(value)
	if err != nil {
		return err
	}
	if f.Value, err = wire.AppendCanonical(nil, text); err != nil {
		return usage("the value is not valid JSON for a fact: %w; a string needs its own quotes, as in '\"milk\"'", err)
	}
	f.ValueHash = wire.HashCanonical(f.Value)
	if w.producer != "" {
		f.Producer = json.RawMessage(w.producer)
		if jsonvalue.Check(f.Producer, backend.MaxDepth) != nil {
			f.Producer, _ = json.Marshal(w.producer) // a string, which can't fail
		}
	}
	if err := f.Validate(); err != nil {
		return commandError{err, 2, ""}
	}
	batch := backend.Batch{Facts: []backend.Fact{f}}
	switch {
	case w.ifAbsent:
		batch.Expect = []backend.Expect{{Store: f.Store, Key: f.Key}}
	case w.ifLatest != nil:
		batch.Expect = []backend.Expect{{Store: f.Store, Key: f.Key, ID: *w.ifLatest}}
	}
	a.create = true
	return a.withLog(ctx, func(log backend.Log) error {
		w := log.Write(ctx, batch)[0]
		if w.Err != nil {
			return w.Err
		}
		return a.printReceipt(&w.Facts[0])
	})
}

// value returns a value's JSON, from an argument or from the input.
func (a *app) value(given []string) ([]byte, error) {
	if len(given) > 0 && given[0] != "-" {
		return []byte(given[0]), nil
	}
	text, err := io.ReadAll(io.LimitReader(a.in, wire.MaxMaxFrame+1))
	if err == nil && len(text) > wire.MaxMaxFrame {
		err = backend.ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	return text, nil
}

// A receipt says where and when the log took a fact in.
type receipt struct {
	Seq             uint64          `json:"seq"`
	ID              string          `json:"id"`
	Store           string          `json:"store"`
	Key             string          `json:"key"`
	ValueHash       string          `json:"value_hash"`
	Causation       string          `json:"causation,omitempty"`
	TransactionTime json.RawMessage `json:"transaction_time"`
	By              string          `json:"by,omitempty"`
}

func (a *app) printReceipt(f *backend.Fact) error {
	var t table
	t.row("seq", f.Seq)
	t.row("id", f.ID)
	t.row("key", f.Store+"/"+f.Key)
	t.row("follows", cmp.Or(f.Causation, "-"))
	t.row("time", clock(f.TransactionTime))
	if f.By != "" {
		t.row("by", f.By)
	}
	t.row("hash", f.ValueHash)
	return a.print(receipt{f.Seq, f.ID, f.Store, f.Key, f.ValueHash, f.Causation, wire.AppendTime(nil, f.TransactionTime), f.By}, "%s", t)
}
