// SPDX-License-Identifier: Apache-2.0

package sequencer

import "github.com/igniter-store/igniter/internal/uuidtext"

// An ID is a fact's ID in a form that takes little memory: most IDs are UUIDs.
type ID struct {
	UUID [16]byte // if Text is empty: the ID is the lower-case text of this UUID
	Text string   // any other ID
}

// IDOf returns id as an ID, which may share the memory of id.
func IDOf(id string) ID {
	if u, ok := uuidtext.Parse(id); ok {
		return ID{UUID: u}
	}
	return ID{Text: id}
}

// String returns the text.
func (id ID) String() string {
	if id.Text != "" {
		return id.Text
	}
	return uuidtext.String(id.UUID)
}
