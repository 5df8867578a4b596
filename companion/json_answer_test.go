// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

// The types that an app returns from requests have the JSON names of a fact, and can be read back.
func TestJSONOfAnswers(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	day := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	ctx := companion.WithProducer(t.Context(), "ana")
	first, err := tasks.Put(ctx, "k", Task{Title: "a"})
	require.NoError(t, err)
	receipts, err := s.Write(ctx, tasks.Change("k", Task{Title: "b"}).ValidFrom(day).DerivedFrom(1))
	require.NoError(t, err)
	record, err := tasks.Get(ctx, "k")
	require.NoError(t, err)
	scope, err := tasks.Scope("all", companion.Filter[Task]{})
	require.NoError(t, err)
	page, err := scope.Query(ctx, companion.Query{Limit: 1})
	require.NoError(t, err)
	var event companion.ScopeEvent[Task]
	for event, err = range scope.Watch(ctx, first.Seq) {
		require.NoError(t, err)
		break
	}
	lineage, err := s.Lineage(record.ID)
	require.NoError(t, err)
	cursor := s.Cursor()

	receiptNames := []string{"causation", "id", "seq", "transaction_time", "value_hash"}
	recordNames := append([]string{"derivation", "key", "producer", "schema_version", "valid_time", "value", "version"}, receiptNames...)
	for _, c := range []struct {
		given, back any
		names       []string
	}{
		{&receipts[0], new(companion.Receipt), receiptNames},
		{&record, new(companion.Record[Task]), recordNames},
		{&page, new(companion.Results[Task]), []string{"records"}},
		{&event, new(companion.ScopeEvent[Task]), []string{"record", "transition"}},
		{&lineage, new(companion.Lineage), []string{"facts", "proof"}},
		{&companion.OpenProgress{Facts: 1, Total: 2}, new(companion.OpenProgress), []string{"facts", "total"}},
		{&cursor, new(backend.Cursor), nil},
	} {
		text, err := json.Marshal(c.given)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, c.back))
		require.Equal(t, c.given, c.back)
		if c.names != nil {
			require.ElementsMatch(t, c.names, namesIn(t, text), "%s", text)
		}
	}

	_, err = tasks.Delete(ctx, "k")
	require.NoError(t, err)
	deletion, err := tasks.Get(ctx, "k")
	require.ErrorIs(t, err, companion.ErrNotFound)
	text, err := json.Marshal(deletion)
	require.NoError(t, err)
	require.Contains(t, string(text), `"retracted":true`)

	untyped, _ := s.Engine().FactByID(record.ID)
	text, err = json.Marshal([]any{untyped})
	require.NoError(t, err)
	require.Contains(t, string(text), `"value_hash":"`+record.Hash+`"`)
}

func namesIn(t *testing.T, text []byte) (names []string) {
	t.Helper()
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &object))
	for name := range object {
		names = append(names, name)
	}
	return names
}

// A value whose pointer has the methods is written by them, also inside a record.
func TestJSONOfRecordsOfPointers(t *testing.T) {
	s := openStore(t)
	sums, err := companion.NewRecords[big.Int](s, "sums")
	require.NoError(t, err)
	_, err = sums.Put(t.Context(), "k", *big.NewInt(5))
	require.NoError(t, err)
	record, err := sums.Get(t.Context(), "k")
	require.NoError(t, err)
	page, err := sums.Query(t.Context(), companion.Query{})
	require.NoError(t, err)
	for _, v := range []any{&record, page} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		require.Contains(t, string(text), `"value":5,`)
	}
}

func TestJSONOfHealth(t *testing.T) {
	text, err := json.Marshal(openStore(t).Health())
	require.NoError(t, err)
	require.JSONEq(t, `{"healthy":true,"head":0}`, string(text))
	text, err = json.Marshal(companion.Health{Err: errors.New("no"), Head: 5, Since: time.Unix(0, 0).UTC(), Connection: &backend.Connection{Address: "a"}})
	require.NoError(t, err)
	require.JSONEq(t, `{"healthy":false,"error":"no","since":"1970-01-01T00:00:00Z","head":5,
		"connection":{"address":"a","up":false,"since":"0001-01-01T00:00:00Z","protocol":0,"server":"","connects":0}}`, string(text))
}
