package store

import (
	"context"
	"iter"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// An Index finds the current records of a store by what they have in a field. Over a history, whose
// events each have a key of their own, it is the history's partitions. Its methods may be called
// concurrently.
type Index struct {
	store  string
	field  Field
	values projector[postings, *postings]
}

// Index returns the index of a store by a field. It is built on first use, and kept up by each write
// from then on. Each Index is kept for as long as the engine is open: make it once.
func (e *Engine) Index(store string, field Field) (*Index, error) {
	if field == "" {
		return nil, &backend.InvalidError{Field: "field", Reason: "a field without a name"}
	}
	x := &Index{store: store, field: field}
	x.values = projector[postings, *postings]{
		engine: e, store: store,
		create: func(p projected) *postings { return newPostings(p, x) },
		over:   func(p *postings) projected { return p.projected },
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
		space, p := x.values.get()
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
		for _, n := range p.find(wanted) {
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
		_, p := x.values.get()
		if p == nil {
			return
		}
		for _, token := range p.tokens() {
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
