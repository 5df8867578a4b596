// SPDX-License-Identifier: Apache-2.0

// Package framed reads a log through its frames, so that the suite of package backendtest checks the frames, too:
//
//	backendtest.Run(t, func(t testing.TB, dir string) backend.Backend {
//		return framed.Log(open(t, dir))
//	}, opts)
//
// Every case then checks ReplayFrames and FollowFrames: they have the same facts, batches, errors and rules of pages as
// Replay and Follow.
package framed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A Framer is a log that also yields its frames.
type Framer interface {
	backend.Log
	wire.Framer
}

// Log returns l with a Replay and a Follow that decode the frames of l.
func Log(l Framer) backend.Log { return &log{l, l} }

type log struct {
	backend.Log // without the frames' methods
	framer      wire.Framer
}

func (l *log) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return pages(l.framer.ReplayFrames(ctx, r))
}

func (l *log) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return pages(l.framer.FollowFrames(ctx, r))
}

// pages decodes frames. An error that does not come with zero Frames comes with a Page that is not zero.
func pages(frames iter.Seq2[wire.Frames, error]) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for f, err := range frames {
			p := backend.Page{Through: f.Through, Horizons: f.Horizons}
			if err == nil || f.Bytes != nil || f.Facts != 0 {
				var bad error
				if p.Facts, bad = decode(f); bad != nil {
					p, err = backend.Page{}, errors.Join(err, bad)
				}
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// decode checks and parses frames. The log owns their memory.
func decode(f wire.Frames) ([]backend.Fact, error) {
	facts := make([]backend.Fact, 0, f.Facts)
	for frames := wire.NewReader(bytes.NewReader(f.Bytes), wire.MaxMaxFrame); ; {
		body, err := frames.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			facts, err = wire.ParseGroup(facts, bytes.Clone(body))
		}
		if err != nil {
			return nil, fmt.Errorf("framed: decode frames through %s: %w", f.Through, err)
		}
	}
	if len(facts) != f.Facts {
		return nil, fmt.Errorf("framed: frames through %s have %d facts, and say that they have %d", f.Through, len(facts), f.Facts)
	}
	return facts, nil
}
