// SPDX-License-Identifier: Apache-2.0

package store_test

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
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

// modelBackends are the backends that the model drives engines over.
var modelBackends = []modelBackend{
	{name: "memory"},
	{name: "file, always", sync: file.SyncAlways},
	{name: "file, interval", sync: file.SyncInterval},
	{name: "file, never", sync: file.SyncNever},
	{name: "network over memory", served: true},
	{name: "network over file", sync: file.SyncNever, served: true},
	{name: "four methods", sync: file.SyncNever, four: true},
}

type modelBackend struct {
	name   string
	sync   file.Sync // "": the log is in memory, which stays open
	served bool      // each engine is a client of a server, with a token of its own
	four   bool      // the log has the methods of a Backend, and no others
}

// A modelClock is a clock that is set.
type modelClock struct{ nanos atomic.Int64 }

func (c *modelClock) now() time.Time       { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *modelClock) move(d time.Duration) { c.nanos.Add(int64(d)) }

// A modelLog is a log and a way to it for each of two engines.
type modelLog struct {
	modelBackend
	t     *rapid.T
	dir   string
	made  int // how many logs there were
	clock *modelClock
	log   backend.Log
	ways  [2]backend.Backend

	// With served.
	tokens *auth.Tokens
	server *server.Server
	done   chan error
}

var modelTokens = [2]string{"first", "second"}

func newModelLog(t *rapid.T, b modelBackend, clock *modelClock) *modelLog {
	dir, err := os.MkdirTemp("", "igniter-model")
	require.NoError(t, err)
	w := &modelLog{modelBackend: b, t: t, dir: dir, clock: clock}
	if w.served {
		w.writeTokens("", nil)
		w.tokens, err = auth.LoadTokens(w.path("tokens.yaml"))
		require.NoError(t, err)
	}
	w.open()
	w.dial()
	return w
}

func (w *modelLog) path(name string) string { return filepath.Join(w.dir, name) }

// open opens the log, and serves it.
func (w *modelLog) open() {
	if w.sync == "" {
		if w.log == nil {
			w.log = memory.New(memory.Options{Now: w.clock.now})
		}
	} else {
		l, err := file.Open(context.Background(), w.options())
		require.NoError(w.t, err)
		w.log = l
	}
	if !w.served {
		return
	}
	l, err := server.Listen("unix", w.path("s"))
	require.NoError(w.t, err)
	w.server, w.done = server.New(w.log, server.Options{Tokens: w.tokens, Heartbeat: 5 * time.Millisecond}), make(chan error, 1)
	go func() { w.done <- w.server.Serve(l) }()
}

func (w *modelLog) options() file.Options {
	return file.Options{Path: w.path(fmt.Sprint("log", w.made)), Sync: w.sync, Now: w.clock.now, SegmentSize: 4 << 10}
}

// dial makes the ways to the log.
func (w *modelLog) dial() {
	for i := range w.ways {
		switch {
		case w.served:
			c, err := network.Dial(context.Background(), network.Options{
				Transport: "unix", Address: w.path("s"), Token: modelTokens[i], MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond,
			})
			require.NoError(w.t, err)
			w.ways[i] = c
		case w.four:
			w.ways[i] = struct{ backend.Backend }{w.log}
		default:
			w.ways[i] = w.log
		}
	}
}

func (w *modelLog) hangUp() {
	if w.served {
		for _, c := range w.ways {
			require.NoError(w.t, c.Close())
		}
	}
}

// stop closes the log, unless it is in memory.
func (w *modelLog) stop() {
	if w.served {
		require.NoError(w.t, errors.Join(w.server.Close(), <-w.done))
	}
	if w.sync != "" {
		require.NoError(w.t, w.log.Close())
	}
}

func (w *modelLog) close() {
	w.hangUp()
	w.stop()
	require.NoError(w.t, errors.Join(w.log.Close(), os.RemoveAll(w.dir)))
}

// restore puts a log with the facts through a seq in place of the log. Open clients stay. A log in memory comes back
// without a past in common with the one before.
func (w *modelLog) restore(through uint64) {
	w.made++
	pages := w.log.Replay(context.Background(), backend.Range{Through: through})
	if through == 0 {
		pages = func(func(backend.Page, error) bool) {}
	}
	if w.sync == "" {
		next := memory.New(memory.Options{Now: w.clock.now})
		for p, err := range pages {
			require.NoError(w.t, err)
			for _, f := range p.Facts {
				written, err := next.WriteFact(context.Background(), f)
				require.NoError(w.t, err)
				require.Equal(w.t, f, written)
			}
		}
		w.stop()
		w.log = next
	} else {
		_, err := file.Restore(context.Background(), w.options(), w.log.Stats, upTo(pages, through))
		require.NoError(w.t, err)
		w.stop()
	}
	w.open()
}

// upTo makes pages end at a seq.
func upTo(pages iter.Seq2[backend.Page, error], through uint64) iter.Seq2[backend.Page, error] {
	return eachPage(pages, func(p *backend.Page) error {
		p.Through.Seq = min(p.Through.Seq, through)
		return nil
	})
}

// grant says which stores the second client may read; nil: all.
func (w *modelLog) grant(stores []string) {
	w.writeTokens("", stores)
	require.NoError(w.t, w.tokens.Reload())
}

// noToken makes the token of the second client unknown.
func (w *modelLog) noToken() {
	w.writeTokens("none", nil)
	require.NoError(w.t, w.tokens.Reload())
}

func (w *modelLog) writeTokens(second string, stores []string) {
	if second == "" {
		second = modelTokens[1]
	}
	read := `["*"]`
	if stores != nil {
		read = mustJSON(stores)
	}
	text := fmt.Sprintf("- {name: first, sha256: %s, read: [\"*\"], write: [\"*\"], admin: true}\n- {name: second, sha256: %s, read: %s, write: [\"*\"], import: true}\n",
		sha256Hex(modelTokens[0]), sha256Hex(second), read)
	require.NoError(w.t, os.WriteFile(w.path("tokens.yaml"), []byte(text), 0o600))
}

// after returns the facts that the log holds after a seq.
func (w *modelLog) after(seq uint64) []backend.Fact {
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
