// SPDX-License-Identifier: Apache-2.0

package jsonvalue_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/jsonvalue"
)

func nested(open, inner, close string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(close, n)
}

func TestCheckAccepts(t *testing.T) {
	for _, text := range []string{
		"null", "true", "false", "0", "-0", "1.50e+10", "1E-7", "123456789012345678901234567890", `""`, `"a\u0000\"\\\/\b\f\n\r\t"`,
		`"é😀\ud83d\ude00"`, "\"\u007f\u2028\"", "[]", "[ ]", "{}", "{ }", " [ 1 , {\"a\" : [ ] } ]\t\r\n", `{"a":1,"A":2,"":3,"a ":4}`,
		nested("[", "", "]", 90), nested(`{"a":`, "1", "}", 90), nested(`[{"a":`, "1", "}]", 45),
		`{` + manyKeys(40) + `}`,
	} {
		require.NoError(t, jsonvalue.Check([]byte(text), 90), text)
	}
}

func manyKeys(n int) string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"k%d":{"a":%d}`, i, i)
	}
	return strings.Join(keys, ",")
}

func TestCheckRefuses(t *testing.T) {
	for text, want := range map[string]jsonvalue.Error{
		"":                              {0, "the text ends where a value is due"},
		" ":                             {1, "the text ends where a value is due"},
		"nul":                           {0, "not a JSON value"},
		"nulL":                          {0, "not a JSON value"},
		"'a'":                           {0, "not a JSON value"},
		"1 2":                           {2, "more after the end of the value"},
		"{}{}":                          {2, "more after the end of the value"},
		"01":                            {1, "more after the end of the value"},
		"-":                             {0, "not a JSON value"},
		"+1":                            {0, "not a JSON value"},
		"1.":                            {2, "a number with no digit after its point"},
		"1.e5":                          {2, "a number with no digit after its point"},
		"1e":                            {2, "a number with no digit in its exponent"},
		"1e+":                           {3, "a number with no digit in its exponent"},
		"[":                             {1, "the text ends where a value is due"},
		"[1":                            {2, "the text ends inside an array"},
		"[1,]":                          {3, "not a JSON value"},
		"[1 2]":                         {3, "neither comma nor ] after an array's element"},
		"{":                             {1, "no key where an object's key is due"},
		"{a:1}":                         {1, "no key where an object's key is due"},
		`{"a"}`:                         {4, "no colon after an object's key"},
		`{"a":1`:                        {6, "the text ends inside an object"},
		`{"a":1,}`:                      {7, "no key where an object's key is due"},
		`{"a":1 "b":2}`:                 {7, "neither comma nor } after an object's value"},
		`{"a":}`:                        {5, "not a JSON value"},
		`"a`:                            {2, "the text ends inside a string"},
		`"\`:                            {1, "the text ends inside an escape"},
		`"\x"`:                          {1, "no such escape in JSON"},
		`"\u12g4"`:                      {1, `\u without four hex digits`},
		`"\u12"`:                        {1, `\u without four hex digits`},
		`"\ud800"`:                      {1, "a lone surrogate"},
		`"\udc00\ud800"`:                {1, "a lone surrogate"},
		`"\ud800\ud800"`:                {1, "a lone surrogate"},
		`"\ud800\u0041"`:                {1, "a lone surrogate"},
		`"\ud800\n"`:                    {1, "a lone surrogate"},
		"\"\n\"":                        {1, "a control character inside a string: write it as an escape"},
		"\"\x00\"":                      {1, "a control character inside a string: write it as an escape"},
		"\"a\xff\"":                     {2, "not valid UTF-8"},
		"\"\xed\xa0\x80\"":              {1, "not valid UTF-8"},
		"\"\xe2\x82\"":                  {1, "not valid UTF-8"},
		`{"a":1,"a":2}`:                 {7, `the key "a" a second time`},
		`[{"x":{"a":1,"b":2,"a":3}}]`:   {19, `the key "a" a second time`},
		`{"a":1,"\u0061":2}`:            {7, `the key "a" a second time`},
		`{"\u00e9":1,"é":2}`:            {12, `the key "é" a second time`},
		`{` + manyKeys(40) + `,"k7":0}`: {len(manyKeys(40)) + 2, `the key "k7" a second time`},
		nested("[", "", "]", 91):        {90, "nested too deeply"},
		"[\xef\xbb\xbf1]":               {1, "not a JSON value"},
	} {
		err := jsonvalue.Check([]byte(text), 90)
		require.Equal(t, &want, err, text)
	}
	require.Error(t, jsonvalue.Check([]byte("[]"), 0))
	require.NoError(t, jsonvalue.Check([]byte("1"), 0))
	require.Error(t, jsonvalue.Check([]byte("[]"), -1))
}

// Duplicate keys are found in objects of any size, at any place and in any spelling, and the error names the first of them.
func TestDuplicateKeys(t *testing.T) {
	forms := []func(n int) string{
		func(n int) string { return fmt.Sprintf("%04x", n) },
		func(n int) string { return fmt.Sprintf("%03x\\u%04x", n>>4, "0123456789abcdef"[n&15]) },
		func(n int) string { return fmt.Sprintf("\\u%04x%03x", "0123456789abcdef"[n>>12], n&4095) },
	}
	key := func(i, form int) string { return forms[form%3](i * 7919 % 65536) } // in no order
	object := func(keys []string) []byte { return []byte(`{"` + strings.Join(keys, `":0,"`) + `":0}`) }
	for _, size := range []int{2, 3, 15, 16, 17, 18, 40, 1600} {
		for form := range forms {
			keys := make([]string, size)
			for i := range keys {
				keys[i] = key(i, i+form)
			}
			require.NoError(t, jsonvalue.Check(object(keys), 1))
			for _, twice := range [][2]int{{0, 1}, {0, size - 1}, {size - 2, size - 1}, {size / 3, size / 2}} {
				for again := range forms {
					keys := slices.Clone(keys)
					if keys[twice[1]] = key(twice[0], again); twice[0] == twice[1] {
						continue
					}
					want := &jsonvalue.Error{
						Offset: len(object(keys[:twice[1]])), Reason: fmt.Sprintf("the key %q a second time", key(twice[0], 0)),
					}
					keys = append(keys, keys[0], keys[size-1]) // further duplicates after it
					require.Equal(t, want, jsonvalue.Check(object(keys), 1), "%d keys, forms %d and %d, %v", size, form, again, twice)
				}
			}
		}
	}
}

// TestManyKeysTakeLittleMemory checks an object that is nothing but keys, in order or not and with or without
// escapes.
func TestManyKeysTakeLittleMemory(t *testing.T) {
	for _, form := range []string{`"%05x":0`, `"\u0061%05x":0`} {
		for _, step := range []int{1, 7919} {
			text := []byte{'{'}
			const keys = 1 << 17
			for i := range keys {
				text = append(fmt.Appendf(text, form, i*step%keys), ',')
			}
			text[len(text)-1] = '}'
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			require.NoError(t, jsonvalue.Check(text, 1))
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*len(text)), "for %d bytes", len(text))
		}
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	text := []byte(`[{` + manyKeys(16) + `},{` + manyKeys(15) + `}]`)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := jsonvalue.Check(text, 90); err != nil {
			t.Error(err)
		}
	}))
}

// FuzzCheckValue compares the checker with encoding/json and, for further rules, with slower checks.
func FuzzCheckValue(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1.5e-7,null,true],"é\n":"\ud83d\ude00"}`, "[[[[]]]]", `{"a":1,"\u0061":2}`, `"\ud800"`, "\"\xff\"", " 1 ",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := jsonvalue.Check(text, 1000)
		if !json.Valid(text) {
			require.Error(t, err)
			return
		}
		ok := utf8.Valid(text) && !hasLoneSurrogate(text) && uniqueKeys(t, json.NewDecoder(bytes.NewReader(text)))
		if depth := strings.Count(string(text), "[") + strings.Count(string(text), "{"); depth < 1000 {
			require.Equal(t, ok, err == nil, "%v", err)
		}
	})
}

// hasLoneSurrogate looks for surrogates that encoding/json replaces by U+FFFD.
func hasLoneSurrogate(text []byte) bool {
	var unescaped bytes.Buffer
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			if text[i+1] == 'u' && i+6 <= len(text) {
				unescaped.Write(text[i : i+6])
				i += 5
				continue
			}
			unescaped.WriteByte(' ')
			i++
			continue
		}
		unescaped.WriteByte(' ')
	}
	s := strings.ToLower(unescaped.String())
	for i := 0; i+6 <= len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		switch {
		case strings.HasPrefix(s[i:], `\ud`) && strings.IndexByte("89ab", s[i+3]) >= 0:
			if i+12 > len(s) || !strings.HasPrefix(s[i+6:], `\ud`) || strings.IndexByte("cdef", s[i+9]) < 0 {
				return true
			}
			i += 11
		case strings.HasPrefix(s[i:], `\ud`) && strings.IndexByte("cdef", s[i+3]) >= 0:
			return true
		default:
			i += 5
		}
	}
	return false
}

// uniqueKeys reports whether no object that d reads has a key twice.
func uniqueKeys(t testing.TB, d *json.Decoder) bool {
	d.UseNumber()
	type object struct {
		keys map[string]bool
		due  bool // a key is next
	}
	var open []*object
	value := func() {
		if n := len(open); n > 0 && open[n-1] != nil {
			open[n-1].due = true
		}
	}
	for {
		token, err := d.Token()
		if err == io.EOF {
			return true
		}
		require.NoError(t, err)
		switch token {
		case json.Delim('{'):
			open = append(open, &object{keys: map[string]bool{}, due: true})
			continue
		case json.Delim('['):
			open = append(open, nil)
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			value()
			continue
		}
		if n := len(open); n > 0 && open[n-1] != nil && open[n-1].due {
			key := token.(string)
			if open[n-1].keys[key] {
				return false
			}
			open[n-1].keys[key], open[n-1].due = true, false
			continue
		}
		value()
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		``: "", `abc`: "abc", `\"\\\/\b\f\n\r\t`: "\"\\/\b\f\n\r\t", `\u0041\u00e9\u20ac`: "Aé€", `x\ud83d\ude00y`: "x😀y", `\u0000`: "\x00",
	} {
		got, ok := jsonvalue.Text([]byte(`"` + text + `"`))
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	// Strings that Check refuses do no harm.
	for _, text := range []string{`\`, `\u`, `\u12`, `\ud800`, `\ud800\u`, `\ud800x`, `\ud800\u0041zz`} {
		jsonvalue.Text([]byte(`"` + text + `"`))
	}
	for _, v := range []string{``, `"`, `7`, `null`, `["a"]`} {
		_, ok := jsonvalue.Text([]byte(v))
		require.False(t, ok, v)
	}
}

func TestIsNull(t *testing.T) {
	for text, want := range map[string]bool{"null": true, " null\n": true, "": false, "nul": false, `"null"`: false, "nullx": false, "0": false} {
		require.Equal(t, want, jsonvalue.IsNull([]byte(text)), text)
	}
}
