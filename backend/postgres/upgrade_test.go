// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestUpgrade opens a log whose tables have format 1, in which an ID named one fact of the whole log. The log keeps its
// facts, and from then on each store has its own IDs.
func TestUpgrade(t *testing.T) {
	s := start(t)
	opts := Options{Address: s.Address("postgres", "postgres")}
	l, err := Open(t.Context(), opts)
	require.NoError(t, err)
	facts := put(t, l, 0, 5)
	require.NoError(t, l.Close())
	conn := connect(t, opts.Address)
	exec1(t, conn, `drop index igniter.fact_id`)
	exec1(t, conn, `create unique index fact_id on igniter.fact (log, id)`)
	exec1(t, conn, `update igniter.log set format = 1`)

	l, err = Open(t.Context(), opts)
	require.NoError(t, err)
	defer l.Close()
	held, _ := read(t, l, backend.Range{})
	require.Equal(t, facts, held)
	again, err := l.WriteFact(t.Context(), backend.Fact{ID: facts[2].ID, Store: "s", Key: facts[2].Key, Value: facts[2].Value})
	require.NoError(t, err)
	require.Equal(t, facts[2], again)
	other, err := l.WriteFact(t.Context(), backend.Fact{ID: facts[2].ID, Store: "t", Key: "k", Value: []byte("1")})
	require.NoError(t, err)
	require.EqualValues(t, 6, other.Seq)
	require.Equal(t, 2, one[int](t, conn, `select format from igniter.log`))
}
