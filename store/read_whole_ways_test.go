// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A reader reads one engine in every way that there is.
type reader struct {
	*store.Engine
	open   *store.Scope
	status *store.Index
	owner  *store.Relation
	fold   *store.Fold[map[string]int]
}

// newReader returns a reader whose scope calls match while a fact of docs is applied.
func newReader(t *testing.T, b backend.Backend, opts store.Options, match func(store.Record)) *reader {
	e, err := store.Open(t.Context(), b, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	r := &reader{Engine: e}
	r.open, err = e.Scope("docs", "open", store.Filter{Match: func(r store.Record, value json.RawMessage) bool {
		match(r)
		return strings.Contains(string(value), `"open"`)
	}})
	require.NoError(t, err)
	r.status, err = e.Index("docs", "status")
	require.NoError(t, err)
	r.owner, err = e.Relation("people", "docs", "owner")
	require.NoError(t, err)
	r.fold = store.NewFold(e, map[string]int{}, func(n map[string]int, r store.Record) map[string]int {
		n[r.Store()]++
		return n
	}, "docs", "people")
	return r
}

// warm builds what first reads build, under the engine's lock.
func (r *reader) warm() {
	for _, w := range ways {
		w.read(r, store.Moment{})
	}
	_, _ = r.FactByID("none")
}

// A way is one way to read one state of the log. want computes the expected result from all facts of the state.
type way struct {
	read func(r *reader, at store.Moment) []string
	want func(o oracle) []string
	now  bool // it reads the present only
}

var ways = map[string]way{
	"list": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.List(context.Background(), "docs", store.Query{At: at}))
		},
		want: func(o oracle) []string { return textsOf(o.current("docs")) },
	},
	"list by key": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.List(context.Background(), "docs", store.Query{At: at, ByKey: true, Descending: true}))
		},
		want: func(o oracle) []string {
			all := o.current("docs")
			slices.SortFunc(all, func(a, b backend.Fact) int { return cmp.Compare(b.Key, a.Key) })
			return textsOf(all)
		},
	},
	"list by field": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.List(context.Background(), "docs", store.Query{At: at, OrderBy: "n"}))
		},
		want: func(o oracle) []string {
			all := o.current("docs")
			slices.SortFunc(all, func(a, b backend.Fact) int {
				return cmp.Or(cmp.Compare(decodeDoc(a).N, decodeDoc(b).N), cmp.Compare(a.Key, b.Key))
			})
			return textsOf(all)
		},
	},
	"scope": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.open.List(context.Background(), store.Query{At: at}))
		},
		want: func(o oracle) []string { return textsOf(o.open()) },
	},
	"scope descending": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.open.List(context.Background(), store.Query{At: at, Descending: true}))
		},
		want: func(o oracle) []string {
			all := o.open()
			slices.Reverse(all)
			return textsOf(all)
		},
	},
	"scope by key": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.open.List(context.Background(), store.Query{At: at, ByKey: true}))
		},
		want: func(o oracle) []string {
			all := o.open()
			slices.SortFunc(all, func(a, b backend.Fact) int { return cmp.Compare(a.Key, b.Key) })
			return textsOf(all)
		},
	},
	"scope page": {
		read: func(r *reader, at store.Moment) (all []string) {
			found := must(r.open.Query(context.Background(), store.Query{At: at, Limit: 2}))
			for _, r := range found.Records {
				all = append(all, textOf(r.Fact()))
			}
			return append(all, fmt.Sprint(found.Next != ""))
		},
		want: func(o oracle) []string {
			all := o.open()
			return append(textsOf(all[:min(2, len(all))]), fmt.Sprint(len(all) > 2))
		},
	},
	"scope count": {
		read: func(r *reader, _ store.Moment) []string { return []string{fmt.Sprint(r.open.Count())} },
		want: func(o oracle) []string { return []string{fmt.Sprint(len(o.open()))} },
		now:  true,
	},
	"index": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.status.List(context.Background(), "open", at))
		},
		want: func(o oracle) []string { return textsOf(o.open()) },
	},
	"index values": {
		read: func(r *reader, _ store.Moment) []string { return slices.Sorted(r.status.Values()) },
		want: func(o oracle) []string {
			found := map[string]bool{}
			for _, f := range o.current("docs") {
				found[fmt.Sprintf("%q", decodeDoc(f).Status)] = true
			}
			return slices.Sorted(maps.Keys(found))
		},
		now: true,
	},
	"relation": {
		read: func(r *reader, at store.Moment) []string { return texts(r.owner.Many(context.Background(), "7", at)) },
		want: func(o oracle) []string {
			return textsOf(slices.DeleteFunc(o.current("docs"), func(f backend.Fact) bool {
				owner := decodeDoc(f).Owner
				return owner != "7" && owner != 7.0
			}))
		},
	},
	"facts": {
		read: func(r *reader, _ store.Moment) []string { return texts(r.Facts(context.Background(), "docs", 0)) },
		want: func(o oracle) []string {
			return textsOf(o.where(func(f backend.Fact) bool { return f.Store == "docs" }))
		},
		now: true,
	},
	"history": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.History(context.Background(), "docs", "k1", at))
		},
		want: func(o oracle) []string {
			return textsOf(o.where(func(f backend.Fact) bool { return f.Store == "docs" && f.Key == "k1" }))
		},
	},
	"latest": {
		read: func(r *reader, at store.Moment) []string {
			found, _, err := r.GetAt(context.Background(), "docs", "k2", at)
			return []string{textOf(found.Fact()), fmt.Sprint(err)}
		},
		want: func(o oracle) []string {
			var latest backend.Fact
			if f := o.at("docs", "k2", store.Moment{}); f != nil {
				latest = *f
			}
			return []string{textOf(latest), "<nil>"}
		},
	},
	"fold": {
		read: func(r *reader, _ store.Moment) (all []string) {
			err := r.fold.Read(context.Background(), func(n map[string]int, seq uint64) { all = append(all, fmt.Sprint(n, seq)) })
			return append(all, fmt.Sprint(err))
		},
		want: func(o oracle) []string {
			n := map[string]int{}
			for _, f := range o {
				n[f.Store]++
			}
			return []string{fmt.Sprint(n, o.last()), "<nil>"}
		},
		now: true,
	},
	"stores": {
		read: func(r *reader, _ store.Moment) []string { return r.Stores() },
		want: func(o oracle) []string {
			found := map[string]bool{}
			for _, f := range o {
				found[f.Store] = true
			}
			return slices.Sorted(maps.Keys(found))
		},
		now: true,
	},
}
