// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func TestFieldNames(t *testing.T) {
	e := openEngine(t, newLog(t))
	_, err := e.Import(t.Context(), backend.Fact{ID: "1", Store: "s", Key: "k", Value: []byte(` { "a\"}" : [ "x", {"b":1} ] , "\u0061" : { "b" : [1, 2.0, {"z":"]" ,"y":null}] , "c":"d" }, "n" :null}`)})
	require.NoError(t, err)
	for _, c := range []struct {
		field store.Field
		value any
		want  bool
	}{
		{"a.b", []any{1, json.Number("2.0"), map[string]any{"y": nil, "z": "]"}}, true},
		{"a.c", "d", true},
		{"n", nil, true},
		{"a.d", nil, false},
		{"a.c.d", "d", false},
		{`a"}`, []any{"x", map[string]int{"b": 1}}, true},
		{"b", 1, false},
	} {
		scope, err := e.Scope("s", fmt.Sprint(c.field, c.value), store.Filter{Where: map[store.Field]any{c.field: c.value}})
		require.NoError(t, err)
		scope.Build()
		want := 0
		if c.want {
			want = 1
		}
		require.Equal(t, want, scope.Count(), c.field)
	}
	_, err = e.Scope("s", "x", store.Filter{Where: map[store.Field]any{"a": func() {}}})
	require.ErrorIs(t, err, backend.ErrInvalid)
	_, err = e.Scope("s", "x", store.Filter{Where: map[store.Field]any{"": 1}})
	require.ErrorIs(t, err, backend.ErrInvalid)
}
