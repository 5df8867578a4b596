// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/internal/wiretest"
	"github.com/igniter-store/igniter/wire"
)

// addBodies seeds f with the bodies of all recorded logs, and with facts in our own form.
func addBodies(f *testing.F) {
	files, err := filepath.Glob("testdata/wal/*.wal*")
	require.NoError(f, err)
	for _, file := range files {
		stream, err := os.ReadFile(file)
		require.NoError(f, err)
		bodies, _, _ := wiretest.ReadFrames(stream)
		for _, body := range bodies {
			f.Add(body)
			if fact, err := wire.CheckFact(body); err == nil {
				fact.Seq = uint64(len(body))
				f.Add(wire.AppendFact(nil, &fact))
			}
		}
	}
	f.Add([]byte(`{"seq":1,"id":"","store":"","key":"","value":{},"producer":{}}`))
	f.Add([]byte(`{"seq":1,"id":"","store":"","key":"","value":"a","producer":"b"}`))
	f.Add([]byte(`{"seq":1,"id":"","store":"","key":"","valid_time":1e1,"schema_version":0,"value":0 }`))
}

func FuzzReader(f *testing.F) {
	files, err := filepath.Glob("testdata/wal/*.wal*")
	require.NoError(f, err)
	for _, file := range files {
		stream, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(stream, 1<<20)
	}
	f.Add([]byte("\x04\x00\x00\x00{}"), 0)
	f.Fuzz(func(t *testing.T, stream []byte, limit int) {
		r := wire.NewReader(trickle(stream), limit)
		var again []byte
		for {
			body, err := r.Next()
			if err == nil {
				again = wire.AppendFrame(again, body)
				continue
			}
			require.Equal(t, int64(len(again)), r.Offset())
			require.Equal(t, stream[:len(again)], append([]byte{}, again...))
			if err == io.EOF {
				require.Len(t, again, len(stream))
			} else {
				require.True(t, errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, backend.ErrCorrupt))
			}
			_, later := r.Next()
			require.Equal(t, err, later, "an error stays")
			return
		}
	})
}

// trickle returns a reader of b that returns a few bytes at a time.
func trickle(b []byte) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if len(b) == 0 {
			return 0, io.EOF
		}
		n := copy(p[:min(len(p), 1+len(b)%7)], b)
		b = b[n:]
		return n, nil
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// FuzzParseFact compares the parser that trusts a log's bytes with the one that checks them all.
func FuzzParseFact(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		keep := bytes.Clone(body)
		fast, fastErr := wire.ParseFact(body)
		full, fullErr := wire.CheckFact(body)
		require.Equal(t, keep, body, "a parser changes nothing")
		switch {
		case fullErr == nil:
			require.NoError(t, fastErr)
			if endsWithValue(body, full.Value) {
				require.Equal(t, full, fast)
			}
			// Otherwise the value is not last; our codec never writes such a fact.
			requireSameFact(t, full)
		case fastErr == nil:
			damaged := false
			for _, v := range []json.RawMessage{fast.Value, fast.Producer, fast.Derivation} {
				damaged = damaged || v != nil && jsonvalue.Check(v, backend.MaxDepth+9) != nil
			}
			require.True(t, damaged, "only damage inside values may go unnoticed")
		default:
			require.ErrorIs(t, fastErr, backend.ErrInvalid)
			require.ErrorIs(t, fullErr, backend.ErrInvalid)
		}
	})
}

func endsWithValue(body, value []byte) bool {
	return bytes.HasSuffix(body, append(append([]byte(`,"value":`), value...), '}'))
}

// requireSameFact requires that a parsed fact stays the same when it is written and parsed again.
func requireSameFact(t testing.TB, f backend.Fact) {
	for _, body := range [][]byte{wire.AppendFact(nil, &f), protocol.AppendFactV1(nil, &f)} {
		g, err := wire.CheckFact(body)
		require.NoError(t, err)
		if !bytes.Contains(body, []byte(`{"seq":`)) {
			g.Seq = f.Seq // version 1 has none
		}
		require.Equal(t, f, g)
	}
	g, err := wire.ParseFact(wire.AppendFact(nil, &f))
	require.NoError(t, err)
	require.Equal(t, f, g)
}

// FuzzFact writes facts of any content and reads them back.
func FuzzFact(f *testing.F) {
	f.Add(uint64(1), "i", "s", "k", []byte("{}"), "h", "", int64(5), int64(0), 0, []byte(nil), []byte(nil))
	f.Add(uint64(0), "é\x00", "\"\\", "", []byte(" [1.0e-07,\n{}] "), "", "c", int64(-5), int64(1<<62), 7, []byte(`"x"`), []byte(`{"a":"}"}`))
	f.Fuzz(func(t *testing.T, seq uint64, id, store, key string, value []byte, hash, causation string, tt, vt int64, version int, producer, derivation []byte) {
		fact := backend.Fact{
			Seq: seq % 1e19, ID: id, Store: store, Key: key, Value: value, ValueHash: hash, Causation: causation,
			TransactionTime: time.Unix(tt%minMax, tt%1e9).UTC(), SchemaVersion: version,
		}
		if vt != 0 {
			fact.ValidTime = time.Unix(vt%minMax, vt%1e9).UTC()
		}
		if len(producer) > 0 {
			fact.Producer = producer
		}
		if len(derivation) > 0 {
			fact.Derivation = derivation
		}
		if fact.Validate() != nil {
			return
		}
		fact.SchemaVersion = max(fact.SchemaVersion, 1)
		fact.Value = jsonvalue.TrimSpace(fact.Value)
		for _, v := range []*json.RawMessage{&fact.Producer, &fact.Derivation} {
			if *v = jsonvalue.TrimSpace(*v); backend.IsNull(*v) {
				*v = nil
			}
		}
		requireSameFact(t, fact)

		group := []backend.Fact{fact, wiretest.Typical(), fact}
		got, err := wire.ParseGroup(nil, wire.AppendGroup(nil, group))
		require.NoError(t, err)
		require.Equal(t, group, got)
	})
}

const minMax = 60_000_000_000 // seconds, within the years 1 to 9999 on both sides of 1970

func FuzzGroup(f *testing.F) {
	facts := []backend.Fact{wiretest.Typical(), wiretest.Typical()}
	f.Add(wire.AppendGroup(nil, facts))
	facts[0].Value = []byte("[\n]")
	f.Add(wire.AppendGroup(nil, facts))
	f.Add([]byte("[\n{}\n]"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := wire.ParseGroup(nil, body)
		if err != nil {
			require.ErrorIs(t, err, backend.ErrInvalid)
			return
		}
		require.NotEmpty(t, got)
		if jsonvalue.Check(body, 200) != nil {
			return
		}
		again, err := wire.ParseGroup(nil, wire.AppendGroup(nil, got))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func FuzzCanonical(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.ValueJSON))
	}
	f.Add([]byte(" {\"b\" : [ 1 , { } ] , \"\\u0061\":\"\\/\\u00e9\\ud83d\\ude00\"}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		form, err := wire.AppendCanonical(nil, src)
		if err != nil {
			require.ErrorIs(t, err, backend.ErrInvalid)
			return
		}
		require.True(t, json.Valid(form))
		again, err := wire.AppendCanonical(nil, form)
		require.NoError(t, err)
		require.Equal(t, string(form), string(again), "the form of the form is itself")
		require.Equal(t, decode(t, src), decode(t, form), "the form means the same")
		hash, err := wire.Hash(src)
		require.NoError(t, err)
		require.Equal(t, wire.HashCanonical(form), hash)
	})
}

func decode(t testing.TB, src []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	require.NoError(t, d.Decode(&v))
	return v
}

func FuzzTime(f *testing.F) {
	for _, text := range []string{"5.0", "1795467633.8167136", "-0.5", "1.0e-07", "253402300799.999999999", "1e400", "0.1e+1"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := wire.ParseTime(text)
		if err != nil {
			require.ErrorIs(t, err, backend.ErrInvalid)
			return
		}
		require.NoError(t, jsonvalue.Check(text, 0))
		written := wire.AppendTime(nil, got)
		again, err := wire.ParseTime(written)
		require.NoError(t, err)
		require.Equal(t, got, again)
		var exact, parsed float64
		require.NoError(t, json.Unmarshal(text, &exact))
		require.NoError(t, json.Unmarshal(written, &parsed))
		require.InDelta(t, exact, parsed, 1e-3)
	})
}
