// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"sync/atomic"

	"github.com/igniter-store/igniter/backend"
)

// A writer is a By with a Producer. Most stores have few different writers, so each is kept once. Once there are
// maxWriters, further ones are kept in their facts.
const (
	maxWriters   = 1024
	maxWriterLen = 256 // longer ones are kept in their facts
	interned     = 1 << 31
)

// writers are the writers of facts that are kept once, by number.
type writers struct {
	numbers map[string]uint32
	texts   array[atomic.Pointer[[]byte]]
}

// joinWriter returns a fact's By and Producer as one text: the Producer alone if there is no By, otherwise a zero byte, with
// which no JSON begins, the length of By in two bytes, By and the Producer.
func joinWriter(f *backend.Fact) []byte {
	if f.By == "" {
		return f.Producer
	}
	text := binary.LittleEndian.AppendUint16([]byte{0}, uint16(len(f.By)))
	return append(append(text, f.By...), f.Producer...)
}

// splitWriter returns the By and the Producer in a text of joinWriter. They share its memory.
func splitWriter(text []byte) (by string, producer json.RawMessage) {
	if text[0] != 0 {
		return "", text
	}
	text = text[1:]
	end := 2 + int(binary.LittleEndian.Uint16(text))
	by = asString(text[2:end])
	if end < len(text) {
		producer = text[end:]
	}
	return by, producer
}

// intern returns the number of a writer, and adds the writer if it is new. ok is false if the writer must be kept in
// its fact.
func (p *writers) intern(text []byte) (n uint32, ok bool) {
	if n, ok = p.numbers[string(text)]; ok {
		return n, true
	}
	n = uint32(len(p.numbers))
	if n == maxWriters || len(text) > maxWriterLen {
		return 0, false
	}
	own := slices.Clip(slices.Clone(text))
	p.texts.room(n)
	p.texts.at(n).Store(&own)
	if p.numbers == nil {
		p.numbers = make(map[string]uint32)
	}
	p.numbers[string(own)] = n
	return n, true
}

func (p *writers) text(n uint32) []byte { return *p.texts.at(n).Load() }
