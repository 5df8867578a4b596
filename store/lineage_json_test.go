// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A lineage passes that another program has written in its own way, and none passes whose facts it has changed.
func TestLineageThroughOtherWriters(t *testing.T) {
	e := openEngine(t, newLog(t))
	written, err := e.Write(t.Context(), backend.Fact{
		ID: "a<b", Store: "s", Key: "ключ", Value: []byte("1"), Producer: []byte(`{"b":1.0,"a":"x\u003cé","n":12345678901234567890}`), Derivation: []byte(`[1e2,"/"]`),
	})
	require.NoError(t, err)
	_, err = e.Write(t.Context(), backend.Fact{ID: "c", Store: "s", Key: "k", Value: []byte("2")})
	require.NoError(t, err)
	lineage, err := e.Lineage("a<b")
	require.NoError(t, err)
	plain, err := e.Lineage("c")
	require.NoError(t, err)

	text := string(must(json.MarshalIndent(lineage, "", "  ")))
	number := string(must(json.Marshal(written.TransactionTime)))
	zone := strings.TrimSuffix(number, `Z"`)
	for _, change := range []*strings.Replacer{
		strings.NewReplacer(),
		strings.NewReplacer(`"b": 1.0`, `"b": 1`, ` 1e2`, ` 100.00`, `"/"`, `"\/"`),                   // numbers and escapes in other forms
		strings.NewReplacer(`\u003c`, `<`, `é`, `\u00e9`, `к`, `\u043A`),                              // more
		strings.NewReplacer(zone+`Z"`, zone+`+00:00"`),                                                // a zone
		strings.NewReplacer(`"schema_version": 1`, `"valid_time": null, "x": 1, "schema_version": 1`), // what is not given, and what nobody knows
	} {
		var kept store.Lineage
		require.NoError(t, json.Unmarshal([]byte(change.Replace(text)), &kept))
		require.NoError(t, e.VerifyLineage(kept), change.Replace(text))
	}
	var ordered struct { // encoding/json sorts the keys of a map, and not the fields of a struct
		Facts []map[string]json.RawMessage `json:"facts"`
		Proof string                       `json:"proof"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &ordered))
	ordered.Facts[0]["producer"] = []byte(`{"n":12345678901234567890,"a":"x<é","b":1.0}`)
	var kept store.Lineage
	require.NoError(t, json.Unmarshal(must(json.Marshal(ordered)), &kept))
	require.NoError(t, e.VerifyLineage(kept))
	for _, change := range []*strings.Replacer{
		strings.NewReplacer(`12345678901234567890`, `12345678901234567000`), // a writer that rounds
		strings.NewReplacer(`"b": 1.0`, `"b": "1.0"`),                       // "1.0" alone may be a part of the time
		strings.NewReplacer(`"a"`, `"A"`),
		strings.NewReplacer(lineage.Proof, plain.Proof),
		strings.NewReplacer(`"seq": 1`, `"seq": 2`),
	} {
		require.NoError(t, json.Unmarshal([]byte(change.Replace(text)), &kept))
		require.ErrorIs(t, e.VerifyLineage(kept), backend.ErrCorrupt, change.Replace(text))
	}

	require.NoError(t, json.Unmarshal([]byte(strings.Replace(string(must(json.Marshal(plain))), `{"seq"`, `{"producer":null,"derivation":null,"causation":null,"seq"`, 1)), &kept))
	require.NoError(t, e.VerifyLineage(kept))
	kept.Facts[0].Producer = []byte(`{`)
	require.ErrorIs(t, e.VerifyLineage(kept), backend.ErrCorrupt)
}
