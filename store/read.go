package store

import (
	"iter"
	"slices"
	"sort"
	"time"
)

// Get returns the current record of a key: its latest fact. ok is false if the key has no fact, or
// its latest fact is a retraction.
func (e *Engine) Get(store, key string) (r Record, ok bool) {
	r = e.Latest(store, key)
	return r, r.data != nil && !r.Retracted()
}

// Latest returns the latest fact of a key, be it a retraction; the zero Record, whose Seq is 0, if
// it has none.
func (e *Engine) Latest(store, key string) Record {
	s := e.namespace(store)
	if s == nil {
		return Record{}
	}
	r, _ := s.latest(key)
	return r
}

// GetAt returns the record of a key as of a moment. ok is false if the key had no fact that was
// visible and valid then, or the last of them was a retraction.
func (e *Engine) GetAt(store, key string, m Moment) (r Record, ok bool) {
	s := e.namespace(store)
	if s == nil {
		return Record{}, false
	}
	r, flags := s.latest(key)
	r = r.at(flags, m)
	return r, r.data != nil && !r.Retracted()
}

// List yields the records of a store as q says, without keys that have none or whose last fact was a
// retraction. Keys that come while it runs may be left out.
//
// To read several keys as they are together, give [AsOf] of what [Engine.Head] returns.
func (e *Engine) List(store string, q Query) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		if s := e.namespace(store); s != nil {
			q.records(s, nil, nil)(yield)
		}
	}
}

// History yields all facts of a key that the engine has seen, retractions too, the oldest first.
func (e *Engine) History(store, key string) iter.Seq[Record] {
	return e.Latest(store, key).history()
}

// Facts yields the facts of a store with a seq above after, retractions too, in the order of the
// log, up to the last one there is when the loop begins.
func (e *Engine) Facts(store string, after uint64) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		if s := e.namespace(store); s != nil {
			s.facts(after)(yield)
		}
	}
}

func (s *namespace) facts(after uint64) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		count := int(s.count.Load())
		from := sort.Search(count, func(n int) bool { return s.nth(n).Seq() > after })
		for n := from; n < count; n++ {
			if !yield(s.nth(n)) {
				return
			}
		}
	}
}

// FactsSince yields the facts of a store whose transaction time is not before t, in the order of
// the log, up to the last one there is when the loop begins.
func (e *Engine) FactsSince(store string, t time.Time) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		s := e.namespace(store)
		if s == nil {
			return
		}
		count := int(s.count.Load())
		since := func(n int) bool { return !s.nth(n).TransactionTime().Before(t) }
		from := 0
		if !s.unruly.Load() {
			from = sort.Search(count, since)
		}
		for n := from; n < count; n++ {
			if since(n) && !yield(s.nth(n)) {
				return
			}
		}
	}
}

// Stores returns the names of the stores that have a fact, sorted.
func (e *Engine) Stores() []string {
	var all []string
	for name, s := range e.spaces.Range {
		if s.(*namespace).count.Load() > 0 {
			all = append(all, name.(string))
		}
	}
	slices.Sort(all)
	return all
}

// namespace returns a store's namespace, nil if it has none.
func (e *Engine) namespace(store string) *namespace {
	s, _ := e.spaces.Load(store)
	n, _ := s.(*namespace)
	return n
}
