// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/internal/merkle"
	"github.com/igniter-store/igniter/wire"
)

// A salvage reads the undamaged frames of a damaged file.
type salvage struct {
	of     format.File // Last is 0 if it is not known
	seq    uint64      // of the last fact found
	synced uint64      // the highest seq in a marker
	gaps   []Gap
	at     int64 // the offset of the current frame or block

	keep func(body []byte, facts []backend.Fact) error // receives each frame of facts
	skip func(from, to int64, reason string) error     // receives the ranges of damaged bytes, with the reason

	nodes func(nodes ...merkle.Node) // receives nodes of the hash tree; or nil
}

func newSalvage(of format.File) *salvage { return &salvage{of: of, seq: of.First - 1} }

// read reads the file.
func (s *salvage) read(ctx context.Context, in vfs.File, size int64) error {
	for x, err := range format.Stretches(ctx, in, size, format.LogBodies) {
		if err == nil && x.Body != nil {
			s.at = x.From
			x.Bad, err = s.frame(x.Body)
		}
		if err == nil && x.Bad != "" {
			err = s.skip(x.From, x.To, x.Bad)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// frame takes the body of a frame. bad is the reason if the body is damaged.
func (s *salvage) frame(body []byte) (bad string, err error) {
	switch {
	case format.IsNodes(body):
		nodes, ok := format.ParseNodes(body)
		if !ok {
			return "bad nodes of the hash tree", nil
		}
		if s.nodes != nil {
			s.nodes(nodes...)
		}
		return "", nil
	case !s.of.Snapshot:
		return s.facts(body)
	case !format.IsBlock(body):
		if h, ok := format.ParseHeader(body); format.IsEnd(body) || ok && h.Kind == format.KindSnapshot {
			return "", nil
		}
		return "neither a header nor a block nor an end", nil
	}
	frames, err := format.Decompress(body)
	if err != nil {
		return err.Error(), nil
	}
	for len(frames) > 0 && err == nil {
		body, rest, ok := wire.CutFrame(frames) // the block's CRC was checked
		if !ok {
			return "a block that holds more than frames", nil
		}
		var why string
		if why, err = s.facts(body); why != "" {
			bad = why
		}
		frames = rest
	}
	return bad, err
}

// facts takes the body of a frame of facts. bad is the reason if the body is damaged.
func (s *salvage) facts(body []byte) (bad string, err error) {
	if n, ok := format.ParseMarker(body); ok {
		s.synced = max(s.synced, n)
		return "", nil
	}
	if h, ok := format.ParseHeader(body); ok && h.Kind == format.KindSegment && h.FirstSeq == s.of.First {
		return "", nil
	}
	facts, err := wire.ParseGroup(nil, body)
	if err != nil {
		return "no facts: " + err.Error(), nil
	}
	for i, seq := 0, s.seq; i < len(facts); i++ {
		if facts[i].Seq <= seq || facts[i].Seq > format.MaxSeq || s.of.Last != 0 && facts[i].Seq > s.of.Last {
			return fmt.Sprintf("a fact with seq %d after %d", facts[i].Seq, seq), nil
		}
		seq = facts[i].Seq
	}
	for i := range facts {
		s.gap(facts[i].Seq)
		s.seq = facts[i].Seq
	}
	return "", s.keep(body, facts)
}

// gap records that there are no facts between the last one found and seq.
func (s *salvage) gap(seq uint64) {
	if seq > s.seq+1 {
		s.gaps = append(s.gaps, Gap{s.seq + 1, seq - 1})
	}
}
