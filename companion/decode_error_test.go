// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/companion"
)

// A Coin is {"n":1}.
type Coin struct {
	N int `json:"n"`
}

// coinsWithOneBad returns coins of 1, 3 and 4, and between the first two a value that is no coin.
func coinsWithOneBad(t *testing.T) (*companion.Store, *companion.Records[Coin], *companion.Events[Coin]) {
	s := openStore(t)
	records, err := companion.NewRecords[Coin](s, "coins")
	require.NoError(t, err)
	events, err := companion.NewEvents[Coin](s, "coins")
	require.NoError(t, err)
	raw, err := companion.NewRecords[json.RawMessage](s, "coins")
	require.NoError(t, err)
	for i, n := range []string{"1", `"x"`, "3", "4"} {
		_, err := raw.Put(t.Context(), fmt.Sprint("k", i+1), json.RawMessage(`{"n":`+n+`,"all":true}`))
		require.NoError(t, err)
	}
	return s, records, events
}

// tolerant returns what a loop yields: values, and the seqs of records that have none.
func tolerant(t *testing.T, records iter.Seq2[companion.Record[Coin], error], most int) string {
	text := ""
	for r, err := range records {
		var bad *companion.DecodeError
		if errors.As(err, &bad) {
			require.Equal(t, companion.DecodeError{ID: r.ID, Store: "coins", Key: r.Key, Seq: r.Seq, Type: bad.Type, Err: bad.Err}, *bad)
			require.NotEmpty(t, r.ID)
			require.Zero(t, r.Value)
			text += fmt.Sprintf("(%d %s)", r.Seq, r.Key)
		} else {
			require.NoError(t, err)
			text += fmt.Sprint(r.Value.N)
		}
		if most--; most == 0 {
			break
		}
	}
	return text
}

// A value that is no T is a record without value, after which every loop goes on.
func TestValuesThatCannotBeDecoded(t *testing.T) {
	s, records, events := coinsWithOneBad(t)
	all, err := records.Scope("all", companion.Filter[Coin]{Where: map[string]any{}})
	require.NoError(t, err)
	ctx := t.Context()
	for name, loop := range map[string]iter.Seq2[companion.Record[Coin], error]{
		"list": records.List(ctx, companion.Query{}), "by key": records.List(ctx, companion.Query{ByKey: true}), "scope": all.List(ctx, companion.Query{}),
		"since": events.Since(ctx, 0), "tail": events.Tail(ctx, 0), "past": records.List(ctx, companion.Query{At: companion.AsOf(s.Head())}),
	} {
		require.Equal(t, "1(2 k2)34", tolerant(t, loop, 4), name)
	}
	require.Equal(t, "(2 k2)431", tolerant(t, records.List(ctx, companion.Query{OrderBy: "n", Descending: true}), 0))
	require.Equal(t, "(2 k2)", tolerant(t, records.History(ctx, "k2", companion.Moment{}), 0))
	r, err := records.Get(ctx, "k2")
	require.Equal(t, uint64(2), r.Seq)
	require.ErrorAs(t, err, new(*companion.DecodeError))
	require.ErrorContains(t, err, `key "k2" in store "coins", as companion_test.Coin: json: cannot unmarshal string`)

	var page companion.Results[Coin]
	var seqs []uint64
	for {
		page, err = records.Query(ctx, companion.Query{Limit: 2, Cursor: page.Next})
		for _, r := range page.Records {
			seqs = append(seqs, r.Seq)
		}
		if page.Next == "" {
			break
		}
		require.ErrorAs(t, err, new(*companion.DecodeError), "the first page has it")
	}
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2, 3, 4}, seqs)
	i := 0
	for e, err := range all.Watch(ctx, 0) {
		if i++; i == 2 {
			require.ErrorAs(t, err, new(*companion.DecodeError))
			require.Equal(t, companion.Entered, e.Transition)
		} else {
			require.NoError(t, err)
		}
		require.Equal(t, uint64(i), e.Record.Seq)
		if i == 4 {
			break
		}
	}
	ended, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, err := range records.List(ended, companion.Query{}) {
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.Canceled, "other errors end the loop")
			i++
		}
	}
	require.Equal(t, 5, i)
}

// A scope by Match tells how many records it can't decide about.
func TestScopesTellWhatTheyCannotRead(t *testing.T) {
	_, records, _ := coinsWithOneBad(t)
	scope, err := records.Scope("any", companion.Filter[Coin]{Match: func(string, Coin) bool { return true }})
	require.NoError(t, err)
	require.Equal(t, 3, scope.Count())
	var undecoded *companion.UndecodedError
	require.ErrorAs(t, scope.Undecoded(t.Context()), &undecoded)
	require.Equal(t, 1, undecoded.Count)
	require.Equal(t, "k2", undecoded.First.Key)
	_, err = records.Put(t.Context(), "k2", Coin{2})
	require.NoError(t, err)
	require.NoError(t, scope.Undecoded(t.Context()))
	require.Equal(t, 4, scope.Count())
}
