// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"fmt"
	"slices"
	"time"
)

// A Horizon is the moment before which the past of a store may be incomplete, since facts were pruned that
// were the answer until then. A fact is its key's value until its successor comes, so the horizon of a prune
// is the moment of the latest such successor, on each axis; of a fact without a successor, it is the fact's
// own moment.
//
// From the horizon on every answer is as it was before the prune: a read as of a Seq and a time that are not
// before the horizon, and a loop that begins after a seq that is not before it. Other reads are ErrCompacted.
//
// A zero field given to Prune stands for the log's last fact, and so does a field that lies beyond it. A store
// of which nothing was pruned has no horizon: a zero one.
//
// A repair that loses facts, or no longer knows what was pruned, sets the horizon of all stores (AllStores) to the log's last
// fact. Facts lost at the end of a log set none: the log becomes an earlier one with an identity of its own.
type Horizon struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"` // a transaction time; valid times before it are in the past, too
}

// AllStores is the key in Stats.Horizons, and the Store of a CompactedError, that stands for all stores, also those that
// the log has no facts of any more.
const AllStores = ""

// Horizon returns the horizon of a store; zero: it has none.
func (s *Stats) Horizon(store string) Horizon { return s.Horizons[AllStores].Later(s.Horizons[store]) }

// IsZero reports whether nothing is before h.
func (h Horizon) IsZero() bool { return h.Seq == 0 && h.Time.IsZero() }

// Hides reports whether a read as of a seq and of times is before h; zero ones are the present.
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

// Within returns the horizon that h, given to Prune, stands for in a log whose last seq and latest transaction
// time are given.
func (h Horizon) Within(last uint64, latest time.Time) Horizon {
	if h.Seq == 0 || h.Seq > last {
		h.Seq = last
	}
	if h.Time.IsZero() || h.Time.After(latest) {
		h.Time = latest
	}
	return h
}

// A CompactedError is a read of the past of a store as of a moment before its [Horizon], or a loop that begins
// before it. errors.Is(err, ErrCompacted) is true of it.
type CompactedError struct {
	Store   string  // AllStores: facts of unknown stores are missing
	Horizon Horizon // read as of this moment or a later one, or after its Seq
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

// News returns those of a log's horizons that concern r and differ from the ones that a loop over r was told; nil: none.
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

// concerns reports whether the horizon of a store, or of AllStores, says something about facts in r.
func (r *Range) concerns(store string) bool {
	return r.Has(store) || store == AllStores && len(r.Stores) > 0
}

// Whole checks that a loop over some stores, nil for all, that goes on after a seq misses no fact that was
// pruned. Otherwise the error is a *CompactedError about the store with the latest horizon.
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
