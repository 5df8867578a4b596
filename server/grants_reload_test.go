// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/tls"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

// TestReload: a new file of tokens applies at once, also to open connections and streams.
func TestReload(t *testing.T) {
	file := newTokenFile(t, admin, reader, tasks)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens, Heartbeat: 10 * time.Millisecond})
	s.write(fact("tasks", "t1"))
	subscribe := func(e auth.TokenEntry, stores string) *peer {
		p := s.with(e)
		p.requireOK(`{"op":"subscribe","after":1%s}`, stores)
		return p
	}
	// until reads a subscription up to its next control frame that is not a heartbeat. It returns the IDs of the facts
	// before it.
	until := func(p *peer) (ids []string, a answer) {
		for {
			facts, control := p.nextFacts()
			for _, f := range facts {
				ids = append(ids, f.ID)
			}
			if control != nil && control.Event == "" {
				return ids, *control
			}
		}
	}
	calls, idle, narrowed, named, kept := s.with(tasks), subscribe(reader, ""), subscribe(tasks, ""), subscribe(tasks, `,"stores":["tasks"]`), subscribe(admin, "")
	calls.requireOK("%s", writeJSON("tasks", "t2"))

	// A broken file changes nothing.
	require.NoError(t, os.WriteFile(file.path, []byte("- name: tasks\n  colour: blue\n"), 0o600))
	require.Error(t, file.Reload())
	require.NoError(t, os.Rename(file.path, file.path+"~"))
	require.ErrorIs(t, file.Reload(), os.ErrNotExist)
	calls.requireOK("%s", writeJSON("tasks", "t3"))

	// reader is gone, and tasks may do other things.
	file.reload(admin, entry("tasks", []string{"notes"}, []string{"notes"}, true))
	s.write(fact("tasks", "t4"), fact("notes", "n1"))
	calls.requireForbidden("%s", writeJSON("tasks", "x"))
	calls.requireOK("%s", writeJSON("notes", "n2"))
	calls.requireOK(`{"op":"server_status"}`)
	ids, a := until(idle)
	require.Equal(t, "unauthenticated", a.Code)
	require.NotContains(t, ids, "t4", "nothing from after the reload")
	idle.requireEnd()
	for p, again := range map[*peer]string{narrowed: "", named: `,"stores":["tasks"]`} {
		ids, a = until(p)
		require.Equal(t, "access_changed", a.Code)
		require.NotContains(t, ids, "t4")
		require.NotContains(t, ids, "n1", "the client learns that its cursor is not for these")
		p.requireEnd()
		if again != "" {
			s.with(tasks).requireForbidden(`{"op":"subscribe","after":1%s}`, again)
		}
	}
	s.dial().requireCode("unauthenticated", `{"op":"hello","protocol":2,"token":"reader"}`)

	notes := subscribe(tasks, "")
	for ids = nil; len(ids) < 2; {
		facts, _ := notes.nextFacts()
		for _, f := range facts {
			ids = append(ids, f.ID)
		}
	}
	require.Equal(t, []string{"n1", "n2"}, ids)
	file.reload(admin, entry("tasks", []string{"notes", "notes"}, nil, false)) // reads the same stores
	s.write(fact("tasks", "t5"), fact("notes", "n3"))
	for ids = nil; len(ids) < 1; {
		facts, control := notes.nextFacts()
		require.True(t, control == nil || control.Event != "")
		for _, f := range facts {
			ids = append(ids, f.ID)
		}
	}
	require.Equal(t, []string{"n3"}, ids)
	file.reload(admin, entry("tasks", []string{"notes", "tasks"}, nil, false))
	_, a = until(notes)
	require.Equal(t, "access_changed", a.Code, "also if more may be read")
	file.reload(admin)
	calls.requireCode("unauthenticated", "%s", writeJSON("notes", "x"))
	calls.requireAlive()

	file.reload(admin, tasks) // and is known again
	calls.requireOK("%s", writeJSON("tasks", "t6"))
	for ids = nil; len(ids) < 8; {
		facts, _ := kept.nextFacts()
		for _, f := range facts {
			ids = append(ids, f.ID)
		}
	}
	require.Equal(t, []string{"t2", "t3", "t4", "n1", "n2", "t5", "n3", "t6"}, ids)

	late := s.with(tasks)
	file.reload(admin, entry("tasks", []string{"notes"}, nil, false))
	late.requireCode("access_changed", `{"op":"subscribe","after":0}`) // hello told other stores
}

// TestReloadEndsIdleSubscriptions revokes a token while no facts come: a subscription of either version ends within a
// heartbeat.
func TestReloadEndsIdleSubscriptions(t *testing.T) {
	a := servertest.NewAuthority(t)
	file := newTokenFile(t, admin)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens, Heartbeat: 10 * time.Millisecond, TLS: &tls.Config{
		Certificates: []tls.Certificate{a.Certificate(t, "server")}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: a.Pool()}})
	for _, version := range []int{1, 2} {
		file.reload(admin)
		p := s.dialTLS(&tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1", Certificates: []tls.Certificate{a.Certificate(t, "admin")}})
		if version == 2 {
			p.hello("")
		}
		p.requireOK(`{"op":"subscribe"}`)
		file.reload(none)
		for version == 2 {
			if _, control := p.nextFacts(); control.Event == "" {
				require.Equal(t, "unauthenticated", control.Code)
				break
			}
		}
		p.requireEnd()
	}
}

// TestReloadEndsReplays revokes a token while a replay goes on.
func TestReloadEndsReplays(t *testing.T) {
	file := newTokenFile(t, admin)
	s := serve(t, "tcp", endlessLog{memory.New(memory.Options{})}, server.Options{Tokens: file.Tokens})
	p := s.with(admin)
	require.True(t, p.call(`{"op":"replay"}`).Stream)
	file.reload(none)
	for {
		if _, control := p.nextFacts(); control != nil {
			require.Equal(t, "unauthenticated", control.Code)
			break
		}
	}
	p.requireEnd()
}
