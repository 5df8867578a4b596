// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

const (
	recordSize = 420     // bytes of a record as JSON
	recordRing = 1 << 15 // how many records are made; they are reused under other IDs
	keys       = 250_000 // how many keys the records have
	seed       = 1
)

// A record is what contenders write. Peers get raw, ready to be stored; this project gets fact and encodes it.
type record struct {
	fact backend.Fact // without an ID and a hash
	raw  []byte       // the fact as JSON with all its fields, recordSize bytes
}

var records = sync.OnceValue(makeRecords)

var words = []string{"account", "review", "quarter", "report", "invoice", "shipment", "meeting", "contract", "budget", "customer"}

func makeRecords() []record {
	r := rand.New(rand.NewPCG(seed, seed))
	all := make([]record, recordRing)
	for n := range all {
		status := "open"
		if r.IntN(100) == 0 {
			status = "late"
		}
		title := words[r.IntN(len(words))]
		value := func() []byte {
			return fmt.Appendf(nil, `{"amount":%d.%02d,"owner":"user-%06d@accounts.example.org","priority":%d,"status":%q,"title":%q}`,
				10+n%9990, n%100, n*7919%1_000_000, 1+n%5, status, title)
		}
		f := backend.Fact{Store: "tasks", Key: key(n)}
		full := f
		full.Seq, full.ID, full.Causation = uint64(1_000_000+n), id(uint64(n)), id(uint64(n+keys))
		full.TransactionTime = time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
		full.ValueHash = "8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92"
		for {
			full.Value = value()
			missing := recordSize - len(wire.AppendFact(nil, &full))
			if missing <= 0 {
				break
			}
			word := " " + words[r.IntN(len(words))]
			title += word[:min(missing, len(word))]
		}
		f.Value = full.Value
		all[n] = record{fact: f, raw: wire.AppendFact(nil, &full)}
	}
	return all
}

func key(n int) string { return fmt.Sprintf("task-%07d", n%keys) }

// id returns the n-th ID, as long as a UUID.
func id(n uint64) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], n)
	binary.BigEndian.PutUint64(raw[8:], n*0x9e3779b97f4a7c15)
	var text [36]byte
	hex.Encode(text[:8], raw[:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:], raw[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// raw returns the bytes of the n-th record.
func raw(n int) []byte { return records()[n%recordRing].raw }

// fact returns the n-th record as a fact with an ID, without a hash.
func fact(n int) backend.Fact {
	f := records()[n%recordRing].fact
	f.ID = id(uint64(n))
	return f
}

// facts returns count records from the n-th.
func facts(n, count int) []backend.Fact {
	all := make([]backend.Fact, count)
	for i := range all {
		all[i] = fact(n + i)
	}
	return all
}

// sequence returns n as a key that sorts by number.
func sequence(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
