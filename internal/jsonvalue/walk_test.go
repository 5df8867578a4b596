// SPDX-License-Identifier: Apache-2.0

package jsonvalue_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// walk checks a text only with Object and Array, as their callers do: each level reads the level below it. It returns the
// number of values.
func walk(b []byte, i, depth int) (values, end int, err error) {
	values = 1
	inner := func(at int) (int, error) {
		n, end, err := walk(b, at, depth-1)
		values += n
		return end, err
	}
	switch {
	case i < len(b) && depth > 0 && b[i] == '{':
		end, err = jsonvalue.Object(b, i, func(_ string, at int) (int, error) { return inner(at) })
	case i < len(b) && depth > 0 && b[i] == '[':
		end, err = jsonvalue.Array(b, i, inner)
	default:
		end, err = jsonvalue.Value(b, i, 0)
		if err != nil && depth <= 0 {
			end, err = jsonvalue.Value(b, i, depth)
		}
	}
	return values, end, err
}

// TestWalk walks texts and parts of them.
func TestWalk(t *testing.T) {
	text := []byte(` {"a":[1,{"b":[]},"x"], "c" : null ,"\u0064":{}}`)
	var keys []string
	end, err := jsonvalue.Object(text, 0, func(key string, at int) (int, error) {
		keys = append(keys, key)
		if key == "a" {
			return jsonvalue.Array(text, at, func(at int) (int, error) { return jsonvalue.Skip(text, at), nil })
		}
		return jsonvalue.Value(text, at, 1)
	})
	require.NoError(t, err)
	require.Equal(t, len(text), end)
	require.Equal(t, []string{"a", "c", "d"}, keys)

	// Object does not check values that its caller does not check; it only needs their ends.
	loose := []byte(`{"a":[}, "b":tru,"c":"` + "\xff" + `"} rest`)
	end, err = jsonvalue.Object(loose, 0, func(_ string, at int) (int, error) { return jsonvalue.Skip(loose, at), nil })
	require.NoError(t, err)
	require.Equal(t, len(loose)-len(" rest"), end)
	require.Equal(t, &jsonvalue.Error{Offset: end + 1, Reason: "more after the end of the value"}, jsonvalue.End(loose, end))
	require.NoError(t, jsonvalue.End([]byte("1 \n"), 1))

	skip := func(b string) func(int) (int, error) {
		return func(at int) (int, error) { return jsonvalue.Skip([]byte(b), at), nil }
	}
	for b, want := range map[string]jsonvalue.Error{
		``:              {0, "not a JSON object"},
		` []`:           {1, "not a JSON object"},
		`{"a":[1}`:      {8, "the text ends inside an object"},
		`{"a":{"b":1}`:  {12, "the text ends inside an object"},
		`{"a":"x}`:      {8, "the text ends inside a value"},
		`{"a":}`:        {5, "not a JSON value"},
		`{"a":1,"a":2}`: {7, `the key "a" a second time`},
		`{"a" 1}`:       {5, "no colon after an object's key"},
		"{\"\xff\":1}":  {2, "not valid UTF-8"},
		`{"a":1 2}`:     {7, "neither comma nor } after an object's value"},
	} {
		_, err := jsonvalue.Object([]byte(b), 0, func(_ string, at int) (int, error) { return skip(b)(at) })
		require.Equal(t, &want, err, b)
	}
	for b, want := range map[string]jsonvalue.Error{
		`{}`:    {0, "not a JSON array"},
		`[1`:    {2, "the text ends inside an array"},
		`["x`:   {3, "the text ends inside a value"},
		`[1,]`:  {3, "not a JSON value"},
		`[1 2]`: {3, "neither comma nor ] after an array's element"},
	} {
		_, err := jsonvalue.Array([]byte(b), 0, skip(b))
		require.Equal(t, &want, err, b)
	}
	mine := errors.New("mine")
	_, err = jsonvalue.Array([]byte("[1,2]"), 0, func(int) (int, error) { return 2, mine })
	require.Equal(t, mine, err)
	_, err = jsonvalue.Object([]byte(`{"a":1}`), 0, func(string, int) (int, error) { return 6, mine })
	require.Equal(t, mine, err)
}

func TestSkip(t *testing.T) {
	for _, v := range []string{`1`, `-1.5e7`, `null`, `"a\"]}\\"`, `"é"`, `[]`, `[1,"]",[{}]]`, `{"a":{"}":["\\"]}}`, nested("[", "", "]", 1_000_000)} {
		for _, after := range []string{"", ",", "}", "]", " ", "\n7"} {
			require.Equal(t, 3+len(v), jsonvalue.Skip([]byte("[1,"+v+after), 3), "%.20s%s", v, after)
		}
	}
	for _, v := range []string{``, `"`, `"\"`, `"\`, `[`, `{"a":1`, `{"a":"}`, nested("[", "", "", 1_000_000)} {
		require.Equal(t, -1, jsonvalue.Skip([]byte(v), 0), "%.20s", v)
	}
	require.Equal(t, 1, jsonvalue.Skip([]byte("1}"), 1), "no value is there")
	require.Equal(t, -1, jsonvalue.Skip([]byte("1"), 7))
}

func TestMember(t *testing.T) {
	v := []byte(` { "a" : [1, {"b":2}] ,"b":"}","\u0063":3 , "d":null} `)
	for key, want := range map[string]string{"a": `[1, {"b":2}]`, "b": `"}"`, "c": "3", "d": "null", "e": "", "": "", `\u0063`: ""} {
		require.Equal(t, want, string(jsonvalue.Member(v, key)), key)
	}
	for _, v := range []string{``, ` `, `7`, `"a"`, `["a"]`, `null`, `{}`, `{`, `{"a`, `{"a"`, `{"a":`, `{"a":[`, `{"b":1 "a":2}`, `{"b":1,`} {
		require.Nil(t, jsonvalue.Member([]byte(v), "a"), v)
	}
	require.Zero(t, testing.AllocsPerRun(10, func() { jsonvalue.Member(v, "d") }))
}

func TestParseUint(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "7": 7, "18446744073709551615": 1<<64 - 1, "10000000000000000000": 1e19} {
		got, ok := jsonvalue.ParseUint([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "-1", "+1", "01", "1.0", "1e3", " 1", "18446744073709551616", "18446744073709551620", "99999999999999999999", "x"} {
		_, ok := jsonvalue.ParseUint([]byte(text))
		require.False(t, ok, text)
	}
}

// FuzzWalk compares what walks over bytes: Object and Array accept what Check accepts, Skip finds the
// same end, Member the value that encoding/json finds.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{`{"a":[1.5e-7,null,{"b":"\"]"}],"é\n":{}}`, `[[[]],{"":1}]`, `{"a":1,"\u0061":2}`, `[}`, `{"a":tru}`, `"a\`, ` 1 `, `{"a":"é`} {
		f.Add([]byte(seed), "a")
	}
	f.Fuzz(func(t *testing.T, text []byte, key string) {
		keep := bytes.Clone(text)
		for i := range text {
			if end := jsonvalue.Skip(text, i); end >= 0 {
				require.GreaterOrEqual(t, end, i)
				require.LessOrEqual(t, end, len(text))
			}
			jsonvalue.PlainText(text, i)
		}
		member := jsonvalue.Member(text, key)
		_, end, walkErr := walk(text, 0, 20)
		valueEnd, valueErr := jsonvalue.Value(text, 0, 20)
		require.Equal(t, valueErr == nil, walkErr == nil, "%v, %v", valueErr, walkErr)
		require.Equal(t, keep, text)
		if valueErr != nil {
			return
		}
		require.Equal(t, valueEnd, end)
		require.NoError(t, jsonvalue.Check(text[:end], 20))
		if end < len(text) {
			return
		}
		require.Equal(t, end, jsonvalue.Skip(text, 0))
		var fields map[string]json.RawMessage
		if json.Unmarshal(text, &fields) != nil {
			require.Nil(t, member)
			return
		}
		require.Equal(t, string(fields[key]), string(member))
	})
}

// FuzzText writes texts and reads them, as encoding/json does.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "a", "é\x00\"\\/\b\f\n\r\t\u2028\x7f", "日本語 and some longer ASCII text\nbehind it"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = string(bytes.ToValidUTF8([]byte(s), []byte("?")))
		form := jsonvalue.AppendText([]byte("x"), s)[1:]
		require.NoError(t, jsonvalue.Check(form, 0))
		var want string
		require.NoError(t, json.Unmarshal(form, &want))
		require.Equal(t, s, want)
		got, ok := jsonvalue.Text(form)
		require.True(t, ok)
		require.Equal(t, s, got)
		canonical, err := jsonvalue.AppendCanonical(nil, form, 0)
		require.NoError(t, err)
		require.Equal(t, string(form), string(canonical))

		plain, end, ok := jsonvalue.PlainText(form, 1)
		if require.Equal(t, !bytes.Contains(form, []byte(`\`)), ok); ok {
			require.Equal(t, s, plain)
			require.Equal(t, len(form), end)
		}
	})
}
