// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/internal/wiretest"
	"github.com/igniter-store/igniter/wire"
)

func TestAppendFactForm(t *testing.T) {
	f := backend.Fact{
		Seq: 42, ID: "i\"d", Store: "s\\", Key: "k\n\u0001é", Value: []byte(" {\"a\": [1.0e-07, null]}\n"),
		ValueHash: "ab", Causation: "c", TransactionTime: time.Unix(1795467633, 816713600),
		ValidTime: time.Unix(-1, 500), SchemaVersion: 2, Producer: []byte(`"p"`), Derivation: []byte(` [1] `),
	}
	require.Equal(t, `{"seq":42,"id":"i\"d","store":"s\\","key":"k\n\u0001é","causation":"c",`+
		`"transaction_time":1795467633.8167136,"valid_time":-0.9999995,"schema_version":2,"value_hash":"ab",`+
		`"producer":"p","derivation":[1],"value":{"a": [1.0e-07, null]}}`, string(wire.AppendFact(nil, &f)))
	require.Equal(t, `{"id":"i\"d","store":"s\\","key":"k\n\u0001é","value":{"a": [1.0e-07, null]},"value_hash":"ab",`+
		`"causation":"c","transaction_time":1795467633.8167136,"valid_time":-0.9999995,"schema_version":2,`+
		`"producer":"p","derivation":[1]}`, string(protocol.AppendFactV1(nil, &f)))

	last := backend.Fact{Seq: math.MaxUint64, ID: "i", Store: "s", Value: []byte("1"), SchemaVersion: 1}
	parsed, err := wire.ParseFact(wire.AppendFact(nil, &last))
	require.NoError(t, err)
	require.Equal(t, last, parsed)

	least := backend.Fact{ID: "i", Store: "s", SchemaVersion: 1}
	require.Equal(t, `{"id":"i","store":"s","key":"","value":null}`, string(wire.AppendFact(nil, &least)))
	require.Equal(t, `{"id":"i","store":"s","key":"","value":null,"value_hash":null,"causation":null,"transaction_time":null,`+
		`"valid_time":null,"schema_version":1,"producer":null,"derivation":null}`, string(protocol.AppendFactV1(nil, &least)))
}

func TestEncodedFactIsAppendFact(t *testing.T) {
	f := wiretest.Typical()
	var d wire.EncodedFact
	for range 2 { // its memory is used again
		d.Encode(&f)
		want := wire.AppendFact([]byte("x"), &f)
		require.Equal(t, string(want), string(d.Append([]byte("x"), &f)))
		f.Value = []byte(`1`)
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	f := wiretest.Typical()
	body := wire.AppendFact(nil, &f)
	buf := make([]byte, 0, 1024)
	src := []byte(smallValue)
	for name, hot := range map[string]func(){
		"append":    func() { buf = wire.CloseFrame(wire.AppendFact(wire.OpenFrame(buf[:0]), &f), 0) },
		"parse":     func() { _, _ = wire.ParseFact(body) },
		"canonical": func() { buf, _ = wire.AppendCanonical(buf[:0], src) },
	} {
		if raceEnabled { // the race detector makes pools forget
			continue
		}
		require.Zero(t, testing.AllocsPerRun(100, hot), name)
	}
}

func TestCheckFactReadsWhatOthersWrite(t *testing.T) {
	f, err := wire.CheckFact([]byte(" {\"value\" : {\"a\":[{}]} , \"k\\u0065y\":\"\\u00e9\\ud83d\\ude00\", \"store\":\"s\"," +
		"\"new_key\":{\"x\":[\"}\",\"\\\"\"]},\"id\":\"i\",\"schema_version\":0,\"timestamp\":1e1,\"term\":5,\"causation\":null}\n"))
	require.NoError(t, err)
	require.Equal(t, backend.Fact{
		ID: "i", Store: "s", Key: "é😀", Value: []byte(`{"a":[{}]}`), SchemaVersion: 1,
		TransactionTime: time.Unix(10, 0).UTC(), ValidTime: time.Unix(5, 0).UTC(),
	}, f)

	f, err = wire.CheckFact([]byte(`{"id":"i","store":"s","key":"k","timestamp":1,"transaction_time":2.0,"valid_time":null,"term":null}`))
	require.NoError(t, err)
	require.Equal(t, time.Unix(2, 0).UTC(), f.TransactionTime)
	require.True(t, f.ValidTime.IsZero())
	require.True(t, f.Retraction(), "a missing value is null")
}

func TestCheckFactRefuses(t *testing.T) {
	for body, field := range map[string]string{
		``:                                  "fact",
		`[]`:                                "fact",
		`null`:                              "fact",
		`{"id":"i","id":"i"}`:               "fact",
		"{\"id\":\"\xff\"}":                 "fact",
		`{"id":"\ud800"}`:                   "fact",
		`{"store":"s","key":"k"}`:           "id",
		`{"id":"i","key":"k","store":null}`: "store",
		`{"id":"i","store":"s"}`:            "key",
		`{"id":1,"store":"s","key":"k"}`:    "id",
		`{"id":"i","store":[],"key":"k"}`:   "store",
		`{"seq":-1}`:                        "seq",
		`{"seq":1.0}`:                       "seq",
		`{"seq":"1"}`:                       "seq",
		`{"schema_version":1.5}`:            "schema_version",
		`{"schema_version":2147483648}`:     "schema_version",
		`{"seq":18446744073709551616}`:      "seq",
		`{"transaction_time":"2026"}`:       "transaction_time",
		`{"valid_time":1e99}`:               "valid_time",
		`{"value":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `,"x":[[]]}`: "id",
		`{"value":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`:        "fact",
	} {
		_, err := wire.CheckFact([]byte(body))
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid, body)
		require.Equal(t, field, invalid.Field, body)
		_, err = wire.ParseFact([]byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
}

func TestGroups(t *testing.T) {
	a, b, c := wiretest.Typical(), wiretest.Typical(), wiretest.Typical()
	b.Seq, b.ID, b.Value = a.Seq+1, "b", []byte(`"\n,\n{"`)
	c.Seq, c.ID, c.Producer, c.Derivation = a.Seq+2, "c", nil, []byte(`[{"x":"\\\""},[]]`)
	spread := c
	spread.Value = []byte("{\"a\":1,\n\"b\":[{},\n{}]}")
	for name, facts := range map[string][]backend.Fact{
		"one":        {a},
		"several":    {a, b, c},
		"line ends":  {a, spread, c},
		"the last":   {a, b, spread},
		"line end 1": {spread, spread},
	} {
		t.Run(name, func(t *testing.T) {
			body := wire.AppendGroup([]byte("x"), facts)[1:]
			require.NoError(t, jsonvalue.Check(body, 100))
			require.Equal(t, strings.Contains(name, "several"), strings.HasPrefix(string(body), "[\n"))
			got, err := wire.ParseGroup(nil, body)
			require.NoError(t, err)
			require.Equal(t, facts, got)
			got, err = wire.ParseGroup(got, body)
			require.NoError(t, err)
			require.Equal(t, append(facts[:len(facts):len(facts)], facts...), got)
		})
	}
	for _, body := range []string{"", "[", "[]", "[ ]", "[\n]", "[\n\n]", "[1]", "[\n1\n]", "[{}]", `[{"id":"i","store":"s","key":"k"},null]`} {
		got, err := wire.ParseGroup([]backend.Fact{a}, []byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
		require.Equal(t, []backend.Fact{a}, got)
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]time.Time{
		"5.0":                    time.Unix(5, 0),
		"1795467633.8167136":     time.Unix(1795467633, 816713600),
		"1795467633.816713601":   time.Unix(1795467633, 816713601),
		"0.0":                    time.Unix(0, 0),
		"0.000000001":            time.Unix(0, 1),
		"-0.5":                   time.Unix(-1, 500_000_000),
		"-1.000000001":           time.Unix(-2, 999_999_999),
		"253402300799.999999999": time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		"-62135596799.999999999": time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		"-62135596799.0":         time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC),
	} {
		got, err := wire.ParseTime([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want.UTC(), got, text)
		require.Equal(t, text, string(wire.AppendTime(nil, got)))
	}
	for text, want := range map[string]time.Time{ // other writers' forms
		"5":                                   time.Unix(5, 0),
		"5.10":                                time.Unix(5, 100_000_000),
		"1.0e-07":                             time.Unix(0, 100),
		"1e-9":                                time.Unix(0, 1),
		"1.0e-10":                             time.Unix(0, 0),
		"-1.5E+1":                             time.Unix(-15, 0),
		"1.795467633e+09":                     time.Unix(1795467633, 0),
		"17954676338167136e-7":                time.Unix(1795467633, 816713600),
		"5.1234567899":                        time.Unix(5, 123456789),
		"0e99999":                             time.Unix(0, 0),
		"1e-99999":                            time.Unix(0, 0),
		"0.00000000001e12":                    time.Unix(10, 0),
		"1000000000000000e-12":                time.Unix(1000, 0),
		"-0":                                  time.Unix(0, 0),
		"0.000000000000000000000000000001e31": time.Unix(10, 0),
	} {
		got, err := wire.ParseTime([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want.UTC(), got, text)
	}
	for _, text := range []string{
		"", "-", ".5", "5.", "05", "+5", "1e", "1e+", "0x5", "5 ", "NaN", "1e99999999999999999999", "1e12", "1e21",
		"253402300800.0", "-62135596800.0", "-62135596800.5", "99999999999999999999", "1e99", "\"5\"", "1.2.3", "5,", "--5",
	} {
		_, err := wire.ParseTime([]byte(text))
		require.ErrorIs(t, err, backend.ErrInvalid, text)
	}
}

func TestFrames(t *testing.T) {
	frame := wire.AppendFrame([]byte("before"), []byte(`{"ok":true}`))
	require.Equal(t, "before\x00\x00\x00\x0b{\"ok\":true}\xa7\xd4_\x90", string(frame))
	built := append(wire.OpenFrame([]byte("before")), `{"ok":true}`...)
	require.Equal(t, frame, wire.CloseFrame(built, len("before")))

	body, rest, ok := wire.CutFrame(append(frame[6:], "rest"...))
	require.True(t, ok)
	require.Equal(t, `{"ok":true}`, string(body))
	require.Equal(t, "rest", string(rest))
	for cut := range len(frame) - 6 {
		_, rest, ok := wire.CutFrame(frame[6 : 6+cut])
		require.False(t, ok)
		require.Len(t, rest, cut)
	}
	for _, length := range []uint32{0, 1 << 20, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32 - 7, math.MaxUint32} {
		b := binary.BigEndian.AppendUint32(nil, length)
		b = append(b, "1234"...)
		_, rest, ok := wire.CutFrame(b)
		require.False(t, ok, "length %d", length)
		require.Equal(t, b, rest)
	}
}

// An error of the stream does not end the reader: after a deadline, reading can be resumed.
func TestReaderResumes(t *testing.T) {
	stream := wire.AppendFrame(wire.AppendFrame(nil, []byte("1")), []byte("[2]"))
	late := errors.New("late")
	n := 0
	r := wire.NewReader(readerFunc(func(p []byte) (int, error) {
		if n++; n%2 == 0 {
			return 0, late
		}
		if len(stream) == 0 {
			return 0, io.EOF
		}
		p[0] = stream[0]
		stream = stream[1:]
		return 1, nil
	}), 0)
	var bodies []string
	for {
		body, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			require.ErrorIs(t, err, late)
			continue
		}
		bodies = append(bodies, string(body))
	}
	require.Equal(t, []string{"1", "[2]"}, bodies)

	// An error that comes together with bytes is not lost, either.
	stream = wire.AppendFrame(nil, []byte("1"))
	r = wire.NewReader(readerFunc(func(p []byte) (int, error) {
		if len(stream) == 0 {
			return 0, io.EOF
		}
		n := copy(p, stream)
		stream = stream[n:]
		return n, late
	}), 0)
	_, err := r.Next()
	require.NoError(t, err)
	_, err = r.Next()
	require.ErrorIs(t, err, late)
	_, err = r.Next()
	require.Equal(t, io.EOF, err)

	r = wire.NewReader(readerFunc(func([]byte) (int, error) { return 0, nil }), 0)
	_, err = r.Next()
	require.ErrorIs(t, err, io.ErrNoProgress)
}

// A length alone makes the reader allocate nothing.
// A stream may sometimes return no bytes, as long as more follow.
func TestReaderOfEmptyReads(t *testing.T) {
	body := bytes.Repeat([]byte("7"), 1<<20)
	stream := wire.AppendFrame(nil, body)
	n := 0
	r := wire.NewReader(readerFunc(func(p []byte) (int, error) {
		if n++; n%100 != 0 {
			return 0, nil
		}
		k := copy(p[:min(len(p), 64<<10)], stream)
		stream = stream[k:]
		return k, nil
	}), 0)
	got, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, body, got)
	_, err = r.Next()
	require.ErrorIs(t, err, io.ErrNoProgress)
}

func TestReaderAllocatesWhatArrives(t *testing.T) {
	stream := append([]byte{0, 0xff, 0xff, 0xff}, make([]byte, 100_000)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := wiretest.ReadFrames(stream)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestReaderLimits(t *testing.T) {
	frame := wire.AppendFrame(nil, []byte(`"1234"`))
	for limit, ok := range map[int]bool{-1: true, 0: true, 5: false, 6: true, math.MaxInt: true} {
		_, err := wire.NewReader(bytes.NewReader(frame), limit).Next()
		require.Equal(t, ok, err == nil, "%d: %v", limit, err)
	}
	var corrupt *backend.CorruptError
	_, err := wire.NewReader(bytes.NewReader([]byte{4, 0, 0, 1}), wire.MaxMaxFrame+1).Next()
	require.ErrorAs(t, err, &corrupt)
	require.Contains(t, corrupt.Reason, "the limit is 67108864")
}

// TestFactBy: a fact without By has the same bytes as in earlier releases. Both parsers parse a fact with By, at any place.
func TestFactBy(t *testing.T) {
	f := backend.Fact{Seq: 7, ID: "i", Store: "s", Key: "k", Value: []byte("1"), ValueHash: "ab", SchemaVersion: 1, Producer: []byte(`"p"`)}
	require.Equal(t, `{"seq":7,"id":"i","store":"s","key":"k","value_hash":"ab","producer":"p","value":1}`, string(wire.AppendFact(nil, &f)))
	for _, by := range []string{"app", `a "name"`} {
		f.By = by
		for _, producer := range []string{`"p"`, ""} {
			if f.Producer = []byte(producer); producer == "" {
				f.Producer = nil
			}
			body := wire.AppendFact(nil, &f)
			require.Equal(t, 1, strings.Count(string(body), `,"value_hash":"ab","by":"a`), "%s", body)
			for _, parse := range []func([]byte) (backend.Fact, error){wire.ParseFact, wire.CheckFact} {
				parsed, err := parse(body)
				require.NoError(t, err)
				require.Equal(t, f, parsed)
			}
		}
	}
	parsed, err := wire.CheckFact([]byte(`{"by":"app","id":"i","store":"s","key":"k","value":1}`))
	require.NoError(t, err)
	require.Equal(t, "app", parsed.By)
	_, err = wire.CheckFact([]byte(`{"by":5,"id":"i","store":"s","key":"k","value":1}`))
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.NotContains(t, string(protocol.AppendFactV1(nil, &f)), "by")
}
