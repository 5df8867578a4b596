// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/igniter-store/igniter/internal/uuidtext"
)

// A LogID is the UUID of one history of a log. The zero LogID means that the log has none.
//
// A log begins a new identity whenever seqs that it may have given out can be given to other facts: when it is restored
// from a backup, when a repair drops facts, when a crash of the machine may have lost acknowledged facts. The old identity
// becomes an [Ancestor] of the new one, so that readers can go on if they had not read beyond the loss. A log that copies
// all facts of another with their seqs begins a new identity too.
type LogID [16]byte

// NewLogID returns a new LogID, a random one.
func NewLogID() LogID { return LogID(uuid.Must(uuid.NewV7())) }

// String returns the UUID as text; "" for the zero LogID.
func (id LogID) String() string {
	if id == (LogID{}) {
		return ""
	}
	return uuidtext.String(id)
}

// MarshalText implements encoding.TextMarshaler, by String.
func (id LogID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. A text that is neither empty nor a UUID in lower case is an
// *InvalidError.
func (id *LogID) UnmarshalText(text []byte) error {
	*id = LogID{}
	if len(text) == 0 {
		return nil
	}
	parsed, ok := uuidtext.Parse(text)
	if !ok {
		return &InvalidError{"log", fmt.Sprintf("%.100q is not a UUID in lower case", text)}
	}
	*id = parsed
	return nil
}

// An Ancestor is a log that has the same facts as this one through a seq.
type Ancestor struct {
	Log     LogID  `json:"log"`
	Through uint64 `json:"through"`
}

// MaxAncestors limits the ancestors of a log: it keeps its latest ones.
const MaxAncestors = 256

// Inherit returns the ancestors of a log that begins a new identity and has the facts of the log parent through a seq.
// ancestors are the parent's, the latest first. A zero parent is left out.
func Inherit(parent LogID, ancestors []Ancestor, through uint64) []Ancestor {
	var all []Ancestor
	if parent != (LogID{}) {
		all = append(all, Ancestor{parent, through})
	}
	for _, a := range ancestors {
		all = append(all, Ancestor{a.Log, min(a.Through, through)})
	}
	return all[:min(len(all), MaxAncestors)]
}
