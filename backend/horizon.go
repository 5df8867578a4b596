// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"fmt"
	"slices"
	"time"
)

// A Horizon is the moment before which the past of a store may be incomplete, because facts were pruned. A fact is its
// key's value until its successor. So the horizon of a prune is, on each axis, the latest moment of the successors of the
// pruned facts; a pruned fact without a successor counts with its own moment.
//
// A prune does not change the answer to a read as of a Seq and a time that are not before the horizon, or to a loop that
// begins after a seq that is not before it. Other reads are ErrCompacted.
//
// A zero field given to Prune stands for the log's last fact, and so does a field that lies beyond it. The horizon of a
// store that lost no fact is zero.
//
// A repair that loses facts, or the record of pruned facts, sets the horizon of all stores (AllStores) to the log's last
// fact. Losing facts at the end of a log sets no horizon: the log goes back to an earlier state under a new identity.
type Horizon struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"` // a transaction time; it bounds valid times, too
}

// AllStores stands for all stores, also stores without facts, as a key of Stats.Horizons and as the Store of a
// CompactedError.
const AllStores = ""

// Horizon returns the horizon of a store; zero if it has none.
func (s *Stats) Horizon(store string) Horizon { return s.Horizons[AllStores].Later(s.Horizons[store]) }

// IsZero reports whether nothing is before h.
func (h Horizon) IsZero() bool { return h.Seq == 0 && h.Time.IsZero() }

// Hides reports whether a read as of seq and times is before h. A zero seq or time stands for the present.
func (h Horizon) Hides(seq uint64, times ...time.Time) bool {
	return seq != 0 && seq < h.Seq || slices.ContainsFunc(times, func(t time.Time) bool { return !t.IsZero() && t.Before(h.Time) })
}

// Later returns the later of h and other on each axis.
func (h Horizon) Later(other Horizon) Horizon {
	h.Seq = max(h.Seq, other.Seq)
	if other.Time.After(h.Time) {
		h.Time = other.Time
	}
	return h
}

// Within resolves a horizon given to Prune: zero fields, and fields beyond the end, become the log's last seq and latest
// transaction time.
func (h Horizon) Within(last uint64, latest time.Time) Horizon {
	if h.Seq == 0 || h.Seq > last {
		h.Seq = last
	}
	if h.Time.IsZero() || h.Time.After(latest) {
		h.Time = latest
	}
	return h
}

// A CompactedError reports a read as of a moment before the [Horizon] of a store, or a loop that begins before it.
// errors.Is(err, ErrCompacted) is true of it.
type CompactedError struct {
	Store   string  // AllStores: facts of unknown stores are missing
	Horizon Horizon // reads as of this moment or later, and loops after its Seq, are complete
}

func (e *CompactedError) Error() string {
	of, why := fmt.Sprintf("store %q", e.Store), "was pruned"
	if e.Store == AllStores {
		of, why = "all stores", "was pruned or lost"
	}
	return fmt.Sprintf("backend: compacted: the past of %s before seq %d, %s, %s: read as of a later moment, or go on after that seq",
		of, e.Horizon.Seq, e.Horizon.Time.UTC().Format(time.RFC3339Nano), why)
}

// Is makes the error match ErrCompacted.
func (e *CompactedError) Is(target error) bool { return target == ErrCompacted }

// News returns the horizons of a log that concern r and differ from told, the horizons that a loop over r has yielded; nil
// if there are none.
func (r *Range) News(horizons, told map[string]Horizon) (news map[string]Horizon) {
	for store, h := range horizons {
		if t := told[store]; (h.Seq != t.Seq || !h.Time.Equal(t.Time)) && r.concerns(store) {
			if news == nil {
				news = make(map[string]Horizon)
			}
			news[store] = h
		}
	}
	return news
}

// concerns reports whether the horizon of a store, or of AllStores, affects facts in r.
func (r *Range) concerns(store string) bool {
	return r.Has(store) || store == AllStores && len(r.Stores) > 0
}

// Whole checks that a loop over stores (nil: all) that begins after a seq misses no pruned fact. Otherwise the error is a
// *CompactedError about the store with the latest horizon.
func (s *Stats) Whole(after uint64, stores []string) error {
	var latest *CompactedError
	r := Range{Stores: stores}
	for store, h := range s.Horizons {
		if after < h.Seq && r.concerns(store) && (latest == nil || h.Seq > latest.Horizon.Seq) {
			latest = &CompactedError{Store: store, Horizon: h}
		}
	}
	if latest == nil {
		return nil
	}
	return latest
}
