// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/json"
	"time"
)

// A Moment says as of when to read, on both time axes. The zero Moment is now. Its JSON is an object with the members
// "seq", "time" and "valid", if they are set; "seq" 0 is the empty log, and "valid" "now" is [ValidNow].
//
// Seq and Time choose which facts are visible: the facts that the log held then. Valid chooses among the visible facts
// of a key the one that was true then, as far as the log knew.
type Moment struct {
	// Seq makes only the facts through Seq visible; 0: all facts. For a seq that may be 0, such as the Head of an empty
	// log, use [AsOf]. If the engine does not show Seq yet, for instance because another process has just written it,
	// the read waits. If the log does not reach Seq, the read returns a *backend.DivergedError; if the engine has
	// ended, it returns [Engine.Err].
	Seq uint64

	// Time makes only the facts visible whose transaction time is not after Time; zero: all facts. The last visible
	// fact in the log is the key's value, unless Valid says otherwise. The log dates facts by its own clock, which may
	// be ahead of the engine's clock (Options.Now). A fact that the engine already showed, or had synced with
	// ([Engine.Sync]), when its clock was at Time is visible all the same. So a read as of now sees what a read of the
	// present does.
	Time time.Time

	// Valid selects, among a key's visible facts, the one with the greatest valid time not after
	// Valid; ties go to the higher seq. A fact without a valid time is valid from its transaction time
	// on. Zero: the last visible fact in the log, whatever its valid time. The first such read of a key
	// with many facts sorts them and keeps 24 bytes for each.
	Valid time.Time

	none bool // nothing is visible
	now  bool // Valid is the time of the read, see ValidNow
}

// AsOf returns the moment at which the log ended with seq. AsOf(0) is the moment at which it was empty.
func AsOf(seq uint64) Moment { return Moment{Seq: seq, none: seq == 0} }

// ValidNow returns a moment that selects the facts that are valid when they are read. Each read sets Valid to the
// latest of three times: Options.Now, the latest transaction time in the store, and the store's horizon. So a fact
// without a valid time is valid as soon as the engine shows it, and the read never returns ErrCompacted.
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

// UnmarshalJSON reads a Moment; null changes nothing. An unknown member is an error: without it the moment would be another
// one, such as now.
func (m *Moment) UnmarshalJSON(text []byte) error {
	var j momentJSON
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil || string(text) == "null" {
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

// shows reports whether r is visible by Time and valid by Valid. It does not look at Seq.
func (m Moment) shows(r Record) bool {
	return (m.Time.IsZero() || !r.TransactionTime().After(m.Time)) && (m.Valid.IsZero() || !r.validTime().After(m.Valid))
}
