// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/wiretest"
	"github.com/igniter-store/igniter/wire"
)

func TestJoin(t *testing.T) {
	f := wiretest.Typical()
	var stream []byte
	for range 5 {
		stream = wire.AppendFrame(stream, wire.AppendFact(nil, &f))
	}
	r := wire.NewReader(bytes.NewReader(stream), 0)
	var run []byte
	for range 5 {
		frame, err := r.NextFrame()
		require.NoError(t, err)
		joined, ok := wire.Join(run, frame)
		require.True(t, ok, "they stand in one block")
		run = joined
	}
	require.Equal(t, stream, run)

	alone, ok := wire.Join(nil, run)
	require.True(t, ok)
	require.Equal(t, run, alone)

	n := len(run) / 5
	for what, pair := range map[string][2][]byte{
		"elsewhere":      {run[:n], bytes.Clone(run[n : 2*n])},
		"a gap":          {run[:n], run[2*n : 3*n]},
		"the same":       {run[:n], run[:n]},
		"before it":      {run[n : 2*n], run[:n]},
		"a cut capacity": {run[:n:n], run[n : 2*n]},
	} {
		got, ok := wire.Join(pair[0], pair[1])
		require.False(t, ok, what)
		require.Equal(t, pair[0], got)
	}
}

func TestSeqs(t *testing.T) {
	fact := func(seq uint64, value string) backend.Fact {
		f := wiretest.Typical()
		f.Seq, f.Value = seq, []byte(value)
		return f
	}
	for _, c := range []struct {
		body        string
		first, last uint64
		facts       int
	}{
		{string(wire.AppendGroup(nil, []backend.Fact{fact(7, "1")})), 7, 7, 1},
		{string(wire.AppendGroup(nil, []backend.Fact{fact(7, "1"), fact(8, `{"seq":3}`)})), 7, 8, 2},
		{string(wire.AppendGroup(nil, []backend.Fact{fact(7, "1"), fact(9, "[]"), fact(12, "[1]")})), 7, 12, 3},
		{string(wire.AppendGroup(nil, []backend.Fact{fact(7, "[\n]"), fact(8, "2")})), 7, 8, 2},
		{string(wire.AppendGroup(nil, []backend.Fact{fact(0, "1"), fact(0, "2")})), 0, 0, 0},
		{`{"event":"heartbeat","last_seq":9}`, 0, 0, 0},
		{``, 0, 0, 0}, {`[`, 0, 0, 0}, {"[\n", 0, 0, 0}, {"[\n]", 0, 0, 0}, {"[\n\n]", 0, 0, 0}, {`[]`, 0, 0, 0}, {`{`, 0, 0, 0}, {`7`, 0, 0, 0},
	} {
		first, last, facts := wire.Seqs([]byte(c.body))
		require.Equal(t, []any{c.first, c.last, c.facts}, []any{first, last, facts}, c.body)
	}
}
