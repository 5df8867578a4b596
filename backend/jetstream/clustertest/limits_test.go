// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
)

// sized returns a fact with a value of about n incompressible bytes. It is the same each time.
func sized(id string, n int) backend.Fact {
	random := rand.New(rand.NewPCG(uint64(n), 0))
	value := make([]byte, n+1)
	for i := range value {
		value[i] = "0123456789abcdef"[random.IntN(16)]
	}
	value[0], value[n] = '"', '"'
	return backend.Fact{ID: id, Store: "s", Key: "k", Value: value}
}

// TestParts writes facts and batches above a small limit of a message, to a server that takes 20 messages in a batch.
// Larger ones are backend.ErrTooLarge, and the log goes on.
func TestParts(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), func(o *server.Options) {
		o.MaxPayload, o.JetStreamLimits.MaxBatchSize = 64<<10, 20
	})
	defer stopServer(s)
	const part = 56 << 10
	l, other := open(t, s.ClientURL(), "parts"), open(t, s.ClientURL(), "parts")
	defer l.Close()
	defer other.Close()
	var want []backend.Fact
	for i, n := range []int{part / 2, part, 2*part + 7, 18 * part, 21 * part, 100, 40 * part, 19 * part} {
		f, err := l.WriteFact(t.Context(), sized(fmt.Sprint("f", i), n))
		if n > 20*part {
			require.ErrorIs(t, err, backend.ErrTooLarge, "%d bytes", n)
			continue
		}
		require.NoError(t, err, "%d bytes", n)
		want = append(want, f)
	}
	var batch []backend.Fact
	for i := range 100 {
		batch = append(batch, sized(fmt.Sprint("b", i), part/6))
	}
	w := l.Write(t.Context(), backend.Batch{Facts: batch})[0]
	require.NoError(t, w.Err)
	want = append(want, w.Facts...)
	for _, reader := range []backend.Log{l, other, open(t, s.ClientURL(), "parts")} {
		got, err := replay(t, reader)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// TestLargest writes a fact that fills a frame of 16 MiB, at the default limit of a message.
func TestLargest(t *testing.T) {
	t.Parallel()
	l, other := open(t, one(), nameOf(t.Name())), open(t, one(), nameOf(t.Name()))
	defer l.Close()
	defer other.Close()
	f, err := l.WriteFact(t.Context(), sized("large", 16<<20-1000))
	require.NoError(t, err)
	again, err := other.WriteFact(t.Context(), sized("large", 16<<20-1000))
	require.NoError(t, err)
	require.Equal(t, f, again)
	_, err = l.WriteFact(t.Context(), sized("larger", 16<<20+1))
	require.ErrorIs(t, err, backend.ErrTooLarge)
}

// TestAbandoned begins a unit of three parts and does not finish it, like a process that dies. Other processes write
// meanwhile. The late last part is refused, and no reader sees a part.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	url, log := one(), nameOf(t.Name())
	l := open(t, url, log)
	defer l.Close()
	want := []backend.Fact{put(t, l, "a")}
	stats, err := l.Stats(t.Context())
	require.NoError(t, err)
	nc, _ := connect(t, url)
	part := func(i int) []byte {
		m := &nats.Msg{Subject: "igniter." + log + "." + stats.Log.String() + ".f", Data: []byte("part"), Header: nats.Header{
			"Igniter-Unit": {"1"}, "Igniter-Part": {fmt.Sprintf("%d/3", i)}, "Nats-Batch-Id": {"abandoned"}, "Nats-Batch-Sequence": {strconv.Itoa(i)}}}
		switch i {
		case 1:
			m.Header["Nats-Expected-Last-Sequence"] = []string{"1"}
		case 3:
			m.Header["Nats-Batch-Commit"] = []string{"1"}
		}
		answer, err := nc.RequestMsg(m, waitFor)
		require.NoError(t, err)
		return answer.Data
	}
	require.Empty(t, part(1))
	require.Empty(t, part(2))
	want = append(want, put(t, l, "b"))
	require.Contains(t, string(part(3)), `"error"`)
	want = append(want, put(t, l, "c"))
	fresh := open(t, url, log)
	defer fresh.Close()
	for _, reader := range []backend.Log{l, fresh} {
		got, err := replay(t, reader)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// TestStores writes units over three stores, which loops over one of them read in part.
func TestStores(t *testing.T) {
	t.Parallel()
	url, log := one(), nameOf(t.Name())
	l, other := open(t, url, log), open(t, url, log)
	defer l.Close()
	defer other.Close()
	want := map[string][]backend.Fact{}
	last := uint64(0)
	for b := range 5 {
		batch := make([]backend.Fact, 7)
		for i := range batch {
			batch[i] = backend.Fact{ID: fmt.Sprint(b, "-", i), Store: fmt.Sprint("s", i%3), Key: "k", Value: []byte("1")}
		}
		w := l.Write(t.Context(), backend.Batch{Facts: batch})[0]
		require.NoError(t, w.Err)
		for _, f := range w.Facts {
			want[f.Store] = append(want[f.Store], f)
			last = f.Seq
		}
	}
	for store, facts := range want {
		for _, reader := range []backend.Log{l, other, open(t, url, log)} {
			r := backend.Range{Stores: []string{store}}
			var replayed, followed []backend.Fact
			for p, err := range reader.Replay(t.Context(), r) {
				require.NoError(t, err)
				replayed = append(replayed, p.Facts...)
			}
			for p, err := range reader.Follow(t.Context(), r) {
				require.NoError(t, err)
				if followed = append(followed, p.Facts...); p.Through.Seq == last {
					break
				}
			}
			require.Equal(t, facts, replayed)
			require.Equal(t, facts, followed)
		}
	}
}

// TestSameID writes the same facts from two processes at once. Each fact is in the log once, and both processes get the
// same results.
func TestSameID(t *testing.T) {
	t.Parallel()
	url, log := one(), nameOf(t.Name())
	var told [2][50]backend.Fact
	var logs [2]backend.Log
	var all sync.WaitGroup
	for i := range logs {
		logs[i] = open(t, url, log)
		defer logs[i].Close()
	}
	for i, l := range logs {
		for n := range told[i] {
			all.Go(func() {
				var err error
				if told[i][n], err = l.WriteFact(t.Context(), factOf(fmt.Sprint("f", n))); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	require.Equal(t, told[0], told[1])
	facts, err := replay(t, logs[0])
	require.NoError(t, err)
	require.Len(t, facts, len(told[0]))
}

// TestAway writes much more than the client's buffers hold while the server is down, and while all bytes are held back.
// Each fact is written once when the server is back.
func TestAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, dir, nil)
	p := newProxy(t, s.ClientURL())
	l, err := jetstream.Open(t.Context(), jetstream.Options{URL: p.url(), Log: "away", Replicas: 1})
	require.NoError(t, err)
	defer l.Close()
	put(t, l, "first")
	ids := map[string]bool{"first": true}
	burst := func(name string) (done func()) {
		var all sync.WaitGroup
		var mu sync.Mutex
		for i := range 64 {
			all.Go(func() {
				f, err := l.WriteFact(t.Context(), sized(fmt.Sprint(name, i), 256<<10))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				ids[f.ID] = true
				mu.Unlock()
			})
		}
		return all.Wait
	}
	p.hold(true)
	done := burst("held")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	_, err = l.WriteFact(ctx, factOf("gives up"))
	cancel()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	p.hold(false)
	done()

	address := s.Addr()
	stopServer(s)
	done = burst("away")
	s = restart(t, dir, address)
	defer func() { stopServer(s) }()
	done()
	facts, err := replay(t, l)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, f := range facts {
		require.False(t, seen[f.ID], f.ID)
		seen[f.ID] = true
	}
	delete(seen, "gives up") // it may have been written
	require.Equal(t, ids, seen)
}

// TestQuorum reads with marks, which readers do not see.
func TestQuorum(t *testing.T) {
	t.Parallel()
	url, log := one(), nameOf(t.Name())
	l, err := backend.Open(t.Context(), "jetstream", backend.Config{Address: url, Settings: map[string]any{"log": log, "read": "quorum", "replicas": int64(1)}})
	require.NoError(t, err)
	defer l.Close()
	other := open(t, url, log)
	defer other.Close()
	for i := range 5 {
		f := put(t, other, fmt.Sprint("f", i))
		stats, err := l.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, f.Seq, stats.LastSeq)
		facts, err := replay(t, l)
		require.NoError(t, err)
		require.Len(t, facts, i+1)
	}
	facts, err := replay(t, other)
	require.NoError(t, err)
	require.Len(t, facts, 5)
	_, js := connect(t, url)
	s, err := js.Stream(t.Context(), "IGNITER_"+log)
	require.NoError(t, err)
	require.Equal(t, uint64(15), s.CachedInfo().State.LastSeq, "five facts and ten marks")
	_, err = backend.Open(t.Context(), "jetstream", backend.Config{Address: url, Settings: map[string]any{"log": log, "read": "any"}})
	var invalid *backend.InvalidError
	require.True(t, errors.As(err, &invalid) && invalid.Field == "read", "%v", err)
}
