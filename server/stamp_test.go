// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// TestStampProducer: a server that stamps facts sets By to the token's name. A client without the right to import can't set
// another By, whether the server stamps or not. An import may set By.
func TestStampProducer(t *testing.T) {
	importer := entry("importer", []string{"*"}, []string{"*"}, false)
	importer.Import = true
	file := newTokenFile(t, admin, tasks, importer, entry("blind", nil, []string{"tasks"}, false))
	for _, stamps := range []bool{true, false} {
		s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens, StampProducer: stamps})
		p := s.with(tasks)
		p.requireForbidden(`{"op":"write_fact","fact":{"id":"x","store":"tasks","key":"k","by":"admin","value":1}}`)
		p.requireForbidden(`{"op":"write_batch","facts":[{"id":"y","store":"tasks","key":"k","value":1},{"id":"x","store":"tasks","key":"k","value":1,"by":"admin"}]}`)
		p.requireForbidden(`{"op":"write_fact","fact":{"by":"admin","id":"x","store":"tasks","key":"k","value":1}}`)
		answer := p.ask(`{"op":"write_fact","fact":{"id":"a","store":"tasks","key":"k","value":1,"producer":{"by":"admin"}}}`)
		require.Equal(t, stamps, strings.Contains(answer, `,"by":"tasks"`), answer)
		p.requireOK(`{"op":"write_batch","facts":[{"id":"b","store":"tasks","key":"k","value":1},{"id":"c","store":"tasks","key":"k","value":1}]}`)

		i := s.with(importer)
		i.requireOK(`{"op":"write_fact","fact":{"id":"d","store":"tasks","key":"k","by":"long ago","value":1}}`)
		i.requireOK(`{"op":"write_batch","facts":[{"id":"e","store":"tasks","key":"k","value":1}]}`)

		// By keeps the first writer, and only clients that may read the store see it.
		require.NotContains(t, s.with(entry("blind", nil, nil, false)).ask(`{"op":"write_fact","fact":{"id":"d","store":"tasks","key":"k","value":1}}`), "long ago")
		require.Contains(t, i.ask(`{"op":"write_fact","fact":{"id":"d","store":"tasks","key":"k","value":1}}`), `"by":"long ago"`)

		want := map[string]string{"a": "", "b": "", "c": "", "d": "long ago", "e": ""}
		if stamps {
			want = map[string]string{"a": "tasks", "b": "tasks", "c": "tasks", "d": "long ago", "e": "importer"}
		}
		got := map[string]string{}
		for _, f := range s.facts() {
			got[f.ID] = f.By
		}
		require.Equal(t, want, got)
	}

	open := serve(t, "tcp", memory.New(memory.Options{}), server.Options{StampProducer: true}) // clients have no name, and all may import
	open.dial2().requireOK(`{"op":"write_fact","fact":{"id":"a","store":"tasks","key":"k","by":"somebody","value":1}}`)
	open.dial2().requireOK("%s", writeJSON("tasks", "b"))
	require.Equal(t, []string{"somebody", ""}, bys(open.facts()))
}

func bys(facts []backend.Fact) (all []string) {
	for _, f := range facts {
		all = append(all, f.By)
	}
	return all
}
