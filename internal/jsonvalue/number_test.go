// SPDX-License-Identifier: Apache-2.0

package jsonvalue_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// number draws the text of a JSON number whose exact value fits a big.Rat.
func number(t *rapid.T, label string) string {
	s := rapid.SampledFrom([]string{"", "-"}).Draw(t, label+" sign")
	s += rapid.StringMatching(`(0|[1-9][0-9]{0,3}0{0,25})`).Draw(t, label)
	s += rapid.SampledFrom([]string{"", "", "." + rapid.StringMatching(`[0-9]{1,3}0{0,3}`).Draw(t, label+" decimals")}).Draw(t, label+" point")
	return s + rapid.SampledFrom([]string{"", "", "e" + rapid.StringMatching(`[+-]?[0-9]{1,2}`).Draw(t, label+" exponent")}).Draw(t, label+" e")
}

// TestNumbers compares numbers with exact fractions.
func TestNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := number(t, "a"), number(t, "b")
		if rapid.Bool().Draw(t, "alike") {
			b = a + rapid.SampledFrom([]string{"", "e0", ".0", "e1"}).Draw(t, "suffix")
			if jsonvalue.Check([]byte(b), 0) != nil {
				return
			}
		}
		x, ok := new(big.Rat).SetString(a)
		require.True(t, ok)
		y, ok := new(big.Rat).SetString(b)
		require.True(t, ok)
		p, q := jsonvalue.ParseNumber([]byte(a), nil), jsonvalue.ParseNumber([]byte(b), nil)
		require.Equal(t, x.Cmp(y), p.Compare(q), "%s and %s", a, b)
		require.Equal(t, x.Cmp(y) == 0, string(p.Append(nil)) == string(q.Append(nil)), "%s and %s", a, b)

		form := p.Append([]byte("x"))[1:]
		require.NoError(t, jsonvalue.Check(form, 0))
		again, ok := new(big.Rat).SetString(string(form))
		require.True(t, ok)
		require.Zero(t, x.Cmp(again), "%s is written %s", a, form)
	})
}

func TestAppendEqual(t *testing.T) {
	for src, want := range map[string]string{
		`100`: `100`, `1e2`: `100`, `1.50`: `1.5`, `-0`: `0`, `-0.0e9`: `0`, `0.0000001`: `1e-7`, `1e22`: `1e+22`, `1e20`: `100000000000000000000`, `1e21`: `1e+21`,
		`1e99999999999999999999`: `1e+1073741824`, `1e-99999999999999999999`: `1e-1073741824`, `0e99999999999999999999`: `0`,
		`12345678901234567890123`: `12345678901234567890123`, `-12.5e-1`: `-1.25`,
		`"1.0"`: `"1.0"`, `"a\u002f1.0\""`: `"a/1.0\""`, ` true `: `true`, `null`: `null`,
		` { "b" : 1.0, "a" : [ 2.50, "3.0", { } ] } `: `{"a":[2.5,"3.0",{}],"b":1}`,
	} {
		got, err := jsonvalue.AppendEqual([]byte("before"), []byte(src), 5)
		require.NoError(t, err, src)
		require.Equal(t, "before"+want, string(got), src)
	}
	for _, src := range []string{``, `1.`, `{"a":1,"a":2}`, strings.Repeat("[", 6) + strings.Repeat("]", 6)} {
		got, err := jsonvalue.AppendEqual([]byte("before"), []byte(src), 5)
		require.Error(t, err, src)
		require.Equal(t, "before", string(got))
	}
}
