// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"time"
)

// A Moment says as of when to read, on both time axes. The zero Moment is now. Its JSON is an object with the members
// "seq", "time" and "valid", without those that are not set; "seq" 0 is the empty log, and "valid" "now" is [ValidNow].
//
// Seq and Time choose which facts are visible: what the log held then. Valid chooses among the
// visible facts of a key: what was true then, as far as one knew.
type Moment struct {
	// Seq makes the facts through it visible, and no others; 0: all. For a seq that may be 0, as
	// the Head of an empty log is, see [AsOf]. A read as of a seq that the engine does not show yet, such as that of another
	// process's write, waits for it; if the log does not reach it, the read is a *backend.DivergedError. Of an engine that has
	// ended it is the [Engine.Err].
	Seq uint64

	// Time makes the facts visible whose transaction time is not after it; zero: all. The last of
	// them in the log is the key's value, unless Valid says otherwise. The log dates facts by its own clock: if that
	// is ahead of the engine's (Options.Now), a Time at which the engine showed a fact, or had synced with one ([Engine.Sync]),
	// shows the fact. So a read as of now sees what a read of the present does.
	Time time.Time

	// Valid selects, among a key's visible facts, the one with the greatest valid time not after
	// Valid; ties go to the higher seq. A fact without a valid time is valid from its transaction time
	// on. Zero: the last visible fact in the log, whatever its valid time. The first such read of a key
	// with many facts sorts them and keeps 24 bytes for each.
	Valid time.Time

	none bool // nothing is visible
	now  bool // Valid is when it is read, see ValidNow
}

// AsOf returns the moment at which the log went through seq; with 0 it was empty.
func AsOf(seq uint64) Moment { return Moment{Seq: seq, none: seq == 0} }

// ValidNow returns the moment that chooses what is valid at the time of each read: Valid is the time of Options.Now, or the
// latest transaction time in the store or the store's horizon if that is later, so that a fact without a valid time is
// valid as soon as it shows, and the present is never ErrCompacted.
func ValidNow() Moment { return Moment{now: true} }

// resolve sets Valid for a read of v.
func (m *Moment) resolve(e *Engine, v view) {
	if !m.now {
		return
	}
	m.now, m.Valid = false, e.opts.Now()
	if v.namespace == nil {
		return
	}
	if t := v.dropped.time; t.After(m.Valid) { // of facts that are read from the log
		m.Valid = t
	}
	for _, n := range []int{int(v.newest.Load()) - 1, v.end() - 1} { // the newest may be after the view
		if n < 0 || n >= v.end() {
			continue
		}
		if t := v.nth(n).TransactionTime(); t.After(m.Valid) {
			m.Valid = t
		}
	}
}

// momentJSON is the JSON of a Moment.
type momentJSON struct {
	Seq   *uint64         `json:"seq,omitempty"`
	Time  *time.Time      `json:"time,omitempty"`
	Valid json.RawMessage `json:"valid,omitempty"`
}

const validNow = `"now"`

// MarshalJSON writes what UnmarshalJSON reads.
func (m Moment) MarshalJSON() (text []byte, err error) {
	var j momentJSON
	if m.Seq != 0 || m.none {
		j.Seq = &m.Seq
	}
	if !m.Time.IsZero() {
		j.Time = &m.Time
	}
	switch {
	case m.now:
		j.Valid = json.RawMessage(validNow)
	case !m.Valid.IsZero():
		if j.Valid, err = json.Marshal(m.Valid); err != nil {
			return nil, err
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads a Moment. As everywhere in JSON, null says nothing.
func (m *Moment) UnmarshalJSON(text []byte) error {
	var j momentJSON
	if err := json.Unmarshal(text, &j); err != nil || string(text) == "null" {
		return err
	}
	*m = Moment{now: string(j.Valid) == validNow}
	if j.Seq != nil {
		m.Seq, m.none = *j.Seq, *j.Seq == 0
	}
	if j.Time != nil {
		m.Time = *j.Time
	}
	if j.Valid == nil || m.now {
		return nil
	}
	return json.Unmarshal(j.Valid, &m.Valid)
}

// timeless reports whether m has neither Time nor Valid.
func (m *Moment) timeless() bool { return m.Time.IsZero() && m.Valid.IsZero() }

// shows reports whether a fact that the moment's Seq lets pass is visible, and valid by Valid.
func (m Moment) shows(r Record) bool {
	return (m.Time.IsZero() || !r.TransactionTime().After(m.Time)) && (m.Valid.IsZero() || !r.validTime().After(m.Valid))
}
