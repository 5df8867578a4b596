// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/wire"
)

// logs are the served logs, by the way in which the server reads them.
var logs = map[string]func(t testing.TB) backend.Backend{
	"memory": func(testing.TB) backend.Backend { return memory.New(memory.Options{}) },
	"pages":  func(testing.TB) backend.Backend { return plain(memory.New(memory.Options{})) },
}

// fill writes single facts and batches, of several stores, and returns the facts that the log then holds.
func fill(s *served) []backend.Fact {
	s.write(fact("tasks", "a"), fact("notes", "b"))
	for g := range 4 {
		var batch []backend.Fact
		for i, store := range []string{"tasks", "notes", "secret", "tasks"}[:1+g] {
			batch = append(batch, fact(store, fmt.Sprintf("g%d-%d", g, i)))
		}
		s.writeBatch(batch...)
	}
	s.write(fact("secret", "y"), fact("tasks", "z"))
	return s.facts()
}

// of returns the facts after seq in the given stores; without stores, in all stores.
func of(facts []backend.Fact, seq uint64, stores ...string) []backend.Fact {
	return in(facts, after(seq, stores...))
}

// in returns the facts that are in r.
func in(facts []backend.Fact, r backend.Range) (some []backend.Fact) {
	for _, f := range facts {
		if f.Seq > r.After.Seq && (r.Through == 0 || f.Seq <= r.Through) && r.Has(f.Store) {
			some = append(some, f)
		}
	}
	return some
}

// TestStreams replays and subscribes to every part of a log, through seqs inside batches too, of all stores and of some.
func TestStreams(t *testing.T) {
	for name, open := range logs {
		t.Run(name, func(t *testing.T) {
			s := serve(t, "tcp", open(t), server.Options{Heartbeat: time.Hour}) // so that progress is reported at once or not at all
			facts := fill(s)
			last := facts[len(facts)-1].Seq
			replays := s.dial2() // several replays, one after the other
			for _, stores := range [][]string{nil, {}, {"tasks"}, {"tasks", "notes"}, {"none"}} {
				for seq := uint64(0); seq <= last; seq++ {
					for through := uint64(0); through <= last; through++ {
						r := backend.Range{After: backend.Cursor{Seq: seq}, Through: through, Stores: stores}
						if through != 0 && through <= seq {
							continue
						}
						got, end := replays.replay(r)
						require.True(t, end.End)
						if through == 0 {
							require.Equal(t, last, end.LastSeq)
						} else {
							require.Equal(t, through, end.LastSeq)
						}
						require.Empty(t, cmp.Diff(in(facts, r), got), "replay of %v", r)
					}
				}
			}
			for _, stores := range [][]string{nil, {}, {"tasks"}} {
				for seq := uint64(0); seq <= last; seq++ {
					for _, through := range []uint64{0, (seq + last + 1) / 2} {
						r := backend.Range{After: backend.Cursor{Seq: seq}, Through: through, Stores: stores}
						if through <= seq && through != 0 {
							continue
						}
						p := s.dial2()
						p.send(string(protocol.AppendSubscribe(nil, r)))
						first, _, err := protocol.ParseStream([]byte(p.next()))
						require.NoError(t, err)
						require.GreaterOrEqual(t, first.Seq, min(seq+1, last), "the log was read for the first page")
						var got []backend.Fact
						if through == 0 {
							got = p.through(seq, last)
							p.send(`{"op":"close"}`)
						} else {
							var end answer
							got, end = p.toEnd()
							require.Equal(t, through, end.LastSeq)
						}
						require.Empty(t, cmp.Diff(in(facts, r), got), "subscription to %v", r)
						p.requireEnd()
					}
				}
			}
		})
	}
}

// through reads a subscription, which was sent through seq, until the server has read the log through last. It returns the
// facts.
func (p *peer) through(seq, last uint64) (facts []backend.Fact) {
	p.t.Helper()
	for seq < last {
		some, control := p.nextFacts()
		if facts = append(facts, some...); control != nil {
			require.Equal(p.t, "heartbeat", control.Event)
			require.Greater(p.t, control.LastSeq, seq)
			seq = control.LastSeq
		} else {
			seq = some[len(some)-1].Seq
		}
	}
	require.Equal(p.t, last, seq)
	return facts
}

// TestBatchesStayWhole: a batch comes in one frame.
func TestBatchesStayWhole(t *testing.T) {
	for name, open := range logs {
		t.Run(name, func(t *testing.T) {
			s := serve(t, "tcp", open(t), server.Options{})
			live, replays := s.dial2(), s.dial2()
			live.requireOK(`{"op":"subscribe"}`)
			const batches = 30
			batchOf := map[string]int{}
			for i := range batches {
				var batch []backend.Fact
				for n := range 1 + i%7 {
					f := fact("tasks", fmt.Sprint(i, "-", n))
					f.Value = []byte(`"` + strings.Repeat("x", 3000*i) + `"`)
					batch = append(batch, f)
					batchOf[f.ID] = i
				}
				s.writeBatch(batch...)
			}
			for _, p := range []*peer{live, replays} {
				if p == replays {
					p.requireOK(`{"op":"replay"}`)
				}
				for next := 0; next < batches; {
					facts, control := p.nextFacts()
					require.Nil(t, control)
					require.Equal(t, next, batchOf[facts[0].ID], "a frame begins with a batch")
					require.Equal(t, fmt.Sprint(next, "-", 0), facts[0].ID)
					end := facts[len(facts)-1]
					next = batchOf[end.ID] + 1
					require.Equal(t, fmt.Sprint(next-1, "-", (next-1)%7), end.ID, "and ends with one")
				}
			}
		})
	}
}

// TestDiverged reads after the log's end, where no client of this log can have been.
func TestDiverged(t *testing.T) {
	for name, open := range logs {
		t.Run(name, func(t *testing.T) {
			log := open(t)
			s := serve(t, "tcp", log, server.Options{})
			fill(s)
			stats, err := backend.Complete(log).Stats(t.Context())
			require.NoError(t, err)
			p := s.dial2()
			for _, op := range []string{"replay", "subscribe"} {
				after := backend.Cursor{Log: backend.LogID{1}, Seq: 3}
				body := p.ask(`{"op":%q,"after":%q}`, op, after)
				diverged, ok := errors.AsType[*backend.DivergedError](protocol.ParseError([]byte(body)))
				require.Equal(t, stats.Log != backend.LogID{}, ok, body)
				if ok {
					require.Equal(t, &backend.DivergedError{Cursor: after, Log: stats.Log}, diverged)
				} else {
					p = s.dial2()
				}
				for _, seq := range []uint64{15, 1 << 63, ^uint64(0)} {
					body := p.ask(`{"op":%q,"after":%d}`, op, seq)
					diverged, ok := errors.AsType[*backend.DivergedError](protocol.ParseError([]byte(body)))
					require.True(t, ok, body)
					require.Equal(t, &backend.DivergedError{Cursor: backend.Cursor{Seq: seq}, Log: stats.Log, Common: 14}, diverged)
					require.Equal(t, "diverged", answerOf(t, body).Code)
					p.requireAlive()
				}
			}
		})
	}
}

// TestStreamsOfVersion1 reads the same log as clients of the Ruby system do.
func TestStreamsOfVersion1(t *testing.T) {
	for name, open := range logs {
		t.Run(name, func(t *testing.T) {
			s := serve(t, "tcp", open(t), server.Options{})
			all, some := s.dial(), s.dial()
			require.Equal(t, `{"ok":true}`, all.ask(`{"op":"subscribe","request_id":1}`))
			require.Equal(t, `{"ok":true}`, some.ask(`{"op":"subscribe","stores":["notes","tasks"]}`))
			facts := fill(s)
			for p, want := range map[*peer][]backend.Fact{all: facts, some: of(facts, 0, "tasks", "notes")} {
				for _, f := range want {
					require.Equal(t, string(protocol.AppendEventV1(nil, &f)), p.next())
				}
				p.send(`{"op":"close"}`)
				p.requireEnd() // and no answer
			}
			require.Equal(t, string(protocol.AppendFactsV1(nil, facts, []byte("7"))), s.dial().ask(`{"request_id":7,"op":"replay"}`))
		})
	}
}

// TestLateSubscriptionOfVersion1: a subscription gets no facts from before its request.
func TestLateSubscriptionOfVersion1(t *testing.T) {
	s := serveMemory(t, server.Options{})
	fill(s)
	p := s.dial()
	p.ask(`{"op":"subscribe","stores":"no array: all"}`)
	s.write(fact("tasks", "new"))
	require.Contains(t, p.next(), `{"event":"fact_written","fact":{"id":"new"`)
}

// TestLargeReplayOfVersion1 replays more than a frame holds: the answer is an error, and not a part of the log.
func TestLargeReplayOfVersion1(t *testing.T) {
	const limit = 8 << 10
	s := serveMemory(t, server.Options{MaxFrame: limit})
	p := s.dial()
	n := 0
	for ; ; n++ {
		body := p.ask(`{"op":"replay"}`)
		if !strings.HasPrefix(body, `{"ok":true`) {
			a := answerOf(t, body)
			require.Equal(t, "too_large", a.Code)
			require.Contains(t, a.Error, "version 2")
			break
		}
		facts, err := protocol.ParseFactsV1([]byte(body))
		require.NoError(t, err)
		require.Len(t, facts, n)
		require.LessOrEqual(t, len(body), limit)
		s.write(fact("tasks", fmt.Sprint(n)))
	}
	require.Greater(t, n, 10)
	p.requireAlive()
	require.Len(t, s.facts(), n)
}

// TestFourMethods serves a backend that has only the four methods: replays end at the log's end, pruned or not, and
// subscriptions of both versions get new facts.
func TestFourMethods(t *testing.T) {
	l := memory.New(memory.Options{})
	s := serve(t, "tcp", bare(l), server.Options{})
	p, sub, v1 := s.dial2(), s.dial2(), s.dial()
	sub.requireOK(`{"op":"subscribe"}`)
	v1.requireOK(`{"op":"subscribe"}`)
	for n := range 3 {
		for seq := range n + 1 {
			got, end := p.replay(after(uint64(seq)))
			require.Equal(t, uint64(n), end.LastSeq)
			require.Len(t, got, n-seq)
		}
		p.requireCode("diverged", `{"op":"replay","after":%d}`, n+1)
		all, err := protocol.ParseFactsV1([]byte(s.dial().ask(`{"op":"replay"}`)))
		require.NoError(t, err)
		require.Len(t, all, n)
		p.requireOK("%s", writeJSON("tasks", fmt.Sprint(n)))
		facts, _ := sub.nextFacts()
		require.Equal(t, fmt.Sprint(n), facts[0].ID)
		require.Contains(t, v1.next(), fmt.Sprintf(`"fact":{"id":"%d"`, n))
	}
	_, err := l.Prune(t.Context(), slices.Values([]uint64{3}), backend.Horizon{})
	require.NoError(t, err)
	got, end := p.replay(after(0))
	require.Equal(t, uint64(3), end.LastSeq)
	require.Len(t, got, 2)
}

// TestPrunedTail: a subscription reports at once that the log was read through its pruned end.
func TestPrunedTail(t *testing.T) {
	for name, open := range logs {
		t.Run(name, func(t *testing.T) {
			s := serve(t, "tcp", open(t), server.Options{Heartbeat: time.Hour})
			fill(s)
			_, err := s.log.Prune(t.Context(), slices.Values([]uint64{13, 14}), backend.Horizon{})
			require.NoError(t, err)
			for seq := range uint64(14) {
				p := s.dial2()
				p.requireOK(`{"op":"subscribe","after":%d}`, seq)
				require.Equal(t, of(s.facts(), seq), p.through(seq, 14))
			}
		})
	}
}

// TestThousandSubscribers: each subscriber gets every fact once and in order, while several clients write.
func TestThousandSubscribers(t *testing.T) {
	const subscribers, writers, each = 1000, 4, 25
	s := serveMemory(t, server.Options{})
	s.write(fact("before", "before"))
	peers := make([]*peer, subscribers)
	for i := range peers {
		peers[i] = s.dial2()
		peers[i].requireOK(`{"op":"subscribe","after":%d}`, i%2)
	}
	require.Equal(t, subscribers, s.Metrics().Subscriptions)
	got := make([][]string, subscribers)
	errs := make([]error, subscribers)
	var readers sync.WaitGroup
	for i, p := range peers {
		want := writers*each + 1 - i%2
		readers.Go(func() {
			for len(got[i]) < want && errs[i] == nil {
				body, err := p.in.Next()
				if errs[i] = err; err != nil || protocol.IsControl(body) {
					continue
				}
				facts, err := wire.ParseGroup(nil, body)
				errs[i] = err
				for _, f := range facts {
					got[i] = append(got[i], f.ID)
				}
			}
		})
	}
	clients := make([]*peer, writers)
	for w := range clients {
		clients[w] = s.dial2()
		var bodies []string
		for n := range each {
			bodies = append(bodies, writeJSON("tasks", fmt.Sprintf("%d-%d", w, n)))
		}
		clients[w].send(bodies...)
	}
	for _, p := range clients {
		for range each {
			require.True(t, answerOf(t, p.next()).OK)
		}
	}
	readers.Wait()
	var want []string
	for _, f := range s.facts() {
		want = append(want, f.ID)
	}
	for i := range got {
		require.NoError(t, errs[i])
		require.Equal(t, want[i%2:], got[i])
	}
	m := s.Metrics()
	require.Equal(t, uint64(subscribers*writers*each+subscribers/2), m.Pushed)
	require.Equal(t, m.Pushed, m.FactsOut)
	eventually(t, "nobody is behind", func() bool { return s.Metrics().Lag == 0 })
}
