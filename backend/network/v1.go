package network

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
)

// errV1 is what version 1 of the protocol has no way to say.
var errV1 = fmt.Errorf("the server speaks version 1 of the protocol, which has no such request: %w", errors.ErrUnsupported)

// replayV1 returns all facts of a server's log, each with its place in it as Seq.
func (s *session) replayV1() ([]backend.Fact, error) {
	body, err := s.ask(func(dst []byte) []byte { return protocol.AppendRequest(dst, protocol.OpReplay) })
	if err != nil {
		return nil, err
	}
	facts, err := protocol.ParseFactsV1(body)
	if err != nil {
		return nil, refusal(err)
	}
	for i := range facts {
		facts[i].Seq = uint64(i) + 1
	}
	return facts, nil
}

// allV1 returns all facts of the server's log.
func (c *Client) allV1(ctx context.Context) (facts []backend.Fact, err error) {
	err = c.session(ctx, func(s *session) (bool, error) {
		facts, err = s.replayV1()
		return false, err
	})
	return facts, err
}

// feedV1 gives the facts of a server's log after a seq, and what comes to it then, until the connection is
// lost. It subscribes first and replays then, and leaves out of the subscription what was replayed. joined
// is called between the two, with the seq of the last fact replayed.
func (c *Client) feedV1(ctx context.Context, s *session, after uint64, joined func(last uint64), give func(backend.Fact) error) error {
	body, err := s.ask(func(dst []byte) []byte { return protocol.AppendSubscribeV1(dst) })
	if err != nil {
		return err
	}
	if err := protocol.ParseAnswer(body, nil); err != nil {
		return refusal(err)
	}
	facts, err := c.allV1(ctx)
	if err != nil {
		return err
	}
	replayed := make(map[string]struct{}, len(facts))
	for _, f := range facts {
		replayed[f.ID] = struct{}{}
		if f.Seq > after {
			if err := give(f); err != nil {
				return err
			}
		}
	}
	last := uint64(len(facts))
	if facts = nil; joined != nil {
		joined(last)
	}
	for {
		body, err := s.in.Next()
		if err != nil {
			return err
		}
		f, ok, err := protocol.ParseEventV1(body)
		if err != nil {
			return refusal(err)
		}
		if !ok {
			continue
		}
		if _, ok := replayed[f.ID]; ok {
			continue
		}
		replayed = nil // what comes after it was not there yet
		last++
		f.Seq = last
		if err := give(f); err != nil {
			return err
		}
	}
}

func (r *reader) replayV1() error {
	facts, err := r.client.allV1(r.ctx)
	for i := 0; i < len(facts) && err == nil; i++ {
		err = r.one(facts[i])
	}
	return unwrapFinal(err)
}

func (r *reader) followV1() error {
	return r.client.session(r.ctx, func(s *session) (bool, error) {
		start := r.seq
		err := r.client.feedV1(r.ctx, s, r.seq, nil, r.one)
		return r.seq > start, r.lost(err)
	})
}

// writeSnapshotV1 sends the server the facts of its log, to make a snapshot of.
func (c *Client) writeSnapshotV1(ctx context.Context) error {
	return c.session(ctx, func(s *session) (bool, error) {
		facts, err := s.replayV1()
		if err != nil {
			return false, err
		}
		body := protocol.AppendWriteSnapshotV1(nil, facts)
		if len(body) > s.welcome.MaxFrame {
			return false, final{fmt.Errorf("%w: the log is larger than a frame of version 1", backend.ErrTooLarge)}
		}
		answer, err := s.ask(func(dst []byte) []byte { return append(dst, body...) })
		if err == nil {
			err = protocol.ParseAnswer(answer, nil)
		}
		return false, err
	})
}

// statsV1 says what is known of the server's log.
func (c *Client) statsV1(ctx context.Context) (backend.Stats, error) {
	m, err := c.mirrorV1()
	if err != nil {
		return backend.Stats{}, err
	}
	last, err := m.last(ctx)
	return backend.Stats{FirstSeq: min(last, 1), LastSeq: last, Facts: last}, err
}

// writeFactV1 writes a fact, which is valid and normalized.
func (c *Client) writeFactV1(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	m, err := c.mirrorV1()
	if err != nil {
		return f, err
	}
	return m.write(ctx, f)
}
