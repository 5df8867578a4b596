// SPDX-License-Identifier: Apache-2.0

package format

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"

	"github.com/igniter-store/igniter/wire"
)

// A dumpLine describes a frame, or the bytes between two frames.
type dumpLine struct {
	Offset  int64           `json:"offset"`            // in the file, or in the decompressed block
	Block   *int64          `json:"block,omitempty"`   // the offset of the block that has the frame
	Bytes   int64           `json:"bytes"`             // with the frame's length and CRC
	Kind    string          `json:"kind"`              // what the frame is, "zeros" or "damage"
	Reason  string          `json:"reason,omitempty"`  // of damage
	Unpacks int64           `json:"unpacks,omitempty"` // the decompressed size of a block
	Content json.RawMessage `json:"content,omitempty"` // the body of a frame of JSON, or the entries of an index
}

// A dump writes lines.
type dump struct {
	*json.Encoder
	damaged int
	stores  bool // the index has the stores of its IDs; if its header is damaged: it has stores before IDs
}

// Dump writes the content of a file of a log, or of a piece of a backup, to w: a line of JSON for each frame, also for
// frames in blocks, and for each damaged place. It returns the number of damaged places. bodies is LogBodies or
// IndexBodies.
func Dump(ctx context.Context, w io.Writer, f io.ReaderAt, size int64, bodies string) (damaged int, err error) {
	d := dump{Encoder: json.NewEncoder(w)}
	d.SetEscapeHTML(false)
	for x, err := range Stretches(ctx, f, size, bodies) {
		line := dumpLine{Offset: x.From, Bytes: x.To - x.From}
		switch {
		case err != nil:
		case x.Body == nil && x.Bad == "":
			line.Kind = "zeros"
			err = d.Encode(line)
		case x.Body == nil:
			err = d.damage(line, x.Bad)
		case bodies == IndexBodies:
			err = d.index(line, x.Body)
		case IsBlock(x.Body):
			err = d.block(line, x.Body)
		case IsNodes(x.Body):
			err = d.nodes(line, x.Body)
		default:
			err = d.body(line, x.Body)
		}
		if err != nil {
			return d.damaged, err
		}
	}
	return d.damaged, nil
}

func (d *dump) damage(line dumpLine, reason string) error {
	d.damaged++
	line.Kind, line.Reason = "damage", reason
	return d.Encode(line)
}

// block writes a line for a compressed block, and one for each frame in it.
func (d *dump) block(line dumpLine, body []byte) error {
	frames, err := Decompress(body)
	if err != nil {
		return d.damage(line, err.Error())
	}
	line.Kind, line.Unpacks = "block", int64(len(frames))
	err = d.Encode(line)
	for at := int64(0); err == nil && len(frames) > 0; {
		in := dumpLine{Offset: at, Block: &line.Offset, Bytes: int64(len(frames))}
		body, rest, ok := wire.CutFrame(frames)
		if !ok {
			return d.damage(in, "a block that holds more than frames")
		}
		in.Bytes -= int64(len(rest))
		err = d.body(in, body)
		at, frames = at+in.Bytes, rest
	}
	return err
}

// body writes a line for a frame of JSON.
func (d *dump) body(line dumpLine, body []byte) error {
	line.Content = body
	switch {
	case !json.Valid(body):
		line.Content = nil
		return d.damage(line, "a frame with a valid CRC that is not JSON")
	case bytes.HasPrefix(body, []byte(headerPrefix)):
		line.Kind = "header"
	case IsMarker(body):
		line.Kind = "marker"
	case IsEnd(body):
		line.Kind = "end"
	default:
		line.Kind = "fact"
		if body[0] == '[' {
			line.Kind = "group"
		}
		if _, err := wire.ParseGroup(nil, bytes.Clone(body)); err != nil {
			return d.damage(line, "a frame with a valid CRC that holds no facts: "+err.Error())
		}
	}
	return d.Encode(line)
}

// nodes writes a line for a frame of nodes, with the seqs and the hash of each node.
func (d *dump) nodes(line dumpLine, body []byte) error {
	nodes, ok := ParseNodes(body)
	if !ok {
		return d.damage(line, "a frame with bad nodes of the hash tree")
	}
	var all []any
	for _, n := range nodes {
		all = append(all, []any{n.First + 1, n.End(), hex.EncodeToString(n.Hash[:])})
	}
	line.Kind = "nodes"
	var err error
	if line.Content, err = json.Marshal(all); err != nil {
		return err
	}
	return d.Encode(line)
}

// index writes a line for a frame of an index.
func (d *dump) index(line dumpLine, body []byte) error {
	if body[0] == '{' {
		h, _ := ParseHeader(body)
		d.stores = h.Version > 1
		return d.body(line, body)
	}
	e := entries{rest: body[1:]}
	var all []any
	var seq, offset uint64
	for e.more() {
		switch body[0] {
		case indexPoints:
			line.Kind = "points"
			seq, offset = seq+e.uint(), offset+e.uint()
			all = append(all, []uint64{seq, offset})
		case indexIDs:
			line.Kind = "ids"
			seq += e.uint()
			entry := []any{seq}
			if d.stores {
				entry = append(entry, e.uint()) // the store
			}
			all = append(all, append(entry, e.id().String()))
		case indexStores:
			line.Kind, d.stores = "stores", true
			all = append(all, string(e.text()))
		case indexKeys:
			line.Kind = "keys"
			store, seq, key, id := e.uint(), e.uint(), e.text(), e.id()
			all = append(all, []any{store, seq, string(key), id.String()})
		default:
			e.bad = true
		}
	}
	if e.bad {
		return d.damage(line, "a frame with bad entries")
	}
	var err error
	if line.Content, err = json.Marshal(all); err != nil {
		return err
	}
	return d.Encode(line)
}
