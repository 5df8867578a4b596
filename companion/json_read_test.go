// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/companion"
)

// Numbers in an any are float64, unless that would round them: what is read and written again stays as it was.
func TestNumbersInAnyAreExact(t *testing.T) {
	type holder struct {
		Any    any                        `json:"any"`
		Fields map[string]struct{ A any } `json:"fields,omitempty"`
		List   []any                      `json:"list,omitempty"`
		Deep   *map[string]map[string]any `json:"deep,omitempty"`
		Number json.Number                `json:"number,omitempty"`
	}
	s := openStore(t)
	raw, err := companion.NewRecords[json.RawMessage](s, "s")
	require.NoError(t, err)
	records, err := companion.NewRecords[holder](s, "s")
	require.NoError(t, err)
	maps, err := companion.NewRecords[map[string]any](s, "s")
	require.NoError(t, err)
	for _, exact := range []string{"0", "-1", "0.1", "9007199254740992", "123456789012345", "1e3", "100000000000000000000000", "-0.0", "1.50"} {
		text := `{"any":"0123456789012345678 \\\"1e5","list":[` + exact + `,12345678901234567890]}`
		_, err = raw.Put(t.Context(), "k", json.RawMessage(text))
		require.NoError(t, err)
		got, err := maps.Get(t.Context(), "k")
		require.NoError(t, err)
		require.IsType(t, float64(0), got.Value["list"].([]any)[0], exact)
		require.Equal(t, json.Number("12345678901234567890"), got.Value["list"].([]any)[1])
	}
	for _, n := range []string{"1546130668394913822", "9007199254740993", "0.12345678901234567", "1e400", "-123456789012345678901234567890.5"} {
		text := fmt.Sprintf(`{"any":%[1]s,"deep":{"a":{"b":[{"c":%[1]s}]}},"fields":{"f":{"A":%[1]s}},"list":[%[1]s,1,[%[1]s]],"number":%[1]s}`, n)
		_, err = raw.Put(t.Context(), "k", json.RawMessage(text))
		require.NoError(t, err)
		got, err := records.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, json.Number(n), got.Value.Any)
		require.Equal(t, 1.0, got.Value.List[1])
		_, err = records.Update(t.Context(), "k", func(old companion.Record[holder]) (holder, error) { return old.Value, nil })
		require.NoError(t, err)
		_, err = maps.Update(t.Context(), "k", func(old companion.Record[map[string]any]) (map[string]any, error) { return old.Value, nil })
		require.NoError(t, err)
		require.Equal(t, text, string(s.Engine().Latest("s", "k").Value()))
		scope, err := maps.Scope(n, companion.Filter[map[string]any]{Match: func(_ string, v map[string]any) bool { return v["any"] == json.Number(n) }})
		require.NoError(t, err)
		require.Equal(t, 1, scope.Count())
	}
}

// Update does not drop what its type lacks: it says what that is.
func TestUpdateKeepsWhatATypeLacks(t *testing.T) {
	type inner struct{ A, B int }
	type older struct {
		In   []struct{ A int }
		Name string
	}
	type newer struct {
		In   []inner
		Name string
		Mail string `json:",omitempty"`
	}
	s := openStore(t)
	news, err := companion.NewRecords[newer](s, "s")
	require.NoError(t, err)
	olds, err := companion.NewRecords[older](s, "s")
	require.NoError(t, err)
	rename := func(old companion.Record[older]) (older, error) {
		old.Value.Name = "b"
		return old.Value, nil
	}
	for field, v := range map[string]newer{"B": {In: []inner{{1, 2}}}, "Mail": {Mail: "a@example.org"}} {
		put, err := news.Put(t.Context(), "k", v)
		require.NoError(t, err)
		_, err = olds.Update(t.Context(), "k", rename)
		require.ErrorIs(t, err, companion.ErrInvalid)
		require.ErrorContains(t, err, fmt.Sprintf("%q: add the field to the type", field))
		_, err = s.Write(t.Context(), olds.Change("k", older{}).IfLatest(put.ID))
		require.NoError(t, err, "what an app writes as a whole is as it says")
	}
	_, err = olds.Update(t.Context(), "k", rename)
	require.NoError(t, err)
	_, err = olds.Delete(t.Context(), "k")
	require.NoError(t, err)
	for range 2 {
		_, err = olds.Update(t.Context(), "k", rename)
		require.NoError(t, err)
	}
}

// A Fragile can't bear some JSON.
type Fragile struct{ N int }

func (f Fragile) MarshalJSON() ([]byte, error) { return json.Marshal(f.N) }
func (f *Fragile) UnmarshalJSON(b []byte) error {
	if string(b) == `"x"` {
		panic("no number")
	}
	return json.Unmarshal(b, &f.N)
}

// A panic of a method that reads a value is as an error of it: loops go on.
func TestMethodsThatPanic(t *testing.T) {
	s := openStore(t)
	raw, err := companion.NewRecords[json.RawMessage](s, "s")
	require.NoError(t, err)
	for i, text := range []string{"1", `"x"`, "3"} {
		_, err = raw.Put(t.Context(), fmt.Sprint("k", i), json.RawMessage(text))
		require.NoError(t, err)
	}
	records, err := companion.NewRecords[Fragile](s, "s")
	require.NoError(t, err)
	events, err := companion.NewEvents[Fragile](s, "s")
	require.NoError(t, err)
	sum, n := 0, 0
	for r, err := range events.Tail(t.Context(), 0) {
		if r.Key == "k1" {
			require.ErrorContains(t, err, "panic: no number")
			require.ErrorAs(t, err, new(*companion.DecodeError))
		} else {
			require.NoError(t, err)
		}
		sum += r.Value.N
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 4, sum)
	fold := companion.NewFold(records, 0, func(n int, _, r companion.Record[Fragile]) int { return n + r.Value.N })
	require.ErrorAs(t, fold.Read(t.Context(), func(n int, _ uint64) { require.Equal(t, 4, n) }), new(*companion.UndecodedError))
}

// A fold that begins again, or after a value that was skipped, subtracts what the previous value added.
func TestFoldsBegunAroundWhatIsPassedOver(t *testing.T) {
	s := openStore(t)
	records, err := companion.NewRecords[Coin](s, "coins")
	require.NoError(t, err)
	raw, err := companion.NewRecords[json.RawMessage](s, "coins")
	require.NoError(t, err)
	sum := func(n int, before, after companion.Record[Coin]) int { return n - before.Value.N + after.Value.N }
	fold := companion.NewFold(records, 0, sum)
	read := func(fold *companion.Fold[int], want int) {
		t.Helper()
		require.ErrorAs(t, fold.Read(t.Context(), func(n int, _ uint64) { require.Equal(t, want, n) }), new(*companion.UndecodedError))
	}
	for _, text := range []string{`{"n":1}`, `{"n":3}`, `{"n":"x"}`, `"y"`} {
		_, err = raw.Put(t.Context(), "k", json.RawMessage(text))
		require.NoError(t, err)
	}
	read(fold, 3)
	require.NoError(t, fold.Begin(t.Context(), 0, 0))
	read(fold, 3)
	head := s.Head()
	_, err = records.Put(t.Context(), "k", Coin{10})
	require.NoError(t, err)
	read(fold, 10)
	kept := companion.NewFold(records, 0, sum)
	require.NoError(t, kept.Begin(t.Context(), 3, head))
	read(kept, 10)
}
