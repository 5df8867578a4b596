package store

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/igniter-store/igniter/backend"
)

// An Index finds the current records of a store by what they have in a field. Over a history, whose
// events each have a key of their own, it is the history's partitions. Its methods may be called
// concurrently.
type Index struct {
	store  string
	field  Field
	values projector[values, *values]
}

// Index returns the index of a store by a field. It is built on first use, and kept up by each write
// from then on. Each Index is kept for as long as the engine is open: make it once.
func (e *Engine) Index(store string, field Field) (*Index, error) {
	if field == "" {
		return nil, &backend.InvalidError{Field: "field", Reason: "a field without a name"}
	}
	x := &Index{store: store, field: field}
	x.values = projector[values, *values]{
		engine: e, store: store,
		create: func(p projected) *values {
			return &values{projected: p, index: x, keys: make(map[string]*numbers)}
		},
		over: func(v *values) projected { return v.projected },
	}
	return x, nil
}

// Past returns the same index over all that the log holds of its store now, see [Scope.Past].
func (x *Index) Past(ctx context.Context) (*Index, error) {
	e, err := x.values.engine.Past(ctx, x.store)
	if err != nil {
		return nil, err
	}
	return e.Index(x.store, x.field)
}

// Build builds the index now, so that its first read need not.
func (x *Index) Build() { x.values.get() }

// List yields the records that have v, a Go value that becomes JSON, in the field as of a moment, in
// the order in which their keys were first written. Equal is as in [Filter]; a record without the
// field has nothing in it, which is not null. Reading the present costs what is
// found; a past moment costs a look at every key of the store, and where Options.KeepVersions is set,
// it is for [Index.Past].
func (x *Index) List(v any, m Moment) (iter.Seq[Record], error) {
	want, err := equalForm(x.field, v)
	if err != nil {
		return nil, err
	}
	return x.list(m, want), nil
}

// list yields the records with one of wanted in the field.
func (x *Index) list(m Moment, wanted ...[]byte) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		space, v := x.values.get()
		if space == nil {
			return
		}
		fits := func(r Record) bool {
			token, ok := x.token(r)
			return ok && slices.ContainsFunc(wanted, func(w []byte) bool { return string(w) == token })
		}
		if m != (Moment{}) {
			Query{At: m}.records(space, nil, func(_ uint32, _, r Record, _ bool) bool { return fits(r) })(yield)
			return
		}
		through := x.values.engine.Head()
		for _, n := range v.find(wanted) {
			r, _ := space.key(n)
			if (r.Seq() <= through || fits(r)) && !yield(r) {
				return
			}
		}
	}
}

// Values yields what the field has in current records, as JSON, in no certain order.
func (x *Index) Values() iter.Seq[string] {
	return func(yield func(string) bool) {
		_, v := x.values.get()
		if v == nil {
			return
		}
		v.mu.RLock()
		all := make([]string, 0, len(v.keys))
		for token := range v.keys {
			all = append(all, token)
		}
		v.mu.RUnlock()
		for _, token := range all {
			if !yield(token) {
				return
			}
		}
	}
}

// token returns what a record has in the field, in the form of appendEqual.
func (x *Index) token(r Record) (string, bool) {
	if r.data == nil || r.Retracted() {
		return "", false
	}
	value, err := r.Upcast()
	if err != nil {
		return "", false
	}
	found := x.field.of(value)
	if found == nil {
		return "", false
	}
	form, err := appendEqual(make([]byte, 0, len(found)), found)
	return string(form), err == nil
}

// values has the numbers of the keys, in their order, by what their current records have in a field.
type values struct {
	projected
	index *Index
	mu    sync.RWMutex
	keys  map[string]*numbers // none of them empty
}

func (v *values) put(n uint32, prev, r Record) {
	before, had := v.index.token(prev)
	now, has := v.index.token(r)
	if had == has && before == now {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if had {
		if keys := v.keys[before]; keys != nil {
			if keys.remove(n); keys.empty() {
				delete(v.keys, before)
			}
		}
	}
	if has {
		keys := v.keys[now]
		if keys == nil {
			keys = new(numbers)
			v.keys[now] = keys
		}
		keys.add(n)
	}
}

// find returns the numbers of the keys with one of wanted, in their order.
func (v *values) find(wanted [][]byte) []uint32 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var found []uint32
	for _, w := range wanted {
		if keys := v.keys[string(w)]; keys != nil {
			found = keys.appendTo(found)
		}
	}
	if len(wanted) > 1 {
		slices.Sort(found)
	}
	return found
}
