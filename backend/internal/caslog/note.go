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

// A note changes the facts that a log holds. Its fields are independent of each other.
type note struct {
	// Of a prune.
	Gone     seqrange.Set               `json:"gone,omitempty"`     // seqs whose facts are removed
	Erase    seqrange.Set               `json:"erase,omitempty"`    // positions to erase
	Kept     []kept                     `json:"kept,omitempty"`     // the remaining facts of erased units
	Bytes    uint64                     `json:"bytes,omitempty"`    // by which the log becomes smaller
	Latest   []latest                   `json:"latest,omitempty"`   // of keys whose latest fact is removed
	Horizons map[string]backend.Horizon `json:"horizons,omitempty"` // of stores that lose facts

	Time time.Time `json:"time,omitzero"`  // no fact gets an earlier time
	Done uint64    `json:"done,omitempty"` // the prune of the note at this position is finished
}

// A kept is an erased unit, and the Kept unit that has its remaining facts.
type kept struct {
	At   uint64 `json:"at"`   // the original first position of the erased unit
	Into uint64 `json:"into"` // the position of the Kept unit
}

// A latest is a key whose latest fact is removed, with the latest remaining fact.
type latest struct {
	Store string `json:"store"`
	Key   string `json:"key"`
	Seq   uint64 `json:"seq"`            // of the removed fact
	Left  uint64 `json:"left,omitempty"` // of the latest remaining fact; 0: none
	ID    string `json:"id,omitempty"`
}

func parseNote(body []byte) (n note, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields() // a field of a later version must not be ignored
	if err := d.Decode(&n); err != nil {
		return n, fmt.Errorf("a note: %w", err)
	}
	return n, nil
}
