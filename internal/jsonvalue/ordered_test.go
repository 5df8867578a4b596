// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestOrdered checks that a text which checkOrdered reports as ordered equals its canonical form.
func TestOrdered(t *testing.T) {
	for src, want := range map[string]bool{
		`1`: true, `-0.0E5`: true, `"é\n"`: false, `"é/` + "\u2028\u007f" + `"`: true, ` 1`: false, "1\n": false, `[1,[],{}]`: true, `[1, 2]`: false,
		`{"a":1,"b":{"c":2}}`: true, `{"b":1,"a":2}`: false, `{"a":{"c":1,"b":2}}`: false, `{"a" :1}`: false, `{"a":"\u0062"}`: false,
		`{"a":1,"é":2,"日":3}`: true, `{"é":1,"z":2}`: false, `{"":1,"a":2,"aa":3}`: true, `{"\u0061":1}`: false,
	} {
		ordered, err := checkOrdered([]byte(src), 5)
		require.NoError(t, err, src)
		require.Equal(t, want, ordered, src)
		if ordered {
			require.Equal(t, src, string(canonical(nil, []byte(src))))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var value func(depth int) string
		value = func(depth int) string {
			space := rapid.SampledFrom([]string{"", "", "", "", "", "", " "}).Draw(t, "space")
			switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
			case kind == 0 && depth > 0:
				var members []string
				for i := range rapid.IntRange(0, 18).Draw(t, "members") {
					key := rapid.SampledFrom([]string{"a", "b", "é", ""}).Draw(t, "key")
					members = append(members, fmt.Sprintf(`"%02d%s"%s:%s`, i*rapid.SampledFrom([]int{1, 1, 1, 7}).Draw(t, "step")%97, key, space, value(depth-1)))
				}
				return "{" + strings.Join(members, ",") + "}"
			case kind == 1 && depth > 0:
				return "[" + value(depth-1) + "," + space + value(depth-1) + "]"
			case kind == 2:
				text, err := json.Marshal(rapid.String().Draw(t, "text"))
				require.NoError(t, err)
				return string(text)
			}
			return fmt.Sprint(rapid.Float64().Draw(t, "number"))
		}
		src := []byte(value(3))
		ordered, err := checkOrdered(src, 5)
		if err != nil || !ordered {
			return
		}
		require.Equal(t, string(src), string(canonical(nil, src)))
	})
}
