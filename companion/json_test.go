// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

type Kind struct {
	Kind string `json:"kind"`
}

type Left struct{ N int }

type Right struct {
	N int `json:"n"`
}

type Label string

type inner struct{ Inner int }

// A Shape has the special cases of encoding/json.
type Shape struct {
	Kind  `json:"named"` // so its field is nested
	Left                 // has N
	Right                // has n, which Go hides from Shape
	Label                // embedded, and no struct
	*Base                // may be nil
	inner
	Hidden Kind           `json:"-"`
	Text   int            `json:"text,string"`
	Maybe  *int           `json:"maybe,omitempty"`
	Count  *int           `json:"count"`
	Tags   []string       `json:"tags,omitempty"`
	At     time.Time      `json:"at,omitempty"` // omitempty has no effect on structs
	Never  time.Time      `json:"never,omitzero"`
	Price  float64        `json:"price"`
	Any    any            `json:"any"`
	Prices map[string]int `json:"prices"`
}

// A scope's fields are what encoding/json writes: each value that a field can have is found, and each value that it
// can't have is an error.
func TestScopesSeeWhatJSONHas(t *testing.T) {
	s := openStore(t)
	shapes, err := companion.NewRecords[Shape](s, "shapes")
	require.NoError(t, err)
	zero := 0
	_, err = shapes.Put(t.Context(), "k", Shape{
		Kind: Kind{"x"}, Left: Left{1}, Right: Right{N: 2}, Label: "l", Base: &Base{"b"}, inner: inner{3}, Text: 4, Maybe: &zero, Price: 5, Any: "a",
		Prices: map[string]int{"lamp": 6},
	})
	require.NoError(t, err)
	for field, v := range map[string]any{
		"named.kind": "x", "N": 1, "n": 2, "Label": "l", "kind": "b", "Inner": 3, "text": 4, "maybe": 0, "count": nil, "at": time.Time{},
		"price": 5, "any": "a", "prices.lamp": 6, "prices": map[string]int{"lamp": 6}, "named": map[string]string{"kind": "x"},
	} {
		scope, err := shapes.Scope(field, companion.Filter[Shape]{Where: map[string]any{field: v}})
		require.NoError(t, err, field)
		require.Equal(t, 1, scope.Count(), field)
	}
	for field, v := range map[string]any{
		"Kind": "x", "M": 0, "Hidden": 1, "hidden.kind": "x", "Left.N": 1, "inner": 3, "tags": []string{}, "never": time.Time{}, "text": "4", "maybe": nil,
		"count": "0", "price": "5", "n": 2.5, "Label": 1, "prices": 6, "named": map[string]string{"kind": "x", "more": ""}, "N": nil,
	} {
		_, err := shapes.Scope(field, companion.Filter[Shape]{Where: map[string]any{field: v}})
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid, field)
		require.Equal(t, field, invalid.Field)
	}
	lists, err := companion.NewEvents[*[]Kind](s, "lists")
	require.NoError(t, err)
	_, err = lists.Partition("kind")
	require.ErrorContains(t, err, `[]companion_test.Kind has no fields, and so no "kind"`)
	events, err := companion.NewEvents[Shape](s, "shapes")
	require.NoError(t, err)
	byText, err := events.Partition("text")
	require.NoError(t, err)
	require.Len(t, collect(t, byText.Since(t.Context(), 4, 0)), 1)
	for _, err := range byText.Since(t.Context(), "4", 0) {
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
}

// A type that JSON can't hold, or holds nothing of, is an error when it is declared.
func TestTypesAreChecked(t *testing.T) {
	s := openStore(t)
	refused := func(err error, field, reason string) {
		t.Helper()
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Field)
		require.ErrorContains(t, err, reason)
	}
	type hidden struct{ title string }
	_, err := companion.NewRecords[hidden](s, "hidden")
	refused(err, "type", "companion_test.hidden has no field")
	_, err = companion.NewEvents[*hidden](s, "hidden")
	refused(err, "type", hidden{"export its fields"}.title)
	refused(declared[chan int](), "type", "chan int can't be JSON")
	refused(declared[struct{ Base struct{ Done func() } }](), "Done", "func() can't be JSON")
	_, err = companion.NewRecords[int](nil, "numbers")
	refused(err, "store", "nil Store")

	require.NoError(t, declared[struct{}]())
	require.NoError(t, declared[time.Time]()) // it writes itself
	require.NoError(t, declared[struct{ Parent *Person }]())
}
