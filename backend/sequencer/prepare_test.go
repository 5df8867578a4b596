// SPDX-License-Identifier: Apache-2.0

package sequencer_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
)

func TestPrepare(t *testing.T) {
	given := backend.Fact{
		Seq: 7, ID: "a", Store: "s", Key: "k", Value: []byte(" {\"n\": 1}\n"), Producer: []byte(" null"), Derivation: []byte("[1] "),
		ValidTime: time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)),
	}
	f, err := sequencer.Prepare(given, 0)
	require.NoError(t, err)
	require.Equal(t, backend.Fact{
		ID: "a", Store: "s", Key: "k", Value: []byte(`{"n": 1}`), Derivation: []byte("[1]"), SchemaVersion: 1,
		ValueHash: f.ValueHash, ValidTime: given.ValidTime.UTC(),
	}, f)
	require.Len(t, f.ValueHash, 64)
	clear(given.Value)
	require.Equal(t, `{"n": 1}`, string(f.Value), "the bytes are copied")

	given = backend.Fact{ID: "a", Store: "s", Value: []byte("1"), ValueHash: "given", SchemaVersion: 3}
	batch := backend.Batch{Facts: []backend.Fact{given, given}}
	facts, err := sequencer.PrepareBatch(batch, 0)
	require.NoError(t, err)
	require.Equal(t, batch.Facts, facts)
	require.NotSame(t, &batch.Facts[0], &facts[0])
}

// The size is checked first, and without white space around values.
func TestPrepareRefuses(t *testing.T) {
	space := bytes.Repeat([]byte(" "), 100)
	fits := backend.Fact{ID: "a", Store: "s", Value: append(space, "12345"...)}
	_, err := sequencer.Prepare(fits, 5)
	require.NoError(t, err)
	large := fits
	large.Value = []byte("??????")
	_, err = sequencer.Prepare(large, 5)
	require.ErrorIs(t, err, backend.ErrTooLarge)
	require.ErrorContains(t, err, "5 bytes")
	_, err = sequencer.Prepare(large, 6)
	require.ErrorIs(t, err, backend.ErrInvalid)
	invalid := fits
	invalid.Store = ""
	_, err = sequencer.PrepareBatch(backend.Batch{Facts: []backend.Fact{invalid, large}}, 5)
	require.ErrorIs(t, err, backend.ErrTooLarge)
	_, err = sequencer.PrepareBatch(backend.Batch{Facts: []backend.Fact{fits, invalid}}, 5)
	var wrong *backend.InvalidError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "facts[1].store", wrong.Field)
}
