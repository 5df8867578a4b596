// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/wire"
)

// Here a server follows a script of the test, so that the client gets streams that our server never sends.

// A part is the script of one connection: the server answers hello, reads a request, sends bodies as frames and then closes
// the connection.
type part struct {
	stores []string // that the client may read; nil: all
	bodies [][]byte
	stays  bool // it does not close the connection
}

// A scriptedServer plays its parts one after the other, and repeats the last one.
type scriptedServer struct {
	client backend.Log

	mu     sync.Mutex
	conns  int
	parts  []part
	ranges []backend.Range // that were asked for
}

// play starts a server and a client of it.
func play(t testing.TB, parts ...part) *scriptedServer {
	s := &scriptedServer{parts: append([]part{{stays: true}}, parts...)} // the first connection is for calls
	s.client = connect(t, hasty(network.Options{Address: accept(t, s.serve)}))
	return s
}

func (s *scriptedServer) serve(nc net.Conn) {
	s.mu.Lock()
	p := s.parts[min(s.conns, len(s.parts)-1)]
	s.conns++
	s.mu.Unlock()
	in := wire.NewReader(nc, 0)
	send := func(body []byte) bool { _, err := nc.Write(wire.AppendFrame(nil, body)); return err == nil }
	hello := protocol.HelloReply{Protocol: 2, MaxFrame: wire.DefaultMaxFrame, Features: protocol.Features{Stores: p.stores}}
	if _, err := in.Next(); err != nil || !send(protocol.AppendHelloReply(nil, hello, nil)) {
		return
	}
	body, err := in.Next()
	if err != nil {
		return
	}
	r := protocol.ParseRequest(body)
	asked, err := r.Range()
	if err != nil {
		send(protocol.AppendError(nil, err, nil))
		return
	}
	s.mu.Lock()
	s.ranges = append(s.ranges, asked)
	s.mu.Unlock()
	for _, body := range p.bodies {
		if !send(body) {
			return
		}
	}
	if p.stays {
		_, _ = io.Copy(io.Discard, nc)
	}
}

func (s *scriptedServer) asked() []backend.Range {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ranges)
}

var (
	begins    = protocol.AppendStream(nil, after(1<<40).After, nil, nil) // with a first page that is not empty
	through   = func(seq uint64) []byte { return protocol.AppendHeartbeat(nil, seq, nil) }
	endsWith  = func(seq uint64) []byte { return protocol.AppendEnd(nil, seq) }
	failsWith = func(err error) []byte { return protocol.AppendError(nil, err, nil) }
)

// group returns the body of a frame with the facts at some seqs, which are one batch.
func group(seqs ...int) []byte {
	var facts []backend.Fact
	for _, seq := range seqs {
		f := numbered(seq)
		f.Seq = uint64(seq)
		facts = append(facts, f)
	}
	return wire.AppendGroup(nil, facts)
}

// A told has the results of a loop.
type told struct {
	seqs    []uint64
	through uint64
	err     error
}

// tell runs a loop until a page's Through reaches a seq; 0: to its end.
func tell(t testing.TB, loop iter.Seq2[backend.Page, error], until uint64) (x told) {
	pages := 0
	for p, err := range checked(loop) {
		if x.err = err; err != nil {
			return x
		}
		for _, f := range p.Facts {
			x.seqs = append(x.seqs, f.Seq)
		}
		x.through = p.Through.Seq
		if pages++; until > 0 && x.through >= until {
			break
		}
	}
	require.NotZero(t, pages, "a loop without an error yields a page")
	return x
}

// framesOf makes pages of a loop in frames, so that tests treat both alike.
func framesOf(t testing.TB, loop iter.Seq2[wire.Frames, error]) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for f, err := range loop {
			p := backend.Page{Through: f.Through, Horizons: f.Horizons}
			for rest := bytes.Clone(f.Bytes); len(rest) > 0; {
				var body []byte
				body, rest, _ = wire.CutFrame(rest)
				var parseErr error
				p.Facts, parseErr = wire.ParseGroup(p.Facts, body)
				require.NoError(t, parseErr)
			}
			require.Len(t, p.Facts, f.Facts)
			if !yield(p, err) {
				return
			}
		}
	}
}

// ways are the names of the four ways to read a log.
var ways = []string{"Replay", "Follow", "ReplayFrames", "FollowFrames"}

// readers returns the ways to read a log.
func readers(t testing.TB, c backend.Log) map[string]func(context.Context, backend.Range) iter.Seq2[backend.Page, error] {
	return map[string]func(context.Context, backend.Range) iter.Seq2[backend.Page, error]{
		"Replay": c.Replay, "Follow": c.Follow,
		"ReplayFrames": func(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
			return framesOf(t, c.(wire.Framer).ReplayFrames(ctx, r))
		},
		"FollowFrames": func(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
			return framesOf(t, c.(wire.Framer).FollowFrames(ctx, r))
		},
	}
}

// TestStreams reads streams in all four ways, and checks the results.
func TestStreams(t *testing.T) {
	t.Parallel()
	ok := func(bodies ...[]byte) part { return part{bodies: append([][]byte{begins}, bodies...)} }
	for name, c := range map[string]struct {
		parts []part
		r     backend.Range
		want  told
		asked []uint64 // after which seqs the client asked
	}{
		"to the end":                        {[]part{ok(group(1), group(2, 3), endsWith(3))}, after(0), told{seqs: []uint64{1, 2, 3}, through: 3}, []uint64{0}},
		"the end is further than the facts": {[]part{ok(group(1), endsWith(9))}, after(0), told{seqs: []uint64{1}, through: 9}, []uint64{0}},
		"nothing":                           {[]part{ok(endsWith(5))}, after(5), told{through: 5}, []uint64{5}},
		"nothing of these stores":           {[]part{ok(through(7), endsWith(7))}, after(5, "x"), told{through: 7}, []uint64{5}},
		"the last seq is sent twice":        {[]part{ok(group(1, 2), through(2), endsWith(2))}, after(0), told{seqs: []uint64{1, 2}, through: 2}, []uint64{0}},

		"cut between batches": {[]part{ok(group(1, 2)), ok(group(3), endsWith(3))}, after(0), told{seqs: []uint64{1, 2, 3}, through: 3}, []uint64{0, 2}},
		"cut after progress":  {[]part{ok(group(1), through(6)), ok(group(7), endsWith(7))}, after(0, "s"), told{seqs: []uint64{1, 7}, through: 7}, []uint64{0, 6}},
		"cut before anything": {[]part{{}, ok(), ok(endsWith(0))}, after(0), told{}, []uint64{0, 0, 0}},
		"cut at the end":      {[]part{ok(group(1, 2)), ok(endsWith(2))}, after(0), told{seqs: []uint64{1, 2}, through: 2}, []uint64{0, 2}},
		"it shuts down":       {[]part{ok(group(1), failsWith(backend.ErrUnavailable)), ok(endsWith(1))}, after(0), told{seqs: []uint64{1}, through: 1}, []uint64{0, 1}},

		"no facts":            {[]part{ok(group(1), []byte(`{"seq":x}`))}, after(0), told{seqs: []uint64{1}, through: 1, err: backend.ErrCorrupt}, []uint64{0}},
		"no group":            {[]part{ok(group(1), []byte("[\n"))}, after(0), told{seqs: []uint64{1}, through: 1, err: backend.ErrCorrupt}, []uint64{0}},
		"facts again":         {[]part{ok(group(1, 2), group(2, 3))}, after(0), told{seqs: []uint64{1, 2}, through: 2, err: backend.ErrCorrupt}, []uint64{0}},
		"facts from before":   {[]part{ok(group(5))}, after(5), told{err: backend.ErrCorrupt}, []uint64{5}},
		"facts after Through": {[]part{ok(through(4), group(4))}, after(0), told{through: 4, err: backend.ErrCorrupt}, []uint64{0}},
		"no control frame":    {[]part{ok(group(1), []byte(`7`))}, after(0), told{seqs: []uint64{1}, through: 1, err: backend.ErrInvalid}, []uint64{0}},

		"Through":                    {[]part{ok(group(1, 2), group(3), endsWith(3))}, backend.Range{Through: 3}, told{seqs: []uint64{1, 2, 3}, through: 3}, []uint64{0}},
		"the end is beyond Through":  {[]part{ok(group(1), endsWith(8))}, backend.Range{Through: 3}, told{seqs: []uint64{1}, through: 3}, []uint64{0}},
		"progress is beyond Through": {[]part{ok(group(1), through(8))}, backend.Range{Through: 3}, told{seqs: []uint64{1}, through: 3}, []uint64{0}},
		"facts beyond Through":       {[]part{ok(group(1), group(3, 4))}, backend.Range{Through: 3}, told{seqs: []uint64{1}, through: 1, err: backend.ErrCorrupt}, []uint64{0}},

		"diverged":           {[]part{{bodies: [][]byte{failsWith(&backend.DivergedError{Cursor: after(9).After, Common: 4})}}}, after(9), told{err: backend.ErrDiverged}, []uint64{9}},
		"diverged meanwhile": {[]part{ok(group(1)), {bodies: [][]byte{failsWith(&backend.DivergedError{Cursor: after(1).After})}}}, after(0), told{seqs: []uint64{1}, through: 1, err: backend.ErrDiverged}, []uint64{0, 1}},
		"forbidden":          {[]part{{bodies: [][]byte{failsWith(backend.ErrForbidden)}}}, after(0, "x"), told{err: backend.ErrForbidden}, []uint64{0}},
		"failed":             {[]part{ok(group(1), failsWith(backend.ErrFailed))}, after(0), told{seqs: []uint64{1}, through: 1, err: backend.ErrFailed}, []uint64{0}},

		"access changes":               {[]part{ok(group(1), failsWith(backend.ErrAccessChanged))}, after(0), told{seqs: []uint64{1}, through: 1, err: backend.ErrAccessChanged}, []uint64{0}},
		"access changes meanwhile":     {[]part{{bodies: [][]byte{begins, group(1)}, stores: []string{"s"}}, {stores: []string{"s", "t"}}}, after(0), told{seqs: []uint64{1}, through: 1, err: backend.ErrAccessChanged}, []uint64{0}},
		"access to all meanwhile":      {[]part{{bodies: [][]byte{begins, group(1)}, stores: []string{}}, {}}, after(0), told{seqs: []uint64{1}, through: 1, err: backend.ErrAccessChanged}, []uint64{0}},
		"access to none meanwhile":     {[]part{ok(group(1)), {stores: []string{}}}, after(0), told{seqs: []uint64{1}, through: 1, err: backend.ErrAccessChanged}, []uint64{0}},
		"access is the same meanwhile": {[]part{{bodies: [][]byte{begins, group(1)}, stores: []string{"s"}}, {bodies: [][]byte{begins, endsWith(4)}, stores: []string{"s"}}}, after(0), told{seqs: []uint64{1}, through: 4}, []uint64{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, way := range ways {
				s := play(t, c.parts...)
				got := tell(t, readers(t, s.client)[way](t.Context(), c.r), 0)
				if c.want.err == nil {
					require.NoError(t, got.err, way)
				} else {
					require.ErrorIs(t, got.err, c.want.err, way)
				}
				require.Equal(t, c.want.seqs, got.seqs, way)
				require.Equal(t, c.want.through, got.through, way)
				var asked []uint64
				for _, r := range s.asked() {
					asked = append(asked, r.After.Seq)
					r.After = c.r.After
					require.Equal(t, c.r, r, way)
				}
				require.Equal(t, c.asked, asked, way)
			}
		})
	}
}

// TestRanges reads parts of a log in all four ways, over both versions of the protocol. Frames come as the log has them.
func TestRanges(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{})
	var log []backend.Fact
	for n := 1; n <= 9; n += 3 {
		b := batchOf(n, n+2)
		b[1].Store = "other"
		facts, err := write(t.Context(), s.log, b...)
		require.NoError(t, err)
		log = append(log, facts...)
	}
	for version, c := range map[int]backend.Log{1: connect(t, startOld(t, s.options.Address).through(s.options)), 2: connect(t, s.options)} {
		for way, read := range readers(t, c) {
			for seq := range uint64(10) {
				for through := range uint64(11) {
					if through == 0 && strings.HasPrefix(way, "Follow") || through > 9 && strings.HasPrefix(way, "Follow") {
						continue // it goes on
					}
					stores := [][]string{nil, {}, {"s"}, {"other", "none"}}[(seq+3*through)%4] // each with many borders
					r := backend.Range{After: backend.Cursor{Seq: seq}, Through: through, Stores: stores}
					want := told{through: 9}
					if through > 0 {
						want.through = max(seq, min(through, 9))
					}
					for _, f := range log {
						if f.Seq > seq && f.Seq <= want.through && r.Has(f.Store) {
							want.seqs = append(want.seqs, f.Seq)
						}
					}
					require.Equal(t, want, tell(t, read(t.Context(), r), 0), "version %d: %s of %v", version, way, r)
				}
			}
			err := tell(t, read(t.Context(), after(10)), 0).err
			diverged, ok := errors.AsType[*backend.DivergedError](err)
			require.True(t, ok, err)
			require.Equal(t, backend.DivergedError{Cursor: after(10).After, Log: diverged.Log, Common: 9}, *diverged)
		}
	}
	var want, got []byte
	for f, err := range s.log.(wire.Framer).ReplayFrames(t.Context(), after(0)) {
		require.NoError(t, err)
		want = append(want, f.Bytes...)
	}
	for f, err := range connect(t, s.options).(wire.Framer).ReplayFrames(t.Context(), after(0)) {
		require.NoError(t, err)
		got = append(got, f.Bytes...)
	}
	require.Equal(t, string(want), string(got))
}

// TestUnreadableFact reads a frame that looks like a fact but is not one: the facts before it come in a page before the
// error.
func TestUnreadableFact(t *testing.T) {
	t.Parallel()
	s := play(t, part{bodies: [][]byte{begins, group(1, 2), []byte(`{"seq":3,"id":7}`), endsWith(3)}})
	got := tell(t, s.client.Replay(t.Context(), after(0)), 0)
	require.ErrorIs(t, got.err, backend.ErrCorrupt)
	require.Equal(t, []uint64{1, 2}, got.seqs)
	require.Equal(t, uint64(2), got.through)
}

// TestFirstPage follows a log that has nothing after the cursor: the first page comes at once, and progress comes
// when the server tells it.
func TestFirstPage(t *testing.T) {
	t.Parallel()
	s := play(t, part{bodies: [][]byte{protocol.AppendStream(nil, after(5).After, nil, nil)}, stays: true})
	for p, err := range s.client.Follow(t.Context(), after(5)) {
		require.NoError(t, err)
		require.Equal(t, backend.Page{Through: after(5).After}, p)
		break
	}
	s = play(t, part{bodies: [][]byte{protocol.AppendStream(nil, after(5).After, nil, nil), through(5), through(5), through(8), through(8)}, stays: true})
	require.Equal(t, told{through: 8}, tell(t, s.client.Follow(t.Context(), after(5)), 8))
}

// TestStoresAsked checks that the client asks the server for all stores, none, or some.
func TestStoresAsked(t *testing.T) {
	t.Parallel()
	for _, stores := range [][]string{nil, {}, {"a"}, {"b", "a", ""}} {
		s := play(t, part{bodies: [][]byte{begins, endsWith(0)}})
		for way, read := range readers(t, s.client) {
			require.NoError(t, tell(t, read(t.Context(), backend.Range{Stores: stores}), 0).err, way)
		}
		for _, r := range s.asked() {
			require.Equal(t, stores, r.Stores)
		}
		err := tell(t, s.client.Replay(t.Context(), after(0, "a", "*")), 0).err
		require.ErrorIs(t, err, backend.ErrInvalid, "it would be all stores")
	}
}

// TestHorizonsToldOnce breaks a stream off: the next stream has all horizons again, but the loop yields only changed ones.
func TestHorizonsToldOnce(t *testing.T) {
	t.Parallel()
	type horizons = map[string]backend.Horizon
	old, news := horizons{"a": {Seq: 1}, "b": {Seq: 1}}, horizons{"a": {Seq: 2}}
	s := play(t,
		part{bodies: [][]byte{protocol.AppendStream(nil, after(0).After, old, nil), group(1), protocol.AppendHeartbeat(nil, 1, news), group(3)}},
		part{bodies: [][]byte{protocol.AppendStream(nil, after(3).After, horizons{"a": {Seq: 2}, "b": {Seq: 1}}, nil), through(4)}, stays: true})
	var got []horizons
	for p, err := range s.client.Follow(t.Context(), backend.Range{}) {
		require.NoError(t, err)
		if p.Horizons != nil {
			got = append(got, p.Horizons)
		}
		if p.Through.Seq >= 4 {
			break
		}
	}
	all := horizons{}
	for _, h := range got {
		for store, horizon := range h {
			require.NotEqual(t, all[store], horizon, "it was told")
			all[store] = horizon
		}
	}
	require.Equal(t, horizons{"a": {Seq: 2}, "b": {Seq: 1}}, all)
}
