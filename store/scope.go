package store

import (
	"context"
	"encoding/json"
	"iter"
	"math/bits"
	"slices"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// A Filter says which records are in a scope: those that all of it fits. Retracted keys never are,
// and neither is a value that can't be upcast.
type Filter struct {
	// Where has what fields are equal to, as Go values that become JSON. Equal is what is the same
	// JSON, however it is written: 1, 1.0 and 10e-1 are one number. Nil: any.
	Where map[Field]any

	// Match is asked about a record with its upcast value; nil: any. It must answer the same
	// whenever it is asked, must call no method of the engine or of what is over it, and should be
	// quick: writers wait for it. It may be called concurrently. A record that it panics about is
	// logged, and not in the scope.
	Match func(r Record, value json.RawMessage) bool
}

// A Scope is a named filter over the current records of a store. Its methods may be called
// concurrently.
type Scope struct {
	store, name string
	filter      Filter
	wants       []want
	members     projector[members, *members]
}

type want struct {
	field Field
	value []byte // in the form of appendEqual
}

// Scope returns the scope of a store's records that f fits. name is for people. On first use, or
// with [Scope.Build], it looks at every record once; from then on each write to the store is looked
// at as it comes.
//
// Each Scope keeps an index of its own for as long as the engine is open: make it once.
func (e *Engine) Scope(store, name string, f Filter) (*Scope, error) {
	s := &Scope{store: store, name: name, filter: f}
	for field, v := range f.Where {
		if field == "" {
			return nil, &backend.InvalidError{Field: "where", Reason: "a field without a name"}
		}
		value, err := equalForm(field, v)
		if err != nil {
			return nil, err
		}
		s.wants = append(s.wants, want{field, value})
	}
	s.members = projector[members, *members]{
		engine: e, store: store,
		create: func(p projected) *members { return &members{projected: p, scope: s} },
		over:   func(m *members) projected { return m.projected },
	}
	return s, nil
}

// Past returns the same scope over all that the log holds of its store now, see [Engine.Past]. It is
// for moments in the past where Options.KeepVersions is set: the scope itself then sees what is kept.
func (s *Scope) Past(ctx context.Context) (*Scope, error) {
	e, err := s.members.engine.Past(ctx, s.store)
	if err != nil {
		return nil, err
	}
	return e.Scope(s.store, s.name, s.filter)
}

// Name returns the scope's name.
func (s *Scope) Name() string { return s.name }

// Build indexes the scope now, so that its first read need not.
func (s *Scope) Build() { s.members.get() }

// Has reports whether a record, of any time, is one that the scope's filter fits.
func (s *Scope) Has(r Record) bool {
	if r.data == nil || r.Retracted() {
		return false
	}
	value, err := r.Upcast()
	if err != nil {
		return false
	}
	var buf [256]byte
	for _, w := range s.wants {
		if !w.field.equals(value, w.value, buf[:0]) {
			return false
		}
	}
	return s.filter.Match == nil || s.match(r, value)
}

// match asks Match. A record that it panics about is not in the scope: writers ask too, while they
// hold the engine's lock.
func (s *Scope) match(r Record, value json.RawMessage) (fits bool) {
	defer func() {
		if p := recover(); p != nil {
			s.members.engine.opts.Logger.Error("a scope's Match panicked; the record is taken to be outside", zap.String("scope", s.name),
				zap.String("store", s.store), zap.String("key", r.Key()), zap.Any("panic", p), zap.Stack("stack"))
			fits = false
		}
	}()
	return s.filter.Match(r, value)
}

// List yields the records in the scope as q says. Reading the present costs what is in the scope;
// a past moment costs a look at every key of the store, and where Options.KeepVersions is set, it is
// for [Scope.Past].
func (s *Scope) List(q Query) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		space, m := s.members.get()
		if space == nil {
			return
		}
		through := s.members.engine.Head()
		q.records(space, m, func(n uint32, latest, r Record, was bool) bool {
			if latest.Seq() <= through && r.Seq() == latest.Seq() {
				return was
			}
			return s.Has(r)
		})(yield)
	}
}

// Count returns how many records are in the scope now.
func (s *Scope) Count() int {
	_, m := s.members.get()
	if m == nil {
		return 0
	}
	return int(m.count.Load())
}

// members has a bit for each key, set if its current record is in the scope. Readers take no lock.
type members struct {
	projected
	scope *Scope
	words pages[atomic.Uint64]
	limit atomic.Uint32 // how many words there are
	count atomic.Int64
}

func (m *members) put(n uint32, _, r Record) {
	word, bit := n/64, uint64(1)<<(n%64)
	for ; m.limit.Load() <= word; m.limit.Add(1) {
		m.words.room(m.limit.Load())
	}
	w := m.words.at(word)
	switch in, was := m.scope.Has(r), w.Load()&bit != 0; {
	case in && !was:
		w.Or(bit)
		m.count.Add(1)
	case was && !in:
		w.And(^bit)
		m.count.Add(-1)
	}
}

func (m *members) has(n uint32) bool {
	return n/64 < m.limit.Load() && m.words.at(n/64).Load()>>(n%64)&1 == 1
}

// each yields the numbers of the keys with their bits set, in their order or against it.
func (m *members) each(descending bool) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		limit := m.limit.Load()
		for i := range limit {
			if descending {
				i = limit - 1 - i
			}
			for w := m.words.at(i).Load(); w != 0; {
				bit := bits.TrailingZeros64(w)
				if descending {
					bit = 63 - bits.LeadingZeros64(w)
				}
				w &^= 1 << bit
				if !yield(i*64 + uint32(bit)) {
					return
				}
			}
		}
	}
}

// drop forgets a projection.
func (s *namespace) drop(p projection) {
	s.projections = slices.DeleteFunc(s.projections, func(q projection) bool { return p == q })
}
