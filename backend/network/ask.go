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

// Stats implements backend.Stater: the server's, and in Connection how the client is connected to it. When
// the server can't be reached, that is all there is, with the error.
func (c *Client) Stats(ctx context.Context) (backend.Stats, error) {
	stats, err := c.stats(ctx)
	c.mu.Lock()
	state := c.state
	c.mu.Unlock()
	stats.Connection = &state
	if err != nil {
		return stats, fmt.Errorf("network: stats: %w", err)
	}
	return stats, nil
}

func (c *Client) stats(ctx context.Context) (backend.Stats, error) {
	if c.speaksV1() {
		return c.statsV1(ctx)
	}
	cl := calls.Get().(*call)
	cl.frame = wire.CloseFrame(protocol.AppendRequest(wire.OpenFrame(cl.frame[:0]), protocol.OpStats), 0)
	body, err := c.do(ctx, cl)
	if err != nil {
		return backend.Stats{}, err
	}
	defer cl.release()
	return protocol.ParseStats(body)
}

// WriteSnapshot implements backend.Backend: the server makes a snapshot of its log. A server of version 1 is
// sent the facts of its log for that, as the Ruby client does.
func (c *Client) WriteSnapshot(ctx context.Context, through uint64) error {
	var err error
	if c.speaksV1() {
		err = c.writeSnapshotV1(ctx)
	} else {
		_, err = c.apart(ctx, func(dst []byte) []byte { return protocol.AppendWriteSnapshot(dst, through) })
	}
	if err != nil {
		return fmt.Errorf("network: write snapshot: %w", err)
	}
	return nil
}

// maxRanges is how many ranges of seqs one request to prune has at most.
const maxRanges = 100_000

// Prune implements backend.Pruner. A server of version 1 does not prune: errors.ErrUnsupported.
func (c *Client) Prune(ctx context.Context, seqs iter.Seq[uint64]) (backend.PruneReport, error) {
	report, err := c.prune(ctx, seqs)
	if err != nil {
		return report, fmt.Errorf("network: prune: %w", err)
	}
	return report, nil
}

func (c *Client) prune(ctx context.Context, seqs iter.Seq[uint64]) (report backend.PruneReport, err error) {
	if c.speaksV1() {
		return report, errV1
	}
	ranges := rangesOf(slices.Sorted(seqs))
	for first := true; first || len(ranges) > 0; first = false {
		n := min(len(ranges), maxRanges)
		body, err := c.apart(ctx, func(dst []byte) []byte { return protocol.AppendPrune(dst, ranges[:n]) })
		if err != nil {
			return report, err
		}
		var part struct{ Pruned, Missing uint64 }
		if err := protocol.ParseAnswer(body, &part); err != nil {
			return report, err
		}
		report.Pruned += part.Pruned
		report.Missing += part.Missing
		ranges = ranges[n:]
	}
	return report, nil
}

// rangesOf returns sorted seqs as ranges.
func rangesOf(seqs []uint64) (ranges [][2]uint64) {
	for _, seq := range seqs {
		if n := len(ranges); n > 0 && seq <= ranges[n-1][1]+1 {
			ranges[n-1][1] = max(seq, ranges[n-1][1])
		} else {
			ranges = append(ranges, [2]uint64{seq, seq})
		}
	}
	return ranges
}

// apart sends a request on a connection of its own, since it may take long and others need not wait for it,
// again if need be, and returns the answer, which says that it was done.
func (c *Client) apart(ctx context.Context, append func(dst []byte) []byte) (body []byte, err error) {
	err = c.session(ctx, func(s *session) (bool, error) {
		if body, err = s.ask(append); err == nil && protocol.IsError(body) {
			if err = protocol.ParseError(body); !errors.Is(err, backend.ErrUnavailable) {
				return false, final{err}
			}
		}
		return false, err
	})
	return body, err
}

// A final error is one that a session ends with for good: trying again would come to the same.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// unwrapFinal returns an error without the mark that it is final.
func unwrapFinal(err error) error {
	if f, ok := errors.AsType[final](err); ok {
		return f.error
	}
	return err
}

// session calls use with a connection of its own, and again with another one when that fails, for as long as
// ctx allows. The connection is closed when ctx ends, and afterwards. use says whether it has got on.
func (c *Client) session(ctx context.Context, use func(s *session) (progress bool, err error)) error {
	if _, err := c.current(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := c.retry(ctx, func() (bool, error) {
		s, err := c.dial(ctx)
		if err != nil {
			return false, err
		}
		defer s.Close()
		defer context.AfterFunc(ctx, func() { _ = s.Close() })()
		defer context.AfterFunc(c.life, func() { _ = s.Close() })()
		return use(s)
	})
	return unwrapFinal(err)
}
