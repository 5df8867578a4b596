// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/wire"
)

// TestImports: the server takes times, causations and foreign hashes only from clients that may import, and no times that
// are ahead.
func TestImports(t *testing.T) {
	importer := entry("importer", nil, []string{"*"}, false)
	importer.Import = true
	file := newTokenFile(t, admin, importer, tasks)
	past, ahead := 1_700_000_000, time.Now().Add(time.Hour).Unix()
	hash, err := wire.Hash([]byte("1"))
	require.NoError(t, err)
	ask := func(p *peer, code, id, more string) {
		fact := fmt.Sprintf(`{"id":%q,"store":"tasks","key":"k","value":1,%s}`, id, more)
		for _, form := range []string{`{"op":"write_fact","fact":%s}`, `{"op":"write_batch","facts":[%s]}`} {
			if code == "" {
				p.requireOK(form, fact)
			} else {
				p.requireCode(code, form, fact)
			}
		}
	}
	fields := map[string]string{
		"time":      fmt.Sprintf(`"transaction_time":%d.5`, past),
		"causation": `"causation":"elsewhere"`,
		"hash":      `"value_hash":"0000"`,
	}
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens})
	free := serve(t, "tcp", memory.New(memory.Options{}), server.Options{})
	for name, field := range fields {
		p := s.with(tasks)
		ask(p, "forbidden", name+" of an app", field)
		ask(p, "", name+" of an app", `"value_hash":"`+hash+`"`)
		for _, e := range []auth.TokenEntry{admin, importer} {
			ask(s.with(e), "", name+" of "+e.Name, field)
		}
		free.dial().requireOK(`{"op":"write_fact","fact":{"id":%q,"store":"tasks","key":"k","value":1,%s}}`, name, field)
		ask(free.dial2(), "", name+" of version 2", field)
	}
	far := fmt.Sprintf(`"transaction_time":%d.5`, ahead)
	ask(s.with(admin), "invalid_fact", "far", far)
	ask(free.dial2(), "invalid_fact", "far", far)
	ask(s.with(tasks), "invalid_fact", "far", far)
	free.dial().requireCode("invalid_fact", `{"op":"write_fact","fact":{"id":"far","store":"tasks","key":"k","value":1,%s}}`, far)
	require.Less(t, s.facts()[len(s.facts())-1].TransactionTime.Unix(), ahead)
}
