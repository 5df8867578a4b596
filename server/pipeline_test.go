// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// A countingLog counts its writes.
type countingLog struct {
	*memory.Log
	writes atomic.Int64
}

func (l *countingLog) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	l.writes.Add(1)
	return l.Log.Write(ctx, batches...)
}

// A countingListener counts the writes to its connections.
type countingListener struct {
	net.Listener
	writes atomic.Int64
}

type countingConn struct {
	net.Conn
	l *countingListener
}

func (l *countingListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	return countingConn{nc, l}, err
}

func (c countingConn) Write(b []byte) (int, error) {
	c.l.writes.Add(1)
	return c.Conn.Write(b)
}

// TestPipelining sends many requests without waiting. They are answered in order, with few writes to the log and to the
// client.
func TestPipelining(t *testing.T) {
	const n = 1000
	l, err := server.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	counting := &countingListener{Listener: l}
	log := &countingLog{Log: memory.New(memory.Options{})}
	s := serveOn(t, counting, log, server.Options{})
	p := s.dial2()
	var bodies []string
	for i := range n {
		bodies = append(bodies, strings.TrimSuffix(writeJSON("tasks", fmt.Sprint(i)), "}")+fmt.Sprintf(`,"request_id":%d}`, i))
	}
	p.send(bodies...)
	for i := range n {
		a := answerOf(t, p.next())
		require.Equal(t, uint64(i+1), a.Seq)
		require.Equal(t, fmt.Sprint(i), string(a.RequestID))
	}
	require.Less(t, log.writes.Load(), int64(n/5))
	require.Less(t, counting.writes.Load(), int64(n/5))
	require.Equal(t, uint64(n), s.Metrics().Requests["write_fact"])
	for i, f := range s.facts() {
		require.Equal(t, fmt.Sprint(i), f.ID)
	}
}

// TestPipelinedBatches sends batches without waiting: the server makes few calls of the log, and each batch has its own
// verdict.
func TestPipelinedBatches(t *testing.T) {
	const n = 300
	log := &countingLog{Log: memory.New(memory.Options{})}
	s := serve(t, "tcp", log, server.Options{})
	p := s.dial2()
	var bodies []string
	expect := ""
	for i := range n {
		bodies = append(bodies, fmt.Sprintf(`{"op":"write_batch","facts":[%s,%s],"expect":[{"store":"tasks","key":"k-last","id":%q}],"request_id":%d}`,
			factJSON("tasks", fmt.Sprint(i)), strings.Replace(factJSON("tasks", fmt.Sprint("l", i)), fmt.Sprint("k-l", i), "k-last", 1), expect, i))
		if expect = fmt.Sprint("l", i); i%3 == 0 {
			bodies = append(bodies, `{"op":"write_batch","facts":[`+factJSON("tasks", "lost")+`],"expect":[{"store":"tasks","key":"k-last","id":"other"}]}`)
		}
	}
	p.send(bodies...)
	for i := range n {
		a := answerOf(t, p.next())
		require.Equal(t, uint64(2*i+1), a.seqOfFirst(t))
		require.Equal(t, fmt.Sprint(i), string(a.RequestID))
		if i%3 == 0 {
			require.Equal(t, "conflict", answerOf(t, p.next()).Code)
		}
	}
	require.Less(t, log.writes.Load(), int64(n/5))
	require.Equal(t, uint64(n+n/3), s.Metrics().Requests["write_batch"])
	require.Equal(t, uint64(2*n), s.Metrics().FactsIn)
	require.Len(t, s.facts(), 2*n)
}

// TestFrameLimit: the server takes frames up to the limit, however few bytes it buffers, and the error names the limit.
func TestFrameLimit(t *testing.T) {
	const limit = 64 << 10
	s := serveMemory(t, server.Options{MaxFrame: limit, MaxBuffered: 1 << 10})
	p := s.dial()
	require.Equal(t, limit, p.hello("").MaxFrame)
	largest := strings.Repeat(" ", limit-len(`{"op":"ping"}`)) + `{"op":"ping"}`
	for range 3 {
		p.send(largest)
	}
	for range 3 {
		require.Equal(t, `{"ok":true,"pong":true}`, p.next())
	}
	p.send(" " + largest)
	require.Contains(t, answerOf(t, p.next()).Error, fmt.Sprint(limit+1))
	p.requireEnd()
}

// TestHello checks the hello reply.
func TestHello(t *testing.T) {
	s := serveMemory(t, server.Options{})
	fill(s)
	w := s.dial().hello("")
	require.Equal(t, 2, w.Protocol)
	require.Equal(t, uint64(14), *w.LastSeq)
	require.Equal(t, 16<<20, w.MaxFrame)
	require.Equal(t, s.log.Features(), backend.Features(w.Features))
	require.NotZero(t, w.Log)
	require.Equal(t, fmt.Sprintf(`{"ok":true,"protocol":2,"server":"igniter-go/0.1","last_seq":14,"log":%q,"max_frame":16777216,"features":{"batches":true,"prune":true,"all_ids":%v,"max_frame":16777216,"poll_ns":0,"stores":null},"request_id":"x"}`, w.Log, w.Features.AllIDs),
		s.dial().ask(`{"op":"hello","protocol":2,"client":"x","request_id":"x"}`))
	require.Contains(t, s.dial().ask(`{"op":"hello","protocol":3}`), `"protocol":2`, "a later client is answered in version 2")

	s = serve(t, "tcp", bare(memory.New(memory.Options{})), server.Options{})
	p := s.dial()
	require.Equal(t, backend.Features{Poll: backend.DefaultPoll}, backend.Features(p.hello("").Features))
	p.requireCode("unsupported", `{"op":"write_batch","facts":[%s,%s]}`, factJSON("tasks", "a"), factJSON("tasks", "b"))
	p.requireCode("unsupported", `{"op":"prune","seqs":[[1,1]]}`)
	p.send(writeJSON("tasks", "a"), writeJSON("tasks", "b"))
	require.Equal(t, uint64(1), answerOf(t, p.next()).Seq)
	require.Equal(t, uint64(2), answerOf(t, p.next()).Seq)
	require.Equal(t, uint64(3), p.requireOK(`{"op":"write_batch","facts":[%s]}`, factJSON("tasks", "c")).seqOfFirst(t))
	require.Equal(t, uint64(3), p.requireOK(`{"op":"stats"}`).LastSeq)
	require.Equal(t, uint64(3), *s.dial().hello("").LastSeq)
	require.Equal(t, uint64(3), s.Metrics().FactsIn)
}

// TestAnswers checks each op's answer of version 2.
func TestAnswers(t *testing.T) {
	s := serveMemory(t, server.Options{})
	p := s.dial2()
	at := `"transaction_time":1795467633.8167136`
	put := func(id, key string) string {
		return fmt.Sprintf(`{"id":%q,"store":"tasks","key":%q,%s,"value":1}`, id, key, at)
	}
	for _, x := range []struct{ request, want string }{
		{`{"op":"write_fact","fact":` + put("a", "k") + `}`, `{"ok":true,"seq":1,"causation":null,` + at + `}`},
		{`{"op":"write_fact","fact":` + put("b", "k") + `,"request_id":{"n":[1]}}`, `{"ok":true,"seq":2,"causation":"a",` + at + `,"request_id":{"n":[1]}}`},
		{`{"op":"write_batch","facts":[` + put("c", "k") + `,` + put("d", "k") + `],"expect":[{"store":"tasks","key":"k","id":"b"},{"store":"tasks","key":"none","id":""}],"request_id":1}`,
			`{"ok":true,"facts":[{"seq":3,"causation":"b",` + at + `},{"seq":4,"causation":"c",` + at + `}],"request_id":1}`},
		{`{"op":"write_batch","facts":[` + put("e", "k") + `],"expect":[{"store":"tasks","key":"k","id":"b"}],"request_id":2}`,
			`{"ok":false,"error_code":"conflict","error":"memory: write batch of 1 facts: backend: conflict: the latest fact of key \"k\" in store \"tasks\" is \"d\", not \"b\": read the key again, then decide","store":"tasks","key":"k","expected":"b","latest":"d","request_id":2}`},
		{`{"op":"replay","after":4,"request_id":3}`, `{"ok":true,"stream":true,"last_seq":4,"request_id":3}`},
		{"", `{"end":true,"last_seq":4}`},
		{`{"op":"prune","seqs":[[1,1],[9,18446744073709551615]],"request_id":4}`, `{"ok":true,"pruned":1,"missing":18446744073709551607,"request_id":4}`},
		{`{"op":"prune","seqs":[]}`, `{"ok":true,"pruned":0,"missing":0}`},
		{`{"op":"ping","request_id":null}`, `{"ok":true,"pong":true,"request_id":null}`},
		{`{"op":"subscribe","after":4,"request_id":5}`, `{"ok":true,"stream":true,"last_seq":4,"horizons":{"tasks":{"seq":4,"time":1795467633.8167136}},"request_id":5}`},
	} {
		if x.request != "" {
			p.send(x.request)
		}
		require.Equal(t, x.want, unnamed(p.next()))
	}
	p = s.dial2()
	require.Regexp(t, `^{"ok":true,"through":3,"facts":3,"bytes":\d+}$`, p.ask(`{"op":"write_snapshot","through":3}`))
	require.Regexp(t, `^{"ok":true,"through":4,"facts":3,"bytes":\d+,"request_id":6}$`, p.ask(`{"op":"write_snapshot","request_id":6}`))
	require.Regexp(t, `^{"ok":true,"facts_written":4,"connections_active":\d,"uptime_ms":\d+,"first_seq":2,"last_seq":4,"facts":3,"bytes":\d+,"durable_seq":0,"last_time":[\d.]+,"horizons":{"tasks":{"seq":4,"time":[\d.]+}}}$`, unnamed(p.ask(`{"op":"stats"}`)))
}

// TestFactsOfVersion1: the server keeps the fields that a client of the Ruby system sets, whether they are right or not.
func TestFactsOfVersion1(t *testing.T) {
	s := serveMemory(t, server.Options{})
	p := s.dial()
	hash := strings.Repeat("0", 64)
	p.requireOK(`{"fact":{"id":"a","store":"s","key":"k","value":{"b":1,"a":1.0e-07},"value_hash":%q,"causation":"elsewhere","transaction_time":5.0,"valid_time":1.5,"schema_version":3,"producer":{"x":1},"derivation":null},"op":"write_fact"}`, hash)
	p.requireOK(`{"fact":{"id":"b","store":"s","key":"k","value":1,"causation":null,"timestamp":6.25,"term":7.0},"op":"write_fact"}`)
	body := p.ask(`{"op":"replay"}`)
	require.Contains(t, body, fmt.Sprintf(`{"id":"a","store":"s","key":"k","value":{"b":1,"a":1.0e-07},"value_hash":%q,"causation":"elsewhere","transaction_time":5.0,"valid_time":1.5,"schema_version":3,"producer":{"x":1},"derivation":null}`, hash))
	require.Contains(t, body, `"causation":"a","transaction_time":6.25,"valid_time":7.0,"schema_version":1,"producer":null,"derivation":null}]}`)

	// The facts of a snapshot request never replace the log's facts.
	require.Equal(t, `{"ok":true}`, p.ask(`{"facts":[],"op":"write_snapshot"}`))
	require.Equal(t, `{"ok":true}`, p.ask(`{"facts":[{"id":"evil"}],"op":"write_snapshot"}`))
	require.Equal(t, body, p.ask(`{"op":"replay"}`))
}

// TestGroupsAreSplit: the facts of a batch that a client may read come as one batch.
func TestGroupsAreSplit(t *testing.T) {
	s := serveMemory(t, server.Options{})
	p := s.dial2()
	p.requireOK(`{"op":"subscribe","stores":["tasks"]}`)
	s.writeBatch(fact("tasks", "a"), fact("notes", "b"), fact("tasks", "c"), fact("notes", "d"))
	facts, _ := p.nextFacts()
	require.Equal(t, of(s.facts(), 0, "tasks"), facts)
	require.Len(t, facts, 2)
}
