// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/wiretest"
	"github.com/igniter-store/igniter/wire"
)

// smallValue is a value of 95 bytes whose keys are not sorted.
const smallValue = `{"title":"Quarterly review","status":"done","priority":1,"amount":10.26,"owner":"user-1@ex.org"}`

func BenchmarkAppendFact(b *testing.B) {
	f := wiretest.Typical()
	buf := wire.AppendFact(nil, &f)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = wire.CloseFrame(wire.AppendFact(wire.OpenFrame(buf[:0]), &f), 0)
	}
}

func BenchmarkParseFact(b *testing.B) {
	f := wiretest.Typical()
	body := wire.AppendFact(nil, &f)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.ParseFact(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseFactChecked(b *testing.B) {
	f := wiretest.Typical()
	body := wire.AppendFact(nil, &f)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.CheckFact(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodedFact(b *testing.B) {
	f := wiretest.Typical()
	var d wire.EncodedFact
	d.Encode(&f)
	buf := make([]byte, 0, 1024)
	b.SetBytes(int64(len(wire.AppendFact(nil, &f))))
	b.ReportAllocs()
	for b.Loop() {
		buf = d.Append(buf[:0], &f)
	}
}

func BenchmarkParseGroup(b *testing.B) {
	facts := make([]backend.Fact, 100)
	for i := range facts {
		facts[i] = wiretest.Typical()
	}
	body := wire.AppendGroup(nil, facts)
	facts = facts[:0]
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if facts, err = wire.ParseGroup(facts[:0], body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/fact")
}

func BenchmarkReader(b *testing.B) {
	f := wiretest.Typical()
	body := wire.AppendFact(nil, &f)
	stream := bytes.Repeat(wire.AppendFrame(nil, body), 10_000)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		r := wire.NewReader(bytes.NewReader(stream), 0)
		for {
			if _, err := r.Next(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/frame")
}

// BenchmarkCanonical makes the canonical form of a value, and of a value that is already canonical.
func BenchmarkCanonical(b *testing.B) {
	buf, err := wire.AppendCanonical(nil, []byte(smallValue))
	require.NoError(b, err)
	for name, src := range map[string][]byte{"unordered": []byte(smallValue), "ordered": bytes.Clone(buf)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if buf, err = wire.AppendCanonical(buf[:0], src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCanonicalAndHash(b *testing.B) {
	src := []byte(smallValue)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Hash(src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTime(b *testing.B) {
	text := []byte("1795467633.8167136")
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			if _, err := wire.ParseTime(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		t := time.Unix(1795467633, 816713600)
		buf := []byte{}
		for b.Loop() {
			buf = wire.AppendTime(buf[:0], t)
		}
	})
}

func ExampleAppendFact() {
	f := backend.Fact{ID: "a1", Store: "tasks", Key: "t1", Value: []byte(`{"done":true}`), TransactionTime: time.Unix(5, 0)}
	fmt.Println(string(wire.AppendFact(nil, &f)))
	// Output: {"id":"a1","store":"tasks","key":"t1","transaction_time":5.0,"value":{"done":true}}
}
