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

// BenchmarkFigures compares a log with raw use of a stream of the same servers, which run in a separate process. Raw
// messages have the bytes of facts and units that the log has written. Only equal bytes are comparable, since servers
// compress replicated messages. The benchmark ends with the rows of docs/backends.md.
func BenchmarkFigures(b *testing.B) {
	t := &table{figures.Table{Unit: "facts/s"}, ""}
	for i, c := range []struct {
		name    string
		servers int
		always  bool
	}{{"one server", 1, false}, {"one, sync always", 1, true}, {"three", 3, false}, {"three, sync always", 3, true}} {
		t.Columns = append(t.Columns, c.name)
		b.Run(c.name, func(b *testing.B) { (&rows{table: t, column: i}).all(b, c.servers, c.always) })
	}
	fmt.Printf("\n%s\n%s\n\n", figures.Machine(), t)
	for _, pair := range [][2]string{
		{"a lone writer", "… `Publish`"},
		{"a lone writer", "… `Publish` with the header, after an expected sequence"},
		{"64 goroutines", "… `Publish` by 64"},
		{"batches of 100, one goroutine", "… 100 `PublishAsync`, then their answers"},
	} {
		fmt.Printf("%s / %s: %.2f\n", pair[0], pair[1], t.Ratios(pair[0], pair[1]))
	}
	fmt.Print(t.shares)
}

// A table is the figures of all rows.
type table struct {
	figures.Table
	shares string // of three writers
}

// rows measures one kind of cluster.
type rows struct {
	b        *testing.B
	table    *table
	column   int
	url      string
	replicas int
	js       natsjs.JetStream
	log      backend.Log
	ids      atomic.Int64
}

// row measures ways and puts them into the table. The first one's label is the name of the row.
func (r *rows) row(name, unit string, ways ...figures.Way) {
	for i, figure := range figures.Row(r.b, name, unit, ways...) {
		label := name
		if i > 0 {
			label = "… " + ways[i].Name
		}
		r.table.Add(label, r.column, figure)
	}
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
	return backend.Fact{ID: backend.NewLogID().String(), Store: "tasks", Key: fmt.Sprint("t", n%1000), Value: figures.Value(int(n))}
}

// write returns a function that writes a batch of facts.
func (r *rows) write(l backend.Log, facts int) func() {
	return func() {
		batch := backend.Batch{Facts: make([]backend.Fact, facts)}
		for i := range batch.Facts {
			batch.Facts[i] = r.fact()
		}
		require.NoError(r.b, l.Write(bg, batch)[0].Err)
	}
}

// A ring is messages that raw ways publish one after the other.
type ring struct {
	all  []*nats.Msg
	next atomic.Int64
}

func (m *ring) take() *nats.Msg { return m.all[int(m.next.Add(1))%len(m.all)] }

// units writes batches of so many facts while nobody else writes, and returns the messages that hold them.
func (r *rows) units(n, facts int) *ring {
	s, err := r.js.Stream(bg, "IGNITER_bench")
	require.NoError(r.b, err)
	write, m := r.write(r.log, facts), &ring{}
	for range n {
		write()
		info, err := s.Info(bg)
		require.NoError(r.b, err)
		one, err := s.GetMsg(bg, info.State.LastSeq)
		require.NoError(r.b, err)
		m.all = append(m.all, &nats.Msg{Subject: "raw", Header: one.Header, Data: one.Data})
	}
	return m
}

// publish returns what publishes the bytes of the next message to the raw stream, and waits for the answer.
func (r *rows) publish(m *ring) func() {
	return func() {
		_, err := r.js.Publish(bg, "raw", m.take().Data)
		require.NoError(r.b, err)
	}
}

// publishAll returns what publishes the bytes of so many messages without waiting, and then waits for all answers.
func (r *rows) publishAll(m *ring, times int) func() {
	return func() {
		all := make([]natsjs.PubAckFuture, times)
		for i := range all {
			var err error
			all[i], err = r.js.PublishAsync("raw", m.take().Data)
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
func (r *rows) onCondition(m *ring) func() {
	ack, err := r.js.Publish(bg, "conditional", m.take().Data)
	require.NoError(r.b, err)
	return func() {
		from := m.take()
		to := &nats.Msg{Subject: "conditional", Header: nats.Header{"Igniter-Unit": from.Header["Igniter-Unit"]}, Data: from.Data}
		ack, err = r.js.PublishMsg(bg, to, natsjs.WithExpectLastSequence(ack.Sequence))
		require.NoError(r.b, err)
	}
}

// tailed returns what publishes to a stream that the same connection reads with a consumer, as a log reads its own.
func (r *rows) tailed(m *ring) func() {
	c, err := r.js.OrderedConsumer(bg, "tailed", natsjs.OrderedConsumerConfig{})
	require.NoError(r.b, err)
	reading, err := c.Consume(func(natsjs.Msg) {})
	require.NoError(r.b, err)
	r.b.Cleanup(reading.Stop)
	return func() {
		_, err := r.js.Publish(bg, "tailed", m.take().Data)
		require.NoError(r.b, err)
	}
}

// consume returns the number of messages per second that a consumer gets from the beginning of a stream through a sequence.
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

// replays returns the number of facts per second of a replay from the beginning through a seq.
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
	for _, name := range []string{"raw", "conditional", "tailed"} {
		_, err := r.js.CreateStream(bg, natsjs.StreamConfig{Name: name, Subjects: []string{name}, Replicas: servers})
		require.NoError(b, err)
	}
	r.log = r.open("bench")
	lone, hundred := r.units(100, 1), r.units(20, 100)

	r.row("a lone writer", "facts/s",
		figures.Way{Name: "igniter", Turn: figures.Rate(1, 1, r.write(r.log, 1))},
		figures.Way{Name: "`Publish`", Turn: figures.Rate(1, 1, r.publish(lone))},
		figures.Way{Name: "`Publish` with the header, after an expected sequence", Turn: figures.Rate(1, 1, r.onCondition(lone))},
		figures.Way{Name: "`Publish` to a stream that the connection reads", Turn: figures.Rate(1, 1, r.tailed(lone))})
	for _, n := range []int{16, 64} {
		r.row(fmt.Sprint(n, " goroutines"), "facts/s",
			figures.Way{Name: "igniter", Turn: figures.Rate(n, 1, r.write(r.log, 1))},
			figures.Way{Name: fmt.Sprint("`Publish` by ", n), Turn: figures.Rate(n, 1, r.publish(lone))})
	}
	for _, c := range []struct {
		goroutines int
		name, more string
	}{{1, "one goroutine", ""}, {32, "32 goroutines", ", by 32"}} {
		n := c.goroutines
		r.row("batches of 100, "+c.name, "facts/s",
			figures.Way{Name: "igniter", Turn: figures.Rate(n, 100, r.write(r.log, 100))},
			figures.Way{Name: "100 `PublishAsync`, then their answers" + c.more, Turn: figures.Rate(n, 100, r.publishAll(lone, 100))},
			figures.Way{Name: "`Publish` of the log's message with 100 facts" + c.more, Turn: figures.Rate(n, 100, r.publish(hundred))})
	}
	r.replay(lone)
	r.latency(lone)
	r.fair()
}

func (r *rows) replay(m *ring) {
	const batches, each = 100, 100
	l := r.open("replayed")
	ones, err := r.js.CreateStream(bg, natsjs.StreamConfig{Name: "ones", Subjects: []string{"ones"}, Replicas: r.replicas})
	require.NoError(r.b, err)
	for range batches {
		r.write(l, each)()
		for range each {
			_, err := r.js.PublishAsync("ones", m.take().Data)
			require.NoError(r.b, err)
		}
		<-r.js.PublishAsyncComplete()
	}
	info, err := ones.Info(bg)
	require.NoError(r.b, err)
	require.Equal(r.b, uint64(batches*each), info.State.LastSeq)
	r.row("replay, of units of 100", "facts/s",
		figures.Way{Name: "igniter", Turn: r.replays(l, batches*each)},
		figures.Way{Name: "an ordered consumer of the same messages, not decoded", Turn: r.consume("IGNITER_replayed", batches, each)},
		figures.Way{Name: "an ordered consumer of a message for each fact", Turn: r.consume("ones", batches*each, 1)})
}

// latency measures from a write until a follower in the place of another process has it.
func (r *rows) latency(m *ring) {
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
	r.row("from a write to a follower in another process, µs", "µs",
		figures.Way{Name: "igniter", Turn: figures.Latency(after(r.write(writer, 1), seen))},
		figures.Way{Name: "from `Publish` to a consumer at another connection, µs", Turn: figures.Latency(after(r.publish(m), messages))})
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
		var least, waits []string
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
			few, many, wait := counts[0].Load(), int64(0), int64(0)
			for i := range counts {
				few, many, wait = min(few, counts[i].Load()), max(many, counts[i].Load()), max(wait, longest[i].Load())
				fmt.Fprintf(&text, "  %d facts, longest wait %.0f ms;", counts[i].Load(), time.Duration(longest[i].Load()).Seconds()*1000)
			}
			least, waits = append(least, fmt.Sprint(few*100/max(many, 1))), append(waits, fmt.Sprint(time.Duration(wait).Milliseconds()))
		}
		b.ReportMetric(0, "ns/op")
		b.Log(text.String())
		r.table.shares += fmt.Sprintf("three writers, %s: the least wrote %s percent of the most, the longest waits were %s ms\n",
			r.table.Columns[r.column], strings.Join(least, ", "), strings.Join(waits, ", "))
	})
}
