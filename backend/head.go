// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// A Head is the root of the hash tree of RFC 6962, section 2.1, over the facts of a log from seq 1 on. Each seq has a leaf:
// the fact as the codec writes it, its seq included. Pruning does not change the head, since logs keep the hashes of pruned
// facts. A seq of which the log has neither the fact nor its hash has an empty leaf.
type Head struct {
	Through uint64   `json:"through"` // the seq of the last leaf
	Leaves  uint64   `json:"leaves"`  // the number of leaves
	Root    RootHash `json:"root"`
}

// A RootHash is the root of a tree; as text, base64.
type RootHash [32]byte

// String returns the hash in base64.
func (r RootHash) String() string { return base64.StdEncoding.EncodeToString(r[:]) }

// MarshalText implements encoding.TextMarshaler.
func (r RootHash) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *RootHash) UnmarshalText(text []byte) error {
	hash, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(hash) != len(r) {
		return &InvalidError{"root", fmt.Sprintf("%.100q is not a hash of %d bytes in base64", text, len(r))}
	}
	*r = RootHash(hash)
	return nil
}

// A Checkpoint is a head together with the identity of its log. With an old checkpoint one can prove that the log still
// contains the facts that the checkpoint covers: see igniter verify. The three parts of its text, each on a line of its
// own, are the body of a checkpoint as C2SP's tlog-checkpoint defines it.
type Checkpoint struct {
	Log  LogID
	Head Head
}

// Checkpoint returns the checkpoint of a log that has a head; ok is false if it has none.
func (s *Stats) Checkpoint() (c Checkpoint, ok bool) {
	return Checkpoint{s.Log, s.Head}, s.Log != (LogID{}) && s.Head.Leaves > 0
}

const checkpointOrigin = "igniter/"

// String returns the checkpoint as one line: igniter/LOG LEAVES ROOT.
func (c Checkpoint) String() string {
	return fmt.Sprintf("%s%s %d %s", checkpointOrigin, c.Log, c.Head.Leaves, c.Head.Root)
}

// MarshalJSON writes the checkpoint as its text.
func (c Checkpoint) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// ParseCheckpoint parses the text of a checkpoint, on one line or on three. Anything else is an *InvalidError.
func ParseCheckpoint(text string) (c Checkpoint, err error) {
	bad := func(reason string) (Checkpoint, error) {
		return Checkpoint{}, &InvalidError{"checkpoint", fmt.Sprintf("%.200q: %s; it looks like igniter/LOG LEAVES ROOT", text, reason)}
	}
	parts := strings.Fields(text)
	if len(parts) != 3 {
		return bad("it does not have three parts")
	}
	id, ok := strings.CutPrefix(parts[0], checkpointOrigin)
	if !ok || c.Log.UnmarshalText([]byte(id)) != nil || c.Log == (LogID{}) {
		return bad("it does not begin with igniter/ and a UUID")
	}
	if c.Head.Leaves, err = strconv.ParseUint(parts[1], 10, 63); err != nil || c.Head.Leaves == 0 {
		return bad("the second part is not a number of leaves")
	}
	if c.Head.Root.UnmarshalText([]byte(parts[2])) != nil {
		return bad("the third part is not a hash in base64")
	}
	c.Head.Through = c.Head.Leaves
	return c, nil
}
