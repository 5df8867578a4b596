// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

// A Backend is a kind of log that the model drives engines over.
type Backend struct {
	Name  string
	Place func(dir string) Place // returns a new place, which may use a directory

	Served   bool // each engine is a client of a server, with a token of its own
	Apart    bool // each engine opens the log at the place, as processes do
	Four     bool // engines see only the methods of a Backend
	Ends     bool // an open log ends if its place comes to hold another log, even one with all its facts
	Volatile bool // a restored log has no past in common with the one before, and no gaps
}

// A Place has one log.
type Place interface {
	// Open opens the log, with a clock for transaction times.
	Open(ctx context.Context, now func() time.Time) (backend.Log, error)

	// Restore puts a log with the facts of pages, through a seq, in place of the log, which the caller has closed. source
	// describes the log of the pages, which becomes an ancestor.
	Restore(ctx context.Context, source backend.Stats, pages iter.Seq2[backend.Page, error], through uint64) error

	// Close closes the log that Open returned.
	Close(log backend.Log) error

	// Remove removes what is left.
	Remove() error
}

// A clock shows the time that it was set to.
type clock struct{ nanos atomic.Int64 }

func (c *clock) now() time.Time       { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *clock) move(d time.Duration) { c.nanos.Add(int64(d)) }

// A kept is a log and a way to it for each of two engines.
type kept struct {
	Backend
	t     *rapid.T
	dir   string
	clock *clock
	place Place
	log   backend.Log
	ways  [2]backend.Backend
	skews [2]atomic.Int64 // with Apart: how far the clocks of the ways are ahead

	// With Served.
	tokens *auth.Tokens
	server *server.Server
	done   chan error
}

var tokens = [2]string{"first", "second"}

func newKept(t *rapid.T, b Backend, c *clock) *kept {
	dir, err := os.MkdirTemp("", "igniter-model")
	require.NoError(t, err)
	w := &kept{Backend: b, t: t, dir: dir, clock: c, place: b.Place(dir)}
	if w.Served {
		w.writeTokens("", nil)
		w.tokens, err = auth.LoadTokens(w.path("tokens.yaml"))
		require.NoError(t, err)
	}
	w.open()
	w.dial()
	return w
}

func (w *kept) path(name string) string { return filepath.Join(w.dir, name) }

// open opens the log, and serves it.
func (w *kept) open() {
	var err error
	w.log, err = w.place.Open(context.Background(), w.clock.now)
	require.NoError(w.t, err)
	if !w.Served {
		return
	}
	l, err := server.Listen("unix", w.path("s"))
	require.NoError(w.t, err)
	w.server, w.done = server.New(w.log, server.Options{Tokens: w.tokens, Heartbeat: 5 * time.Millisecond}), make(chan error, 1)
	go func() { w.done <- w.server.Serve(l) }()
}

// dial makes the ways to the log.
func (w *kept) dial() {
	for i := range w.ways {
		switch {
		case w.Served:
			c, err := network.Dial(context.Background(), network.Options{
				Transport: "unix", Address: w.path("s"), Token: tokens[i], MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond,
			})
			require.NoError(w.t, err)
			w.ways[i] = c
		case w.Apart:
			skew := &w.skews[i]
			l, err := w.place.Open(context.Background(), func() time.Time { return w.clock.now().Add(time.Duration(skew.Load())) })
			require.NoError(w.t, err)
			w.ways[i] = l
		case w.Four:
			w.ways[i] = struct{ backend.Backend }{w.log}
		default:
			w.ways[i] = w.log
		}
	}
}

func (w *kept) hangUp() {
	if w.Served || w.Apart {
		for _, c := range w.ways {
			require.NoError(w.t, c.Close())
		}
	}
}

// stop closes the log.
func (w *kept) stop() {
	if w.Served {
		require.NoError(w.t, errors.Join(w.server.Close(), <-w.done))
	}
	require.NoError(w.t, w.place.Close(w.log))
}

func (w *kept) close() {
	w.hangUp()
	w.stop()
	require.NoError(w.t, errors.Join(w.place.Remove(), os.RemoveAll(w.dir)))
}

// restore puts a log with the facts through a seq in place of the log. Open clients stay.
func (w *kept) restore(through uint64) {
	ctx := context.Background()
	source, err := w.log.Stats(ctx)
	require.NoError(w.t, err)
	var pages []backend.Page
	if through > 0 {
		for p, err := range w.log.Replay(ctx, backend.Range{Through: through}) {
			require.NoError(w.t, err)
			p.Through.Seq = min(p.Through.Seq, through)
			pages = append(pages, p)
		}
	}
	w.stop()
	require.NoError(w.t, w.place.Restore(ctx, source, func(yield func(backend.Page, error) bool) {
		for _, p := range pages {
			if !yield(p, nil) {
				return
			}
		}
	}, through))
	w.open()
}

// grant says which stores the second client may read; nil: all.
func (w *kept) grant(stores []string) {
	w.writeTokens("", stores)
	require.NoError(w.t, w.tokens.Reload())
}

// noToken removes the token of the second client.
func (w *kept) noToken() {
	w.writeTokens("none", nil)
	require.NoError(w.t, w.tokens.Reload())
}

func (w *kept) writeTokens(second string, stores []string) {
	if second == "" {
		second = tokens[1]
	}
	read := `["*"]`
	if stores != nil {
		read = mustJSON(stores)
	}
	text := fmt.Sprintf("- {name: first, sha256: %s, read: [\"*\"], write: [\"*\"], admin: true}\n- {name: second, sha256: %s, read: %s, write: [\"*\"], import: true}\n",
		sha256Hex(tokens[0]), sha256Hex(second), read)
	require.NoError(w.t, os.WriteFile(w.path("tokens.yaml"), []byte(text), 0o600))
}

// after returns the facts that the log holds after a seq.
func (w *kept) after(seq uint64) []backend.Fact {
	facts := []backend.Fact{}
	for f, err := range backend.Facts(w.log.Replay(context.Background(), backend.Range{After: backend.Cursor{Seq: seq}})) {
		require.NoError(w.t, err)
		facts = append(facts, f)
	}
	return facts
}

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
