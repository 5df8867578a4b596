package server

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// An encoder is a wire.Framer of a backend that is none: it encodes facts as they are read.
type encoder struct{ b backend.Backend }

// Frames implements wire.Framer: Replay says what the log holds at present, Follow what comes then.
func (e encoder) Frames(ctx context.Context, after uint64) iter.Seq2[wire.Run, error] {
	return func(yield func(wire.Run, error) bool) {
		run := wire.Run{Last: after}
		for f, err := range e.b.Replay(ctx, after) {
			if err != nil {
				yield(wire.Run{}, err)
				return
			}
			if appendFact(&run, &f); len(run.Frames) >= wire.RunSize {
				if !yield(run, nil) {
					return
				}
				run = wire.Run{Last: run.Last}
			}
		}
		if run.Facts > 0 && !yield(run, nil) {
			return
		}
		if yield(wire.Run{Last: run.Last, Changed: atOnce}, nil) {
			e.follow(ctx, run.Last, yield)
		}
	}
}

// atOnce is of a log's end behind which something may be already.
var atOnce = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// canFollow returns why what comes to the log can't be followed; nil: it can. A backend says so before it
// looks at its context.
func (e encoder) canFollow() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range backend.Follow(ctx, e.b, 0) {
		if errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		break
	}
	return nil
}

// follow yields what comes to the log after a seq. A goroutine follows the backend and puts facts into a
// box, from which they are taken many at once; when it is full, the goroutine waits.
func (e encoder) follow(ctx context.Context, after uint64, yield func(wire.Run, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	b := &box{run: wire.Run{Last: after}, changed: make(chan struct{}), taken: make(chan struct{}, 1)}
	done := make(chan struct{})
	defer func() { <-done }()
	defer cancel()
	go func() {
		defer close(done)
		for f, err := range backend.Follow(ctx, e.b, after) {
			if !b.put(ctx, &f, err) {
				return
			}
		}
		b.put(ctx, nil, fmt.Errorf("server: following the backend ended without an error: %w", backend.ErrUnavailable))
	}()
	for {
		run, err := b.take()
		if err != nil {
			yield(wire.Run{}, err)
			return
		}
		if !yield(run, nil) {
			return
		}
	}
}

// A box is facts on their way from one goroutine to another.
type box struct {
	mu      sync.Mutex
	run     wire.Run
	err     error
	changed chan struct{} // closed when there is something, or an error
	taken   chan struct{} // gets a value when the box was emptied
}

// put adds a fact, or an error that comes after all facts, and reports whether to go on.
func (b *box) put(ctx context.Context, f *backend.Fact, err error) bool {
	b.mu.Lock()
	if b.run.Facts == 0 && b.err == nil {
		close(b.changed)
	}
	if err != nil {
		if b.err == nil {
			b.err = err
		}
		b.mu.Unlock()
		return false
	}
	appendFact(&b.run, f)
	full := len(b.run.Frames) >= wire.RunSize
	b.mu.Unlock()
	for full {
		select {
		case <-b.taken:
			b.mu.Lock()
			full = len(b.run.Frames) >= wire.RunSize
			b.mu.Unlock()
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// take empties the box.
func (b *box) take() (wire.Run, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	run := b.run
	switch {
	case run.Facts > 0:
		b.run = wire.Run{Last: run.Last}
		if b.err == nil {
			b.changed = make(chan struct{})
		}
		select {
		case b.taken <- struct{}{}:
		default:
		}
	case b.err != nil:
		return run, b.err
	default:
		run.Changed = b.changed
	}
	return run, nil
}

func appendFact(run *wire.Run, f *backend.Fact) {
	start := len(run.Frames)
	run.Frames = wire.CloseFrame(wire.AppendFact(wire.OpenFrame(run.Frames), f), start)
	run.Last = f.Seq
	run.Facts++
}
