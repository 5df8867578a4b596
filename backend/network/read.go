package network

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// Replay implements backend.Backend. The facts share blocks of memory with their neighbours, of some 256 KiB
// or one larger frame, so that keeping one fact keeps its block.
func (c *Client) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	return c.ReplayStores(ctx, after)
}

// ReplayStores implements backend.StoreReplayer: the server sends no other stores' facts, unless it speaks
// version 1. Without stores it is Replay.
func (c *Client) ReplayStores(ctx context.Context, after uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	stores = slices.Clone(stores)
	return func(yield func(backend.Fact, error) bool) {
		r := &reader{client: c, ctx: ctx, seq: after, stores: stores, yield: yield}
		err := error(nil)
		if c.speaksV1() {
			err = r.replayV1()
		} else {
			err = c.session(ctx, r.replay)
		}
		if err = r.reason(err); err != nil {
			yield(backend.Fact{}, fmt.Errorf("network: replay after seq %d: %w", r.seq, err))
		}
	}
}

// Follow implements backend.Follower. What Replay says of memory holds here too.
func (c *Client) Follow(ctx context.Context, after uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	stores = slices.Clone(stores)
	return func(yield func(backend.Fact, error) bool) {
		r := &reader{client: c, ctx: ctx, seq: after, stores: stores, yield: yield}
		err := error(nil)
		switch {
		case !c.has(protocol.OpSubscribe):
			err = fmt.Errorf("the server's backend can't be followed: %w", errors.ErrUnsupported)
		case c.speaksV1():
			err = r.followV1()
		default:
			err = c.session(ctx, r.follow)
		}
		if err = r.reason(err); err != nil {
			yield(backend.Fact{}, fmt.Errorf("network: follow after seq %d: %w", r.seq, err))
		}
	}
}

// has reports whether the server's backend supports an op. Of a server of version 1 nobody knows.
func (c *Client) has(op string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Protocol == 1 || slices.Contains(c.welcome.Features, op)
}

// A reader is a loop over a server's log. Its connections come and go; its place stays.
type reader struct {
	client *Client
	ctx    context.Context // of the loop, which the reader lives no longer than
	seq    uint64          // through which the log was read
	stores []string
	yield  func(backend.Fact, error) bool
	facts  []backend.Fact
	broken bool // the loop's body wants no more
}

// errBroken ends what a loop does whose body wants no more.
var errBroken = final{errors.New("the loop was left")}

// reason returns what the loop must tell its body of how it ended: nothing, if the body knows.
func (r *reader) reason(err error) error {
	switch {
	case r.broken:
		return nil
	case err != nil && r.ctx.Err() != nil && !errors.Is(err, r.ctx.Err()):
		return r.ctx.Err()
	}
	return err
}

// replay reads the log to its end.
func (r *reader) replay(s *session) (progress bool, err error) {
	s.within(3 * r.client.opts.Heartbeat)
	return r.stream(s, func(dst []byte) []byte { return protocol.AppendReplay(dst, r.seq, r.stores) })
}

// follow reads the log and what comes to it.
func (r *reader) follow(s *session) (progress bool, err error) {
	s.within(3 * r.client.opts.Heartbeat)
	return r.stream(s, func(dst []byte) []byte { return protocol.AppendSubscribe(dst, r.seq, r.stores) })
}

// stream asks for a part of the log and yields what comes, to the end that the server says.
func (r *reader) stream(s *session, request func(dst []byte) []byte) (progress bool, err error) {
	if s.version == 1 {
		return false, final{fmt.Errorf("the server speaks version 1 now: %w", backend.ErrUnavailable)}
	}
	body, err := s.ask(request)
	if err != nil {
		return false, r.lost(err)
	}
	if protocol.IsError(body) {
		return false, refusal(protocol.ParseError(body))
	}
	start := r.seq
	for beats := false; ; {
		body, err := s.in.Next()
		if err != nil {
			return beats || r.seq > start, r.lost(err)
		}
		if !protocol.IsControl(body) {
			if err := r.give(body); err != nil {
				return true, err
			}
			continue
		}
		signal, err := protocol.ParseControl(body)
		if err != nil {
			return beats || r.seq > start, refusal(err)
		}
		if err := r.ctx.Err(); err != nil {
			return true, final{err}
		}
		beats = beats || signal.Heartbeat
		r.seq = max(r.seq, signal.LastSeq)
		if signal.End {
			return true, nil
		}
	}
}

// refusal makes an error that a server tells of one to end with, unless the server is only on its way out.
func refusal(err error) error {
	if errors.Is(err, backend.ErrUnavailable) {
		return err
	}
	return final{err}
}

// lost returns the error of a connection, or of the context that has closed it.
func (r *reader) lost(err error) error {
	if ctxErr := r.ctx.Err(); ctxErr != nil {
		return final{ctxErr}
	}
	return err
}

// give yields the facts of a frame that come after the reader's place.
func (r *reader) give(body []byte) error {
	var err error
	if r.facts, err = wire.ParseGroup(r.facts[:0], body); err != nil {
		return final{&backend.CorruptError{Path: r.client.name(), Reason: "a frame whose CRC is right and which holds no facts: " + err.Error()}}
	}
	for i := range r.facts {
		if err := r.one(r.facts[i]); err != nil {
			return err
		}
	}
	return nil
}

// one yields a fact, if it comes after the reader's place and is of a store that is wanted.
func (r *reader) one(f backend.Fact) error {
	if f.Seq <= r.seq {
		return nil
	}
	if !wanted(r.stores, f.Store) {
		r.seq = f.Seq
		return nil
	}
	if err := r.ctx.Err(); err != nil {
		return final{err}
	}
	if r.client.life.Err() != nil {
		return final{backend.ErrClosed}
	}
	r.seq = f.Seq
	if !r.yield(f, nil) {
		r.broken = true
		return errBroken
	}
	return nil
}
