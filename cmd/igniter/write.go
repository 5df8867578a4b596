package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// writeFlags say how a fact is written.
type writeFlags struct {
	id, ifLatest, validTime, producer string
	ifAbsent                          bool
	schema                            int
}

func (w *writeFlags) add(cmd *cobra.Command, conditions bool) {
	flags := cmd.Flags()
	flags.StringVar(&w.id, "id", "", "the fact's ID; empty: a new UUID. Writing the same ID again is harmless")
	flags.StringVar(&w.validTime, "valid-time", "", "since when it is true: "+instantHelp)
	flags.StringVar(&w.producer, "producer", "", "who writes it: JSON, or else a text")
	flags.IntVar(&w.schema, "schema-version", 1, "the version of the value's shape")
	if conditions {
		flags.StringVar(&w.ifLatest, "if-latest", "", "write only if the key's latest fact has that ID")
		flags.BoolVar(&w.ifAbsent, "if-absent", false, "write only if the key has no fact at all")
	}
}

// write writes a fact with a value, and prints the receipt.
func (a *app) write(cmd *cobra.Command, w writeFlags, store, key string, value []byte) error {
	if w.ifAbsent && w.ifLatest != "" {
		return usage("--if-latest and --if-absent exclude each other")
	}
	f := backend.Fact{Store: store, Key: key, ID: w.id, SchemaVersion: w.schema}
	if f.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		f.ID = id.String()
	}
	if f.Key == "" && cmd.Name() == "append" {
		f.Key = f.ID
	}
	var err error
	if f.Value, err = wire.AppendCanonical(nil, value); err != nil {
		return usage("the value is not JSON as facts hold it: %w; a text needs quotes of its own, as in '\"milk\"'", err)
	}
	f.ValueHash = wire.HashCanonical(f.Value)
	if w.validTime != "" {
		if f.ValidTime, err = parseInstant("valid-time", w.validTime); err != nil {
			return err
		}
	}
	f.Producer = producerOf(w.producer)
	if err := f.Validate(); err != nil {
		return usageError{error: err}
	}
	batch := backend.Batch{Facts: []backend.Fact{f}}
	if w.ifLatest != "" || w.ifAbsent {
		batch.Expect = []backend.Expect{{Store: store, Key: f.Key, ID: w.ifLatest}}
	}
	return a.withNewLog(cmd.Context(), func(log backend.Log) error {
		w := log.Write(cmd.Context(), batch)[0]
		if w.Err != nil {
			return w.Err
		}
		return a.printReceipt(&w.Facts[0])
	})
}

func producerOf(text string) json.RawMessage {
	switch {
	case text == "":
		return nil
	case jsonvalue.Check([]byte(text), backend.MaxDepth) == nil:
		return json.RawMessage(text)
	}
	quoted, _ := json.Marshal(text) // a string: it can't fail
	return quoted
}

// A receipt says where and when a fact was taken in.
type receipt struct {
	Seq             uint64          `json:"seq"`
	ID              string          `json:"id"`
	Store           string          `json:"store"`
	Key             string          `json:"key"`
	ValueHash       string          `json:"value_hash"`
	Causation       string          `json:"causation,omitempty"`
	TransactionTime json.RawMessage `json:"transaction_time"`
}

func (a *app) printReceipt(f *backend.Fact) error {
	if a.json {
		return json.NewEncoder(a.out).Encode(receipt{f.Seq, f.ID, f.Store, f.Key, f.ValueHash, f.Causation, wire.AppendTime(nil, f.TransactionTime)})
	}
	t := newTable(a.out)
	t.row("seq", strconv.FormatUint(f.Seq, 10))
	t.row("id", f.ID)
	t.row("key", f.Store+"/"+f.Key)
	t.row("follows", orDash(f.Causation))
	t.row("time", clock(f.TransactionTime))
	t.row("hash", f.ValueHash)
	return t.end()
}

// value returns the JSON that an argument gives, or, where it is missing or "-", the input.
func (a *app) value(given []string) ([]byte, error) {
	if len(given) > 0 && given[0] != "-" {
		return []byte(given[0]), nil
	}
	text, err := io.ReadAll(io.LimitReader(a.in, wire.MaxMaxFrame+1))
	if err != nil {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	if len(text) > wire.MaxMaxFrame {
		return nil, fmt.Errorf("read the value: %w", backend.ErrTooLarge)
	}
	return text, nil
}
