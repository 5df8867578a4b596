// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
)

// wantLost fails the test unless writes, loops and Stats of a log all report a loss, with the words.
func wantLost(t *testing.T, l backend.Log, target error, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitFor)
	defer cancel()
	var err error
	for n := 0; err == nil; n++ { // until the process looks at the end of the log
		_, err = l.WriteFact(ctx, factOf(fmt.Sprint("after the loss ", n)))
	}
	require.ErrorIs(t, err, target)
	require.Regexp(t, words, err.Error())
	for _, loop := range []func(context.Context, backend.Range) func(func(backend.Page, error) bool){
		func(ctx context.Context, r backend.Range) func(func(backend.Page, error) bool) {
			return l.Replay(ctx, r)
		},
		func(ctx context.Context, r backend.Range) func(func(backend.Page, error) bool) {
			return l.Follow(ctx, r)
		},
	} {
		var last error
		for _, last = range loop(ctx, backend.Range{}) {
		}
		require.ErrorIs(t, last, target)
	}
	_, err = l.Stats(ctx)
	require.ErrorIs(t, err, target)
}

// TestRecreated recreates the stream under a writer and a follower that waits. Both say that it is another log.
func TestRecreated(t *testing.T) {
	t.Parallel()
	url, log := one(), nameOf(t.Name())
	writer, follower := open(t, url, log), open(t, url, log)
	defer writer.Close()
	defer follower.Close()
	for _, id := range []string{"a", "b", "c"} {
		put(t, writer, id)
	}
	followed, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for p, err := range follower.Follow(context.Background(), backend.Range{}) {
			if err != nil {
				ended <- err
			} else if p.Through.Seq == 3 {
				close(followed)
			}
		}
	}()
	<-followed
	first := open(t, url, log)
	require.NoError(t, first.Close()) // which writes the witness
	_, js := connect(t, url)
	require.NoError(t, js.DeleteStream(t.Context(), "IGNITER_"+log))
	_, err := jetstream.Open(t.Context(), jetstream.Options{URL: url, Log: log, Replicas: 1})
	require.ErrorIs(t, err, backend.ErrCorrupt, "the witness knows that there was a log")
	require.ErrorContains(t, err, "with facts through seq 3, and now there is another one")
	require.NoError(t, js.DeleteKeyValue(t.Context(), "IGNITER_"+log))
	other := open(t, url, log)
	defer other.Close()
	for _, id := range []string{"x", "y", "z"} { // so that it ends at the same sequence
		put(t, other, id)
	}
	wantLost(t, writer, backend.ErrDiverged, "cursor 3@")
	require.ErrorIs(t, <-ended, backend.ErrDiverged)
	wantLost(t, follower, backend.ErrDiverged, "cursor 3@")
	facts, err := replay(t, other)
	require.NoError(t, err)
	require.Len(t, facts, 3, "nothing came from those who knew the old log")
}

// TestPurged deletes messages by force.
func TestPurged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at    uint64
		words string
		known string // what a process says that was there before; "": it does not know
	}{
		"inside": {3, "seq 3 to 3, at position 3, were taken away: seq 2 is followed by seq 4", ""},
		"last":   {5, "ends with 4", "(facts through|facts from) seq [5-9][0-9]*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, log := one(), nameOf(t.Name())
			l := open(t, url, log)
			defer l.Close()
			for _, id := range []string{"a", "b", "c", "d", "e"} {
				put(t, l, id)
			}
			_, js := connect(t, url)
			s, err := js.Stream(t.Context(), "IGNITER_"+log)
			require.NoError(t, err)
			if c.known != "" { // the process has written the witness, and looks at the same unit again later
				require.Eventually(t, func() bool {
					kv, err := js.KeyValue(t.Context(), "IGNITER_"+log)
					if err == nil {
						_, err = kv.Get(t.Context(), "head")
					}
					return err == nil
				}, waitFor, 10*time.Millisecond)
			}
			require.NoError(t, s.DeleteMsg(t.Context(), c.at))
			_, err = jetstream.Open(t.Context(), jetstream.Options{URL: url, Log: log, Replicas: 1})
			require.ErrorIs(t, err, backend.ErrCorrupt)
			require.ErrorContains(t, err, c.words)
			if c.known != "" {
				wantLost(t, l, backend.ErrCorrupt, c.known)
			}
		})
	}
}

// TestForeign publishes messages that are not a log's: without a header, with nothing but one, with one that looks right, on
// each subject.
func TestForeign(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		subject string
		header  nats.Header
		body    string
	}{
		"no header":          {"f", nil, "{}"},
		"nothing":            {"n", nil, ""},
		"a bare header":      {"f", nats.Header{"Igniter-Unit": {""}}, ""},
		"another header":     {"i", nats.Header{"Igniter-Part": {"1/1"}}, "{}"},
		"a part":             {"f", nats.Header{"Igniter-Part": {"1/2"}, "Igniter-Unit": {"1 x"}}, "{}"},
		"a known header":     {"m", nats.Header{"Igniter-Unit": {"1 01020300-0000-0000-0000-000000000000 7 9 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA APHdX3I3xRcgEJ8og8Le93TDiOdhttY5S3pqQFOI89c"}}, "{}"},
		"an unknown subject": {"zz", nil, "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, log := one(), nameOf(t.Name())
			l := open(t, url, log)
			defer l.Close()
			put(t, l, "a")
			stats, err := l.Stats(t.Context())
			require.NoError(t, err)
			nc, _ := connect(t, url)
			_, err = nc.RequestMsg(&nats.Msg{Subject: "igniter." + log + "." + stats.Log.String() + "." + c.subject, Header: c.header, Data: []byte(c.body)}, waitFor)
			require.NoError(t, err)
			wantLost(t, l, backend.ErrCorrupt, "after seq 1(: position 2 holds no unit of this log: another program may publish there|, at position 2, were taken away|: position 2, seqs 7 to 9: the bytes are not what was written)")
			if name != "a part" { // for whose rest each look at the log's end waits
				_, err = jetstream.Open(t.Context(), jetstream.Options{URL: url, Log: log, Replicas: 1})
				require.ErrorIs(t, err, backend.ErrCorrupt)
			}
		})
	}
}

// TestChanged changes the stream under a process. Once it connects again it takes no more writes, and says why, until the stream is changed
// back.
func TestChanged(t *testing.T) {
	t.Parallel()
	p, log := newProxy(t, one()), nameOf(t.Name())
	l, err := jetstream.Open(t.Context(), jetstream.Options{URL: p.url(), Log: log, Replicas: 1})
	require.NoError(t, err)
	defer l.Close()
	put(t, l, "a")
	_, js := connect(t, one())
	s, err := js.Stream(t.Context(), "IGNITER_"+log)
	require.NoError(t, err)
	bad := s.CachedInfo().Config
	good := bad
	bad.MaxAge = time.Hour
	_, err = js.UpdateStream(t.Context(), bad)
	require.NoError(t, err)
	p.cut()
	var invalid *backend.InvalidError
	require.Eventually(t, func() bool {
		_, err := l.WriteFact(t.Context(), factOf("b"))
		return errors.As(err, &invalid)
	}, waitFor, time.Millisecond)
	require.Equal(t, "max_age", invalid.Field)
	_, err = js.UpdateStream(t.Context(), good)
	require.NoError(t, err)
	put(t, l, "c")
	facts, err := replay(t, l)
	require.NoError(t, err)
	require.Equal(t, "c", facts[len(facts)-1].ID)
}

// TestConfiguration refuses streams that may lose messages, also after the process connects again.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	url, log := one(), nameOf(t.Name())
	l := open(t, url, log)
	put(t, l, "a")
	require.NoError(t, l.Close())
	_, js := connect(t, url)
	s, err := js.Stream(t.Context(), "IGNITER_"+log)
	require.NoError(t, err)
	good := s.CachedInfo().Config
	for field, change := range map[string]func(*natsjs.StreamConfig){
		"max_msgs":     func(c *natsjs.StreamConfig) { c.MaxMsgs = 10 },
		"max_age":      func(c *natsjs.StreamConfig) { c.MaxAge = time.Hour },
		"allow_direct": func(c *natsjs.StreamConfig) { c.AllowDirect = true },
		"discard":      func(c *natsjs.StreamConfig) { c.Discard = natsjs.DiscardOld },
		"allow_atomic": func(c *natsjs.StreamConfig) { c.AllowAtomicPublish = false },
	} {
		bad := good
		change(&bad)
		_, err := js.UpdateStream(t.Context(), bad)
		require.NoError(t, err, field)
		_, err = jetstream.Open(t.Context(), jetstream.Options{URL: url, Log: log})
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid, field)
		require.Equal(t, field, invalid.Field)
	}
	_, err = js.UpdateStream(t.Context(), good)
	require.NoError(t, err)
	for _, o := range []jetstream.Options{{URL: url, Log: log, Replicas: 3}, {URL: url, Log: "none" + log, MustExist: true}, {URL: url, Log: "a.b"}, {Log: log}, {URL: url, Log: log, Replicas: 2}} {
		_, err = jetstream.Open(t.Context(), o)
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
}

// harms are ways in which a disk changes a block of a stream. A server that starts again looks at the last block alone.
var harms = map[string]func(t *testing.T, block string){
	"flipped":     flip,
	flippedBefore: flip,
	"cut": func(t *testing.T, block string) {
		info, err := os.Stat(block)
		require.NoError(t, err)
		require.NoError(t, os.Truncate(block, info.Size()/2))
	},
	"removed": func(t *testing.T, block string) { require.NoError(t, os.Remove(block)) },
}

// flippedBefore harms a block that is not the last one.
const flippedBefore = "flipped before the last block"

func flip(t *testing.T, block string) {
	data, err := os.ReadFile(block)
	require.NoError(t, err)
	at := bytes.Index(data, []byte(`"value":{"n":1}`))
	require.Positive(t, at)
	data[at+9] ^= 4
	require.NoError(t, os.WriteFile(block, data, 0o600))
}

// blocksOf returns the paths of the blocks that a server has of a log's stream.
func blocksOf(t *testing.T, dir, log string) []string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "IGNITER_"+log, "msgs", "*.blk"))
	require.NoError(t, err)
	require.NotEmpty(t, blocks)
	return blocks
}

// harm harms the first block that a server, which is down, has of a log's stream, and removes its index of the blocks if withIndex is false.
func harm(t *testing.T, name, dir, log string, withIndex bool) {
	t.Helper()
	blocks := blocksOf(t, dir, log)
	require.Equal(t, name == flippedBefore, len(blocks) > 1)
	first := filepath.Join(filepath.Dir(blocks[0]), "1.blk")
	harms[name](t, first)
	if !withIndex {
		_ = os.Remove(filepath.Join(filepath.Dir(first), "index.db"))
	}
}

// fill writes 20 facts, and others after them that take more than a block if the harm needs it.
func fill(t *testing.T, l backend.Log, name string) (all []backend.Fact) {
	for i := range 20 {
		all = append(all, put(t, l, string(rune('a'+i))))
	}
	for i := 0; i < 9 && name == flippedBefore; i++ { // a block has 8 MiB
		f, err := l.WriteFact(t.Context(), sized(fmt.Sprint("large ", i), 1000<<10))
		require.NoError(t, err)
		all = append(all, f)
	}
	return all
}

// TestDisk harms the only copy of the stream while the server is down. A process that opens the log, and a process that was there
// before, say so.
func TestDisk(t *testing.T) {
	t.Parallel()
	for name := range harms {
		for _, index := range []bool{true, false} {
			label := name
			if !index {
				label += ", without the index"
			}
			t.Run(label, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				s := startServer(t, dir, nil)
				log := "harmed"
				l := open(t, s.ClientURL(), log)
				defer l.Close()
				want := fill(t, l, name)
				require.NoError(t, open(t, s.ClientURL(), log).Close()) // which writes the witness
				port := s.Addr()
				stopServer(s)
				harm(t, name, dir, log, index)
				s = restart(t, dir, port)
				defer func() { stopServer(s) }()

				opened, err := jetstream.Open(t.Context(), jetstream.Options{URL: s.ClientURL(), Log: log, Replicas: 1})
				require.Nil(t, opened)
				require.ErrorIs(t, err, backend.ErrCorrupt)
				t.Logf("a new process: %v", err)
				if name == "cut" || name == "removed" {
					left, err := jetstream.Open(t.Context(), jetstream.Options{URL: s.ClientURL(), Log: log, Salvage: true})
					require.NoError(t, err)
					facts, err := replay(t, left)
					require.NoError(t, err)
					require.Equal(t, want[:len(facts)], append([]backend.Fact{}, facts...))
					_, err = left.WriteFact(t.Context(), factOf("x"))
					require.ErrorIs(t, err, backend.ErrForbidden)
					require.NoError(t, left.Close())
				}
				wantLost(t, l, backend.ErrCorrupt, "seqs? [0-9]+")
			})
		}
	}
}

// TestClusterDisk harms the copy that one server of three has while that server is down, and then makes it the leader. A process that opens
// the log, and a writer and a follower that were there before, have all facts, or say that some were taken away. Without that server all
// facts are there, and it gets them again once its copy was removed.
func TestClusterDisk(t *testing.T) {
	if os.Getenv("IGNITER_SOAK") == "" {
		t.Skip("a minute of elections, which a busy machine does not hold in time: set IGNITER_SOAK=1")
	}
	t.Parallel()
	c := startCluster(t)
	const victim = 0
	type copied struct {
		log              string
		writer, follower backend.Log
		want             []backend.Fact
	}
	all := map[string]*copied{}
	for name := range harms {
		x := &copied{log: nameOf(name)}
		x.writer, x.follower = c.open(x.log), c.open(x.log)
		defer x.writer.Close()
		defer x.follower.Close()
		x.want = fill(t, x.writer, name)
		all[name] = x
	}
	stopServer(c.servers[victim])
	for name, x := range all {
		harm(t, name, filepath.Join(c.dir, fmt.Sprint(victim)), x.log, name != "removed")
	}
	c.start(victim)
	for name, x := range all {
		c.lead(x.log, victim)
		answers := map[string]int{}
		sound := func(l backend.Log, err error) {
			facts := []backend.Fact(nil)
			if err == nil {
				facts, err = replay(t, l)
			}
			if err == nil {
				require.Equal(t, x.want, facts[:min(len(facts), len(x.want))], name)
				answers["all facts"]++
				return
			}
			require.ErrorIs(t, err, backend.ErrCorrupt)
			require.Regexp(t, "seqs? [0-9]+", err.Error())
			answers[err.Error()]++
		}
		for range 3 { // a consumer may read from any of the servers
			opened, err := c.tryOpen(x.log)
			sound(opened, err)
			if err == nil {
				require.NoError(t, opened.Close())
			}
			_, err = x.writer.WriteFact(t.Context(), factOf(backend.NewLogID().String()))
			sound(x.writer, err)
			sound(x.follower, nil)
		}
		t.Logf("%s: %v", name, answers)
	}
	stopServer(c.servers[victim])
	for name, x := range all {
		opened := c.open(x.log)
		facts, err := replay(t, opened)
		require.NoError(t, err)
		require.Equal(t, x.want, facts[:min(len(facts), len(x.want))], name)
		require.NoError(t, opened.Close())
		require.NoError(t, os.RemoveAll(filepath.Dir(blocksOf(t, filepath.Join(c.dir, fmt.Sprint(victim)), x.log)[0])))
	}
	c.start(victim)
	_, js := connect(t, c.url())
	for _, x := range all { // its copy is made again of the others
		c.lead(x.log, victim)
		s, err := js.Stream(t.Context(), "IGNITER_"+x.log)
		require.NoError(t, err)
		for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
			_, err := s.GetMsg(t.Context(), seq) // the leader answers
			require.NoError(t, err)
		}
	}
}

// TestConnectionCut loses the answers of the server, and of every kind of call, by cutting the connection while facts are
// written.
func TestConnectionCut(t *testing.T) {
	t.Parallel()
	p := newProxy(t, one())
	l, err := jetstream.Open(t.Context(), jetstream.Options{URL: p.url(), Log: nameOf(t.Name()), Replicas: 1})
	require.NoError(t, err)
	defer l.Close()
	var want []backend.Fact
	var cuts sync.WaitGroup
	for i := range 60 {
		if i%4 == 0 {
			cuts.Go(p.cut)
		}
		want = append(want, put(t, l, fmt.Sprint("f", i)))
	}
	cuts.Wait()
	got, err := replay(t, l)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
