// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
	"github.com/igniter-store/igniter/internal/figures"
)

// BenchmarkFigures compares a log with raw use of a stream of the same servers, which are a process of their own. Raw messages are facts
// and units that the log has written, since servers compress what they replicate: only the same bytes compare.
func BenchmarkFigures(b *testing.B) {
	for _, servers := range []int{1, 3} {
		for _, always := range []bool{false, true} {
			b.Run(fmt.Sprintf("servers=%d/always=%t", servers, always), func(b *testing.B) { (&rows{}).all(b, servers, always) })
		}
	}
}

// rows measures one kind of cluster.
type rows struct {
	b        *testing.B
	url      string
	replicas int
	js       natsjs.JetStream
	log      backend.Log
	ids      atomic.Int64
}

func (r *rows) open(name string) backend.Log {
	l, err := jetstream.Open(bg, jetstream.Options{URL: r.url, Log: name, Replicas: r.replicas})
	require.NoError(r.b, err)
	r.b.Cleanup(func() { l.Close() })
	return l
}

var bg = context.Background()

func (r *rows) fact() backend.Fact {
	n := r.ids.Add(1)
	return backend.Fact{ID: backend.NewLogID().String(), Store: "tasks", Key: fmt.Sprint("t", n%1000), Value: []byte(`{"title":"Write the report for the third quarter","state":"open","priority":3,"tags":["work","urgent"],"estimate":12.5,"owner":"someone@example.org"}`)}
}

// write returns what writes a batch of so many facts.
func (r *rows) write(l backend.Log, facts int) func() {
	return func() {
		batch := backend.Batch{Facts: make([]backend.Fact, facts)}
		for i := range batch.Facts {
			batch.Facts[i] = r.fact()
		}
		require.NoError(r.b, l.Write(bg, batch)[0].Err)
	}
}

// unit writes a batch of so many facts while nobody else writes, and returns the message that holds it.
func (r *rows) unit(facts int) *nats.Msg {
	r.write(r.log, facts)()
	s, err := r.js.Stream(bg, "IGNITER_bench")
	require.NoError(r.b, err)
	info, err := s.Info(bg)
	require.NoError(r.b, err)
	m, err := s.GetMsg(bg, info.State.LastSeq)
	require.NoError(r.b, err)
	return &nats.Msg{Subject: "raw", Header: m.Header, Data: m.Data}
}

// publish returns what publishes bytes to the raw stream, and waits for the answer.
func (r *rows) publish(data []byte) func() {
	return func() {
		_, err := r.js.Publish(bg, "raw", data)
		require.NoError(r.b, err)
	}
}

// publishAll returns what publishes bytes so many times without waiting, and then waits for all answers.
func (r *rows) publishAll(data []byte, times int) func() {
	return func() {
		all := make([]natsjs.PubAckFuture, times)
		for i := range all {
			var err error
			all[i], err = r.js.PublishAsync("raw", data)
			require.NoError(r.b, err)
		}
		for _, one := range all {
			select {
			case <-one.Ok():
			case err := <-one.Err():
				require.NoError(r.b, err)
			}
		}
	}
}

// onCondition returns what publishes a message if the raw stream's last sequence is the one that it knows.
func (r *rows) onCondition(m *nats.Msg) func() {
	ack, err := r.js.Publish(bg, "conditional", m.Data)
	require.NoError(r.b, err)
	return func() {
		m := &nats.Msg{Subject: "conditional", Header: nats.Header{"Igniter-Unit": m.Header["Igniter-Unit"]}, Data: m.Data}
		ack, err = r.js.PublishMsg(bg, m, natsjs.WithExpectLastSequence(ack.Sequence))
		require.NoError(r.b, err)
	}
}

// consume returns how many messages of a stream a consumer gets in a second, when it reads it from the beginning through a sequence.
func (r *rows) consume(stream string, through uint64, each float64) func(time.Duration) float64 {
	return func(d time.Duration) float64 {
		n, begun := uint64(0), time.Now()
		for n == 0 || time.Since(begun) < d {
			c, err := r.js.OrderedConsumer(bg, stream, natsjs.OrderedConsumerConfig{})
			require.NoError(r.b, err)
			messages, err := c.Messages()
			require.NoError(r.b, err)
			for range through {
				_, err := messages.Next()
				require.NoError(r.b, err)
			}
			messages.Stop()
			n += through
		}
		return float64(n) * each / time.Since(begun).Seconds()
	}
}

// replays returns how many facts a second a log gives, from the beginning through a seq.
func (r *rows) replays(l backend.Log, through uint64) func(time.Duration) float64 {
	return func(d time.Duration) float64 {
		n, begun := 0, time.Now()
		for n == 0 || time.Since(begun) < d {
			for p, err := range l.Replay(bg, backend.Range{Through: through}) {
				require.NoError(r.b, err)
				n += len(p.Facts)
			}
		}
		return float64(n) / time.Since(begun).Seconds()
	}
}

func (r *rows) all(b *testing.B, servers int, always bool) {
	r.b, r.replicas = b, servers
	r.url = serveCluster(b, servers, always)
	_, r.js = connect(b, r.url)
	for _, name := range []string{"raw", "conditional"} {
		_, err := r.js.CreateStream(bg, natsjs.StreamConfig{Name: name, Subjects: []string{name}, Replicas: servers})
		require.NoError(b, err)
	}
	r.log = r.open("bench")
	lone := r.unit(1)

	figures.Row(b, "lone", "facts/s",
		figures.Way{Name: "igniter", Turn: figures.Rate(1, 1, r.write(r.log, 1))},
		figures.Way{Name: "Publish", Turn: figures.Rate(1, 1, r.publish(lone.Data))},
		figures.Way{Name: "Publish with the header, after an expected sequence", Turn: figures.Rate(1, 1, r.onCondition(lone))})
	for _, n := range []int{16, 64} {
		figures.Row(b, fmt.Sprint("goroutines=", n), "facts/s",
			figures.Way{Name: "igniter", Turn: figures.Rate(n, 1, r.write(r.log, 1))},
			figures.Way{Name: "Publish", Turn: figures.Rate(n, 1, r.publish(lone.Data))})
	}
	hundred := r.unit(100)
	for _, n := range []int{1, 8, 32} {
		figures.Row(b, fmt.Sprintf("batches=100/goroutines=%d", n), "facts/s",
			figures.Way{Name: "igniter", Turn: figures.Rate(n, 100, r.write(r.log, 100))},
			figures.Way{Name: "100 PublishAsync and their answers", Turn: figures.Rate(n, 100, r.publishAll(lone.Data, 100))},
			figures.Way{Name: "Publish of the 100 facts' bytes as one message", Turn: figures.Rate(n, 100, r.publish(hundred.Data))})
	}
	r.replay()
	r.latency(lone)
	r.fair()
}

func (r *rows) replay() {
	const batches, each = 100, 100
	l := r.open("replayed")
	ones, err := r.js.CreateStream(bg, natsjs.StreamConfig{Name: "ones", Subjects: []string{"ones"}, Replicas: r.replicas})
	require.NoError(r.b, err)
	data := r.unit(1).Data
	for range batches {
		r.write(l, each)()
		for range each {
			_, err := r.js.PublishAsync("ones", data)
			require.NoError(r.b, err)
		}
		<-r.js.PublishAsyncComplete()
	}
	info, err := ones.Info(bg)
	require.NoError(r.b, err)
	require.Equal(r.b, uint64(batches*each), info.State.LastSeq)
	figures.Row(r.b, "replay", "facts/s",
		figures.Way{Name: "igniter", Turn: r.replays(l, batches*each)},
		figures.Way{Name: "an ordered consumer of its messages, not decoded", Turn: r.consume("IGNITER_replayed", batches, each)},
		figures.Way{Name: "an ordered consumer of a message for each fact", Turn: r.consume("ones", batches*each, 1)})
}

// latency measures from a write until a follower in the place of another process has it.
func (r *rows) latency(m *nats.Msg) {
	name := "followed"
	writer, reader := r.open(name), r.open(name)
	ctx, cancel := context.WithCancel(bg)
	seen := make(chan struct{})
	var follower sync.WaitGroup
	follower.Go(func() {
		for p, err := range reader.Follow(ctx, backend.Range{}) {
			for range p.Facts {
				seen <- struct{}{}
			}
			if err != nil {
				return
			}
		}
	})
	_, js := connect(r.b, r.url)
	c, err := js.OrderedConsumer(bg, "raw", natsjs.OrderedConsumerConfig{DeliverPolicy: natsjs.DeliverNewPolicy})
	require.NoError(r.b, err)
	messages := make(chan struct{})
	following, err := c.Consume(func(natsjs.Msg) { messages <- struct{}{} })
	require.NoError(r.b, err)
	after := func(do func(), seen <-chan struct{}) func() time.Duration {
		return func() time.Duration {
			begun := time.Now()
			do()
			<-seen
			return time.Since(begun)
		}
	}
	figures.Row(r.b, "follow", "µs",
		figures.Way{Name: "igniter, from a write to another process' follower", Turn: figures.Latency(after(r.write(writer, 1), seen))},
		figures.Way{Name: "Publish, to another connection's consumer", Turn: figures.Latency(after(r.publish(m.Data), messages))})
	following.Stop()
	cancel()
	follower.Wait()
}

// fair lets three processes write as fast as they can, with four goroutines each.
func (r *rows) fair() {
	r.b.Run("three writers", func(b *testing.B) {
		var logs []backend.Log
		for range 3 {
			logs = append(logs, r.open("shared"))
		}
		var text strings.Builder
		for b.Loop() {
			var all sync.WaitGroup
			var counts, longest [3]atomic.Int64
			begun := time.Now()
			for i := range 12 {
				all.Go(func() {
					for write := r.write(logs[i%3], 1); time.Since(begun) < time.Second; counts[i%3].Add(1) {
						at := time.Now()
						write()
						took := int64(time.Since(at))
						for before := longest[i%3].Load(); took > before && !longest[i%3].CompareAndSwap(before, took); before = longest[i%3].Load() {
						}
					}
				})
			}
			all.Wait()
			fmt.Fprint(&text, "\n")
			for i := range counts {
				fmt.Fprintf(&text, "  %d facts, longest wait %.0f ms;", counts[i].Load(), time.Duration(longest[i].Load()).Seconds()*1000)
			}
		}
		b.ReportMetric(0, "ns/op")
		b.Log(text.String())
	})
}
