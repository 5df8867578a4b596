package server_test

import (
	"context"
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

// logs are what is served, by how the server reads it.
var logs = map[string]func(t testing.TB) backend.Backend{
	"memory": func(testing.TB) backend.Backend { return memory.New(memory.Options{}) },
	"file":   openFile,
	"facts":  func(testing.TB) backend.Backend { return plain(memory.New(memory.Options{})) },
}

// fill writes single facts and groups of them, of several stores, and returns what the log then holds.
func fill(s *served) []backend.Fact {
	s.write(fact("tasks", "a"), fact("notes", "b"))
	for g := range 4 {
		var b backend.Batch
		for i, store := range []string{"tasks", "notes", "secret", "tasks"}[:1+g] {
			b.Facts = append(b.Facts, fact(store, fmt.Sprintf("g%d-%d", g, i)))
		}
		_, err := backend.WriteBatch(context.Background(), s.log, b)
		require.NoError(s.t, err)
	}
	s.write(fact("secret", "y"), fact("tasks", "z"))
	return s.facts()
}

// of returns those of the facts after a seq that are in one of some stores; none named: in any.
func of(facts []backend.Fact, after uint64, stores ...string) (some []backend.Fact) {
	for _, f := range facts {
		if f.Seq > after && (len(stores) == 0 || slices.Contains(stores, f.Store)) {
			some = append(some, f)
		}
	}
	return some
}

// TestStreams replays and subscribes after every seq, those inside groups too, all stores and some of them.
func TestStreams(t *testing.T) {
	for name, open := range logs {
		t.Run(name, func(t *testing.T) {
			s := serve(t, "tcp", open(t), server.Options{})
			facts := fill(s)
			last := facts[len(facts)-1].Seq
			replays := s.dial2() // one after the other works too
			for _, stores := range [][]string{nil, {"tasks"}, {"tasks", "notes"}, {"none"}} {
				for after := uint64(0); after <= last+1; after++ {
					want := of(facts, after, stores...)
					got, end := replays.replay(after, stores...)
					require.True(t, end.End)
					require.Equal(t, max(after, last), end.LastSeq)
					require.Empty(t, cmp.Diff(want, got), "replay of %v after %d", stores, after)
				}
			}
			for _, stores := range [][]string{nil, {"tasks"}} {
				for after := uint64(0); after <= last; after++ {
					want := of(facts, after, stores...)
					p := s.dial2()
					p.send(string(protocol.AppendSubscribe(nil, after, stores)))
					require.Equal(t, fmt.Sprintf(`{"ok":true,"last_seq":%d}`, last), p.next())
					var got []backend.Fact
					for len(got) < len(want) {
						some, signal := p.nextFacts()
						require.Nil(t, signal)
						got = append(got, some...)
					}
					require.Empty(t, cmp.Diff(want, got), "subscription to %v after %d", stores, after)
					p.send(`{"op":"close"}`)
					p.requireEnd()
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

// TestLateSubscriptionOfVersion1 begins when it is asked for, with nothing from before.
func TestLateSubscriptionOfVersion1(t *testing.T) {
	s := serveMemory(t, server.Options{})
	fill(s)
	p := s.dial()
	p.ask(`{"op":"subscribe","stores":"no array: all"}`)
	s.write(fact("tasks", "new"))
	require.Contains(t, p.next(), `{"event":"fact_written","fact":{"id":"new"`)
}

// TestLargeReplayOfVersion1 asks for more than a frame holds: an error says so, and nothing is cut short.
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

// TestReplayWithoutFollow reads a log that can't be followed: replays end where it does, empty or pruned
// or not, and a subscription is refused before anything else is said.
func TestReplayWithoutFollow(t *testing.T) {
	for name, wrap := range map[string]func(*memory.Log) backend.Backend{"bare": bare, "refusing": refusing} {
		t.Run(name, func(t *testing.T) {
			l := memory.New(memory.Options{})
			s := serve(t, "tcp", wrap(l), server.Options{})
			p := s.dial2()
			for facts := range 3 {
				for range 20 { // it is a matter of who comes first
					for after := range 4 {
						got, end := p.replay(uint64(after))
						require.True(t, end.End, "%+v", end)
						require.Len(t, got, max(facts-after, 0))
					}
					body := s.dial().ask(`{"op":"replay"}`)
					all, err := protocol.ParseFactsV1([]byte(body))
					require.NoError(t, err, "%s", body)
					require.Len(t, all, facts)
				}
				p.requireCode("unsupported", `{"op":"subscribe"}`)
				p.requireAlive()
				v1 := s.dial()
				v1.requireCode("unsupported", `{"op":"subscribe"}`)
				v1.requireAlive()
				s.write(fact("tasks", fmt.Sprint(facts)))
			}
			_, err := l.Prune(t.Context(), slices.Values([]uint64{3}))
			require.NoError(t, err)
			for range 20 {
				got, end := p.replay(0)
				require.True(t, end.End, "%+v", end)
				require.Len(t, got, 2)
			}
		})
	}
}

// TestThousandSubscribers has each of them get every fact once and in order, while several clients write.
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

// TestFarSeqs asks for what is after the last of all seqs.
func TestFarSeqs(t *testing.T) {
	for name, open := range logs {
		t.Run(name, func(t *testing.T) {
			s := serve(t, "tcp", open(t), server.Options{Heartbeat: time.Millisecond})
			fill(s)
			p := s.dial2()
			for _, after := range []uint64{1 << 63, ^uint64(0) - 1, ^uint64(0)} {
				p.requireOK(`{"op":"replay","after":%d}`, after)
				require.True(t, answerOf(t, p.next()).End)
			}
			for _, after := range []uint64{1 << 63, ^uint64(0) - 1, ^uint64(0)} {
				p := s.dial2()
				p.requireOK(`{"op":"subscribe","after":%d}`, after)
				require.Equal(t, "heartbeat", answerOf(t, p.next()).Event)
			}
		})
	}
}
