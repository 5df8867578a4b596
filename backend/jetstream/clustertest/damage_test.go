// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
)

// wantLost fails the test unless writes, loops and Stats of a log all report a loss, in the given words.
func wantLost(t *testing.T, l backend.Log, target error, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*waitFor)
	defer cancel()
	var err error
	for n := 0; err == nil; n++ { // until the process checks the end of the log
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

// TestRecreated recreates the stream under a writer and a waiting follower. Both report that it is another log.
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
	require.NoError(t, first.Close()) // writes the witness
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
		known string // the error of an earlier process; "": it does not notice
	}{
		"inside": {3, "seq 3 to 3, at position 3, were taken away: seq 2 is followed by seq 4", ""},
		"last":   {5, "ends with seq 4, at position 4", "(facts through|facts from) seq [5-9][0-9]*"},
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
			if c.known != "" { // the process has written the witness, and checks the same unit again later
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

// TestForeign publishes foreign messages on each subject: without a header, with only a header, and with a plausible
// header.
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
			if name != "a part" { // each check of the log's end waits for the rest of a part
				_, err = jetstream.Open(t.Context(), jetstream.Options{URL: url, Log: log, Replicas: 1})
				require.ErrorIs(t, err, backend.ErrCorrupt)
			}
		})
	}
}

// TestChanged changes the stream under a process. After a reconnect the log takes no writes, and its errors say why, until
// the stream is changed back.
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

// TestConfiguration: streams that may lose messages are refused, also after a reconnect.
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
	other := open(t, url, log+"-kept")
	put(t, other, "a")
	require.NoError(t, other.Close())
	s, err = js.Stream(t.Context(), "IGNITER_"+log+"-kept")
	require.NoError(t, err)
	kept := s.CachedInfo().Config
	kept.DenyDelete = true // which no update takes back
	_, err = js.UpdateStream(t.Context(), kept)
	require.NoError(t, err)
	_, err = jetstream.Open(t.Context(), jetstream.Options{URL: url, Log: log + "-kept"})
	require.ErrorContains(t, err, "deny_delete")
	left, err := jetstream.Open(t.Context(), jetstream.Options{URL: url, Log: log + "-kept", Salvage: true})
	require.NoError(t, err)
	facts, err := replay(t, left)
	require.NoError(t, err)
	require.Len(t, facts, 1)
	require.NoError(t, left.Close())
	for _, o := range []jetstream.Options{{URL: url, Log: log, Replicas: 3}, {URL: url, Log: "none" + log, MustExist: true}, {URL: url, Log: "a.b"}, {Log: log}, {URL: url, Log: log, Replicas: 2}} {
		_, err = jetstream.Open(t.Context(), o)
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
}

// TestConnectionCut loses answers of the server to every kind of call, by cutting the connection while facts are written.
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
