// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// What is declared again and again, as in a request's handler, is kept up once, and not at all once it is closed.
func TestDeclaringAgain(t *testing.T) {
	l := memory.New(memory.Options{})
	defer l.Close()
	e, err := Open(t.Context(), l, Options{})
	require.NoError(t, err)
	defer e.Close()
	write := func(n int) {
		_, err := e.Write(t.Context(), backend.Fact{Store: "s", Key: fmt.Sprint(n), Value: fmt.Appendf(nil, `{"a":1,"b":%d}`, n%2)})
		require.NoError(t, err)
	}
	for n := range 4 {
		write(n)
	}
	built := func() int { return len(e.namespace("s").built()) }
	list := func(x *Index) (n int) {
		for range x.List(t.Context(), 1, Moment{}) {
			n++
		}
		return n
	}

	declare := func() (*Scope, *Index, *Relation) {
		scope, err := e.Scope("s", "odd", Filter{Where: map[Field]any{"b": 1, "a": 1.0}})
		require.NoError(t, err)
		require.Equal(t, 2, scope.Count())
		index, err := e.Index("s", "b")
		require.NoError(t, err)
		require.Equal(t, 2, list(index))
		relation, err := e.Relation("o", "s", "b")
		require.NoError(t, err)
		relation.Many(t.Context(), "1", Moment{})(func(Record, error) bool { return false })
		return scope, index, relation
	}
	var scope *Scope
	var index *Index
	for range 3 {
		var relation *Relation
		scope, index, relation = declare()
		require.Equal(t, 2, built())
		defer relation.Close()
	}
	_, err = e.Scope("s", "odd", Filter{Where: map[Field]any{"b": 1}})
	require.ErrorIs(t, err, backend.ErrInvalid)
	_, err = e.Scope("other", "odd", Filter{Where: map[Field]any{"b": 1}})
	require.NoError(t, err)

	for range 3 {
		require.Equal(t, 2, built())
		scope.Close()
		index.Close()
	}
	require.Equal(t, 1, built(), "relations have the index")
	write(5)
	require.Equal(t, 3, scope.Count(), "it can be read all the same")
	require.Equal(t, 1, built())

	unequal := func(Record, json.RawMessage) bool { return true }
	all, err := e.Scope("s", "odd", Filter{Match: unequal})
	require.NoError(t, err, "the name is free")
	_, err = e.Scope("s", "odd", Filter{Match: unequal})
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.Equal(t, 5, all.Count())
	all.Close()
	require.Equal(t, 1, built())

	lone, err := e.Index("s", "a")
	require.NoError(t, err)
	require.Equal(t, 5, list(lone))
	lone.Close()
	require.Equal(t, 1, built())
	require.Equal(t, 5, list(lone))
	for v := range lone.Values() {
		require.Equal(t, "1", v)
	}
}

// One rule for what has a name: again the same is harmless or at least an error, and never replaces the first.
func TestOneDeclarationPerName(t *testing.T) {
	l := memory.New(memory.Options{})
	defer l.Close()
	e, err := Open(t.Context(), l, Options{})
	require.NoError(t, err)
	defer e.Close()
	up := func(v json.RawMessage) (json.RawMessage, error) { return v, nil }
	derive := func(context.Context, Record) (Derived, error) { return Derived{}, nil }
	require.NoError(t, e.Upcast("s", up))
	require.ErrorIs(t, e.Upcast("s", up), backend.ErrInvalid)
	require.NoError(t, e.Retain("s", Retention{Versions: 1}))
	require.NoError(t, e.Retain("s", Retention{Versions: 1}))
	require.ErrorIs(t, e.Retain("s", Retention{Versions: 2}), backend.ErrInvalid)
	require.NoError(t, e.Retain("s", Retention{}))
	require.NoError(t, e.Retain("s", Retention{Versions: 2}))
	require.NoError(t, e.AddRule(Rule{Name: "r", Source: "s", Derive: derive}))
	require.ErrorIs(t, e.AddRule(Rule{Name: "r", Source: "s", Derive: derive}), backend.ErrInvalid)
}
