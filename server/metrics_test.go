// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
)

// TestMetrics counts each thing once.
func TestMetrics(t *testing.T) {
	s := serveMemory(t, server.Options{MaxConnections: 3})
	require.Empty(t, s.Metrics().Requests)
	p, v1 := s.dial2(), s.dial()
	p.requireAlive()
	p.send(writeJSON("tasks", "a"), writeJSON("tasks", "b"), `{"op":"ping"}`, writeJSON("tasks", "a"), `{"op":"write_fact"}`)
	for range 5 {
		p.next()
	}
	p.requireOK(`{"op":"write_batch","facts":[%s,%s,%s]}`, factJSON("tasks", "c"), factJSON("tasks", "d"), factJSON("tasks", "b"))
	p.requireCode("conflict", `{"op":"write_batch","facts":[],"expect":[{"store":"tasks","key":"k-a","id":"x"}]}`)
	p.requireCode("id_reused", `{"op":"write_fact","fact":{"id":"a","store":"tasks","key":"another","value":1}}`)
	p.requireCode("unknown_op", `{"op":"nope"}`)
	p.requireCode("invalid_request", `{`)
	p.replay(after(1))
	p.replay(after(0, "none"))
	p.requireOK(`{"op":"stats"}`)
	p.requireOK(`{"op":"server_status"}`)
	p.requireOK(`{"op":"write_snapshot"}`)
	require.Equal(t, `{"ok":true,"pruned":1,"missing":7}`, p.ask(`{"op":"prune","seqs":[[4,11]]}`))
	v1.requireOK("%s", writeJSON("tasks", "e"))
	v1.ask(`{"op":"replay"}`)
	sub := s.dial2()
	sub.requireOK(`{"op":"subscribe","after":2}`)
	sub.nextFacts() // c
	sub.nextFacts() // e

	full := s.dial()
	require.Equal(t, "unavailable", answerOf(t, full.next()).Code)
	full.requireEnd()

	require.Eventually(t, func() bool { return s.Metrics().Lag == 0 }, time.Minute, time.Millisecond) // what was sent is counted then
	m := s.Metrics()
	require.Equal(t, map[string]uint64{
		"hello": 2, "ping": 2, "write_fact": 6, "write_batch": 2, "replay": 3, "stats": 1, "server_status": 1, "write_snapshot": 1, "prune": 1,
		"subscribe": 1, "unknown": 2,
	}, m.Requests)
	for op, n := range m.Requests {
		h := m.Latency[op]
		require.Equal(t, n, h.Count, op)
		sum := uint64(0)
		for _, k := range h.Buckets {
			sum += k
		}
		require.Equal(t, n, sum, op)
		require.Positive(t, h.Sum, op)
	}
	require.Len(t, m.Latency, len(m.Requests))
	require.Len(t, m.Errors, len(protocol.ErrorCodes()), "each code is there from the start")
	maps.DeleteFunc(m.Errors, func(_ string, n uint64) bool { return n == 0 })
	require.Equal(t, map[string]uint64{"conflict": 1, "id_reused": 1, "unknown_op": 1, "invalid_request": 2, "unavailable": 1}, m.Errors)
	require.Empty(t, m.LastError, "nothing failed but what was asked for")
	require.Equal(t, uint64(5), m.FactsIn, "a to e, each once")
	require.Equal(t, uint64(3+0+4+2), m.FactsOut)
	require.Equal(t, uint64(2), m.Pushed)
	require.Equal(t, 3, m.Connections)
	require.Equal(t, uint64(3), m.Accepted)
	require.Equal(t, uint64(1), m.Rejected)
	require.Equal(t, 1, m.Subscriptions)
	require.Zero(t, m.Lag)
	require.Zero(t, m.CutOff)
	require.Empty(t, m.Slow)

	m.Requests["ping"], m.Errors["x"] = 99, 1 // the caller owns the snapshot
	require.Equal(t, uint64(2), s.Metrics().Requests["ping"])
	require.NotContains(t, s.Metrics().Errors, "x")

	require.NoError(t, sub.Close())
	eventually(t, "the subscription is over", func() bool { return s.Metrics().Subscriptions == 0 && s.Metrics().Closed == 1 })
	require.Equal(t, uint64(1), s.Metrics().Requests["subscribe"])
}

// TestBytes counts the received and the sent bytes.
func TestBytes(t *testing.T) {
	s := serveMemory(t, server.Options{})
	p := s.dial()
	in, out := 0, 0
	for _, body := range []string{`{"op":"ping"}`, writeJSON("tasks", "a"), `{"op":"replay"}`, `nonsense`} {
		in += len(framesOf(body))
		out += len(framesOf(p.ask("%s", body)))
		m := s.Metrics()
		require.Equal(t, uint64(in), m.BytesIn)
		eventually(t, "the write is counted", func() bool { return s.Metrics().BytesOut == uint64(out) })
	}
}

// TestDuplicates writes held facts in every way: the answers report them as duplicates.
func TestDuplicates(t *testing.T) {
	s := serveMemory(t, server.Options{})
	s.write(fact("tasks", "before"))
	p := s.dial2()
	a, b, c := writeJSON("tasks", "a"), writeJSON("tasks", "b"), writeJSON("tasks", "c")
	p.send(a, a, b, a, writeJSON("tasks", "before"), b, c)
	var seqs []uint64
	var duplicates []bool
	for range 7 {
		x := answerOf(t, p.next())
		require.True(t, x.OK)
		seqs, duplicates = append(seqs, x.Seq), append(duplicates, x.Duplicate)
	}
	require.Equal(t, []uint64{2, 2, 3, 2, 1, 3, 4}, seqs)
	require.Equal(t, []bool{false, true, false, true, true, true, false}, duplicates)
	for range 2 {
		require.True(t, p.call("%s", a).Duplicate)
	}
	require.Equal(t, uint64(3), s.Metrics().FactsIn)

	body := p.ask(`{"op":"write_batch","facts":[%s,%s,%s]}`, factJSON("tasks", "d"), factJSON("tasks", "a"), factJSON("tasks", "d"))
	require.Contains(t, body, `"facts":[{"seq":5,`)
	require.Contains(t, body, `},{"seq":2,`)
	require.Contains(t, body, `},{"seq":5,`)
	require.NotContains(t, body[:len(`{"ok":true,"facts":[{"seq":5,"causation":null,"transaction_time":1795467633.8167136}`)], "duplicate")
	require.Equal(t, uint64(4), s.Metrics().FactsIn)
	require.Len(t, s.facts(), 5)
}

// A slowLog takes a while for each write.
type slowLog struct{ *memory.Log }

func (l slowLog) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	time.Sleep(3 * time.Second)
	return l.Log.Write(ctx, batches...)
}

// TestLatency: the latency of a request is the time until its answer; the latency of a stream is the time until its first answer,
// however long it goes on. Slow requests are counted and logged.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		s, l := servePipe(t, server.Options{Logger: zap.New(core)}, func(l *memory.Log) backend.Backend { return slowLog{l} })
		p, sub := l.dial(t), l.dial(t)
		p.hello("")
		sub.hello("")
		sub.requireOK(`{"op":"subscribe"}`)
		synctest.Wait()
		m := s.Metrics()
		require.Equal(t, uint64(1), m.Requests["subscribe"], "it is being streamed")
		require.Equal(t, uint64(1), m.Latency["subscribe"].Buckets[0])
		p.requireOK("%s", writeJSON("tasks", "a"))
		sub.nextFacts()
		for range 5 {
			sub.next() // heartbeats
		}
		require.NoError(t, sub.Close())
		p.requireAlive()
		synctest.Wait()
		m = s.Metrics()
		require.Equal(t, uint64(1), m.Requests["subscribe"])
		require.Zero(t, m.Latency["subscribe"].Sum)
		write := m.Latency["write_fact"]
		require.Equal(t, 3*time.Second, write.Sum)
		require.Equal(t, uint64(1), write.Buckets[22])
		require.Less(t, write.Bound(21), 3*time.Second)
		require.GreaterOrEqual(t, write.Bound(22), 3*time.Second)
		require.Equal(t, map[string]uint64{"write_fact": 1}, m.Slow)
		require.Equal(t, 1, logs.FilterMessageSnippet("slow").Len())
	})
}

// TestLag checks the lag of a subscriber that does not read.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := servePipe(t, server.Options{}, nil)
		p, sub := l.dial(t), l.dial(t)
		p.hello("")
		sub.hello("")
		sub.requireOK(`{"op":"subscribe"}`)
		for _, id := range []string{"a", "b", "c"} {
			p.requireOK("%s", writeJSON("tasks", id))
		}
		synctest.Wait()
		require.Equal(t, uint64(3), s.Metrics().Lag)
		for range 3 {
			sub.nextFacts()
		}
		synctest.Wait()
		require.Zero(t, s.Metrics().Lag)
	})
}

// TestLastError checks that Metrics has the latest failure of the log.
func TestLastError(t *testing.T) {
	s := serveMemory(t, server.Options{})
	p := s.dial2()
	require.NoError(t, s.log.Close())
	p.requireCode("unavailable", "%s", writeJSON("tasks", "a"))
	p.requireCode("unavailable", `{"op":"replay"}`)
	p.requireCode("unavailable", `{"op":"stats"}`)
	p.requireAlive()
	require.Empty(t, s.Metrics().LastError)

	core, logs := observer.New(zap.ErrorLevel)
	s = serve(t, "tcp", failedLog{memory.New(memory.Options{})}, server.Options{Logger: zap.New(core)})
	p = s.dial2()
	p.requireCode("storage_failed", "%s", writeJSON("tasks", "a"))
	p.requireCode("storage_failed", "%s", writeJSON("tasks", "a"))
	require.Equal(t, uint64(2), s.Metrics().Errors["storage_failed"])
	require.Len(t, logs.FilterMessage("the log's storage failed").All(), 1, "a log that fails each write is not said so each time")
	require.Contains(t, s.Metrics().LastError, "storage failed")
	require.Contains(t, p.ask(`{"op":"server_status"}`), `"last_error":"backend: storage failed"`)
}

type failedLog struct{ *memory.Log }

func (failedLog) Write(_ context.Context, batches ...backend.Batch) []backend.Written {
	return backend.Refused(len(batches), backend.ErrFailed)
}
