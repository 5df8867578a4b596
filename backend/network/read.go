// SPDX-License-Identifier: Apache-2.0

package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// Replay implements backend.Log. The facts of a page share blocks of memory of about 256 KiB, or one larger batch.
func (c *client) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return wire.Pages(c.name(), r.Known, c.ReplayFrames(ctx, r))
}

// Follow implements backend.Log. Its facts share memory like Replay's.
func (c *client) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return wire.Pages(c.name(), r.Known, c.FollowFrames(ctx, r))
}

// ReplayFrames implements wire.Framer.
func (c *client) ReplayFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return c.loop(ctx, "replay", r)
}

// FollowFrames implements wire.Framer.
func (c *client) FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return c.loop(ctx, "follow", r)
}

func (c *client) loop(ctx context.Context, kind string, r backend.Range) iter.Seq2[wire.Frames, error] {
	r.Stores = slices.Clone(r.Stores)
	return func(yield func(wire.Frames, error) bool) {
		x := &reader{client: c, ctx: ctx, follows: kind == "follow", r: r, yield: yield}
		err := checkStores(r.Stores)
		if err == nil {
			err = c.session(ctx, x.read)
		}
		if err != nil && err != errEnded {
			yield(wire.Frames{}, fmt.Errorf("network: %s after seq %d: %w", kind, x.r.After.Seq, err))
		}
	}
}

// checkStores refuses the name "*", which stands for all stores in a request.
func checkStores(stores []string) error {
	if slices.Contains(stores, "*") {
		return &backend.InvalidError{Field: "stores", Reason: `a server takes "*" for all stores, and can't select the store of that name`}
	}
	return nil
}

// corrupt returns the error for a whole frame with invalid content.
func (c *client) corrupt(reason string) error {
	return &backend.CorruptError{Path: c.name(), Reason: "a frame whose CRC is right: " + reason}
}

// A reader is a loop over the server's log. It keeps its position when a connection is lost.
type reader struct {
	client  *client
	ctx     context.Context // of the loop; the reader ends with the loop
	follows bool
	r       backend.Range // After is the Through of the last page
	yield   func(wire.Frames, error) bool

	hello *protocol.HelloReply // of the connection
	page  wire.Frames          // the frames read after r.After
	begun bool                 // a page was yielded
	due   bool                 // the next page is yielded even if it is empty
	done  bool                 // r.Through was yielded; the end of the stream is still read, so that the server does not count a lost connection

	horizons, told map[string]backend.Horizon // for the next page, and the horizons of earlier pages

	connected bool
	access    []string // the stores that the client may read, according to the first connection
}

// errEnded ends a loop when its body has left it, or at its end.
var errEnded = errors.New("the loop has ended")

// read requests the log after the last page, and yields its pages.
func (x *reader) read(s *session) (progress bool, err error) {
	if err := x.checkAccess(s.hello.Features.Stores); err != nil {
		return false, err
	}
	x.hello, x.page = &s.hello, wire.Frames{Through: x.r.After}
	if x.client.v1 != nil {
		return x.readV1(s)
	}
	s.limitSilence(3 * x.client.opts.Heartbeat)
	body, err := s.roundTrip(x.request)
	if err != nil {
		return false, x.lost(err)
	}
	first, horizons, err := protocol.ParseStream(body)
	if err != nil {
		return false, verdict(err)
	}
	x.page.Through.Log = first.Log
	x.tell(horizons)
	x.due = x.follows && !x.begun && first.Seq <= x.r.After.Seq
	for {
		if !s.in.Ready() || len(x.page.Bytes) >= backend.PageSize {
			if err := x.flush(); err != nil {
				return progress, err
			}
			s.touch() // the loop's body may have taken long
		}
		frame, err := s.in.NextFrame()
		if x.done { // any error is irrelevant now
			return progress, permanent{errEnded}
		}
		if err != nil {
			err = x.lost(err)
		} else {
			progress = true
			err = x.take(frame)
		}
		if err != nil {
			return progress, cmp.Or(x.flush(), err)
		}
	}
}

func (x *reader) request(dst []byte) []byte {
	if x.follows {
		return protocol.AppendSubscribe(dst, x.r)
	}
	return protocol.AppendReplay(dst, x.r)
}

// checkAccess returns an error if the stores that the client may read have changed since the loop began.
func (x *reader) checkAccess(stores []string) error {
	x.client.mu.Lock() // Features has the stores of this connection
	x.client.hello.Features.Stores = slices.Clone(stores)
	x.client.mu.Unlock()
	if x.connected && ((stores == nil) != (x.access == nil) || !slices.Equal(stores, x.access)) {
		return permanent{backend.ErrAccessChanged}
	}
	x.connected, x.access = true, stores
	return nil
}

// lost returns the error for a failed connection: ctx's if the end of ctx closed it.
func (x *reader) lost(err error) error {
	if _, ok := err.(permanent); !ok && x.ctx.Err() != nil {
		return permanent{x.ctx.Err()}
	}
	return err
}

// take handles a frame of a stream. Its error is errEnded if the frame ends the stream.
func (x *reader) take(frame []byte) error {
	body, _, _ := wire.CutFrame(frame)
	if !protocol.IsControl(body) {
		first, last, n := wire.Seqs(body)
		switch before := x.page.Through.Seq; {
		case n == 0:
			return permanent{x.client.corrupt("it holds no facts")}
		case first <= before || x.r.Through != 0 && last > x.r.Through:
			return permanent{x.client.corrupt(fmt.Sprintf("facts %d to %d come after seq %d of a stream that ends with %d", first, last, before, x.r.Through))}
		}
		return x.add(frame, n, last)
	}
	control, err := protocol.ParseControl(body)
	if err != nil {
		return verdict(err)
	}
	x.tell(control.Horizons)
	if x.r.Through != 0 {
		control.LastSeq = min(control.LastSeq, x.r.Through)
	}
	x.page.Through.Seq = max(x.page.Through.Seq, control.LastSeq)
	x.due = !x.begun
	if control.End {
		return permanent{errEnded}
	}
	return nil
}

// add adds a frame to the page. If the frame does not follow the page in memory, add yields the page first.
func (x *reader) add(frame []byte, facts int, last uint64) error {
	joined, ok := wire.Join(x.page.Bytes, frame)
	if !ok {
		if err := x.flush(); err != nil {
			return err
		}
		joined = frame
	}
	x.page.Bytes, x.page.Facts, x.page.Through.Seq = joined, x.page.Facts+facts, last
	return nil
}

// tell keeps horizons for the next page. Each stream begins with all of them.
func (x *reader) tell(horizons map[string]backend.Horizon) {
	for store, h := range horizons {
		if x.horizons == nil {
			x.horizons = make(map[string]backend.Horizon)
		}
		x.horizons[store] = h
	}
}

// flush yields the current page, if there is something to yield, and begins the next one.
func (x *reader) flush() error {
	page := x.page
	if page.Through.Seq == x.r.After.Seq && !x.due {
		return nil
	}
	if err := x.ctx.Err(); err != nil {
		return permanent{err}
	}
	if x.client.life.Err() != nil {
		return permanent{backend.ErrClosed}
	}
	if err := x.client.gave(x.hello, page.Through.Seq); err != nil {
		return permanent{err}
	}
	if x.horizons != nil {
		page.Horizons = x.r.News(x.horizons, x.told)
		if x.told == nil {
			x.told = x.horizons
		}
		maps.Copy(x.told, x.horizons)
		x.horizons = nil
	}
	x.begun, x.due = true, false
	x.page, x.r.After = wire.Frames{Through: page.Through}, page.Through
	if !x.yield(page, nil) {
		return permanent{errEnded}
	}
	if x.done = x.r.Through != 0 && x.r.After.Seq >= x.r.Through; x.done && x.client.v1 != nil {
		return permanent{errEnded}
	}
	return nil
}
