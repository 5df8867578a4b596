// SPDX-License-Identifier: Apache-2.0

package backend

import "time"

// Stats describes a log at one moment. A server leaves FirstSeq, Facts, Bytes and Head zero for a caller that may not read
// all stores (see [Features]).
type Stats struct {
	FirstSeq   uint64 `json:"first_seq"`   // of the first fact held; 0: the log holds none
	LastSeq    uint64 `json:"last_seq"`    // the highest seq ever acknowledged; every Replay started later yields all facts up to it; 0 if none exists
	Facts      uint64 `json:"facts"`       // the number of facts in the log
	Bytes      uint64 `json:"bytes"`       // that the backend uses for the facts
	DurableSeq uint64 `json:"durable_seq"` // facts through this seq survive a power cut; 0: none of them do

	Log       LogID              `json:"log,omitzero"`        // the log's identity; zero: it has none
	Ancestors []Ancestor         `json:"ancestors,omitempty"` // logs with which this one shares its past, the latest first
	Horizons  map[string]Horizon `json:"horizons,omitempty"`  // by store, or AllStores: the past before the horizon is incomplete; only stores that the caller may read; nil: nothing is missing
	Head      Head               `json:"head,omitzero"`       // of the hash tree over the log's facts; may lag behind LastSeq; zero: the backend has none, or has not computed it yet

	LastTime time.Time `json:"last_time,omitzero"` // the latest transaction time of any fact ever written, see Ahead; zero: no fact, or not known
	Failed   string    `json:"failed,omitempty"`   // why the log takes no more writes until it is opened again, see ErrFailed; "": it takes writes

	Syncs Timings `json:"-"` // of making facts durable, since the log was opened; zero: not known

	Storage    *Storage    `json:"storage,omitempty"`    // nil: the backend has no files of its own, or does not report them
	Connection *Connection `json:"connection,omitempty"` // nil: the backend has no server
}

// Resume returns the seq after which a loop at cursor c continues in the log that s describes. A cursor beyond the log's
// end, or in a history that this log does not share, is a *DivergedError.
func (s *Stats) Resume(c Cursor) (seq uint64, err error) {
	common := s.LastSeq
	if c.Log != (LogID{}) && s.Log != (LogID{}) && c.Log != s.Log {
		common = 0
		for _, a := range s.Ancestors {
			if a.Log == c.Log {
				common = min(a.Through, s.LastSeq)
				break
			}
		}
	}
	if c.Seq > common {
		return 0, &DivergedError{Cursor: c, Log: s.Log, Common: common}
	}
	return c.Seq, nil
}

// Ahead returns how far LastTime is ahead of now; 0 if it is not. No fact gets a time before LastTime, so until the clock
// has caught up, the times of new facts are a nanosecond apart.
func (s *Stats) Ahead(now time.Time) time.Duration {
	if s.LastTime.IsZero() {
		return 0
	}
	return max(s.LastTime.Sub(now), 0)
}

// Connection describes the connection between a backend and its server at one moment.
type Connection struct {
	Address   string    `json:"address"`              // of the server, with the transport
	Up        bool      `json:"up"`                   // the client is connected
	Since     time.Time `json:"since"`                // when Up last changed
	Protocol  int       `json:"protocol"`             // the version of the latest connection; 0: not yet connected
	Server    string    `json:"server"`               // the server's own name and version; "": not known
	Connects  uint64    `json:"connects"`             // the number of connections so far
	LastError string    `json:"last_error,omitempty"` // why the latest connection was lost; "": none was lost
}

// Storage describes a log's files at one moment. Stats.Bytes counts them all.
type Storage struct {
	Segments        int    `json:"segments"`  // files
	Snapshots       int    `json:"snapshots"` // files
	SegmentBytes    uint64 `json:"segment_bytes"`
	SnapshotBytes   uint64 `json:"snapshot_bytes"`
	IndexBytes      uint64 `json:"index_bytes"`      // of the indexes beside segments and snapshots
	AheadBytes      uint64 `json:"ahead_bytes"`      // preallocated for facts to come
	QuarantineBytes uint64 `json:"quarantine_bytes"` // that recovery cut off and kept
	ReserveBytes    uint64 `json:"reserve_bytes"`    // kept free for removing facts when the disk is full
	Unindexed       int    `json:"unindexed"`        // sealed files without an index: the log opens more slowly, and its head is before the first one
	Damaged         int    `json:"damaged"`          // damaged places and missing files found since the log was opened; at most 1000 are counted

	LastSync time.Time `json:"last_sync,omitzero"` // when facts were last made durable since the log was opened; zero: not yet
	Groups   uint64    `json:"groups"`             // writes since the log was opened, each of one fact or several
	Grouped  uint64    `json:"grouped"`            // the facts in them; Grouped/Groups facts share a write and its sync
}
