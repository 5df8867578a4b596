// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// A note changes what a log holds. Its fields are independent of each other.
type note struct {
	// Of a prune.
	Gone     seqrange.Set               `json:"gone,omitempty"`     // seqs whose facts are removed
	Erase    seqrange.Set               `json:"erase,omitempty"`    // positions to erase
	Kept     []kept                     `json:"kept,omitempty"`     // what is left of erased units
	Bytes    uint64                     `json:"bytes,omitempty"`    // how many bytes fewer the log has
	Latest   []latest                   `json:"latest,omitempty"`   // of keys whose latest fact is removed
	Horizons map[string]backend.Horizon `json:"horizons,omitempty"` // of stores that lose facts

	Time time.Time `json:"time,omitzero"`  // no time before it is given
	Done uint64    `json:"done,omitempty"` // the note at this position has been carried out
}

// A kept is an erased unit, and the Kept unit that has the facts left of it.
type kept struct {
	At   uint64 `json:"at"`   // the first position of the erased unit, where it first stood
	Into uint64 `json:"into"` // the position of the Kept unit
}

// A latest is a key whose latest fact is removed, and the latest fact left.
type latest struct {
	Store string `json:"store"`
	Key   string `json:"key"`
	Seq   uint64 `json:"seq"`            // of the removed fact
	Left  uint64 `json:"left,omitempty"` // of the latest fact left; 0: there is none
	ID    string `json:"id,omitempty"`
}

func parseNote(body []byte) (n note, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields() // a later version says what this one would miss
	if err := d.Decode(&n); err != nil {
		return n, fmt.Errorf("a note: %w", err)
	}
	return n, nil
}
