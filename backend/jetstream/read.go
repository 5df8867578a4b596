// SPDX-License-Identifier: Apache-2.0

package jetstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/igniter-store/igniter/backend/internal/caslog"
)

// partOf returns the number i of a message's part, and the number n of parts of its unit.
func partOf(h nats.Header) (i, n int) {
	text := h.Get(partHeader)
	if text == "" {
		return 1, 1
	}
	a, b, _ := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(a)
	n, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || i < 1 || n < i {
		return 1, 1 // a foreign message
	}
	return i, n
}

// A joiner makes entries of messages.
type joiner struct {
	entry caslog.Entry
	next  int // the number of the part that is due
}

// add takes the next message, and reports whether the entry is complete.
func (j *joiner) add(subject string, h nats.Header, seq uint64, data []byte) bool {
	i, n := partOf(h)
	if i == 1 {
		kind := caslog.Kind(0)
		if len(subject) > 0 {
			kind = caslog.Kind(subject[len(subject)-1])
		}
		if data == nil {
			data = []byte{}
		}
		j.entry = caslog.Entry{Unit: caslog.Unit{Kind: kind, Header: h.Get(unitHeader), Body: data}, At: seq}
	} else if i != j.next || seq != j.entry.End+1 {
		j.next = 0
		return false
	} else {
		j.entry.Body = append(j.entry.Body[:len(j.entry.Body):len(j.entry.Body)], data...)
	}
	j.entry.End, j.next = seq, i+1
	return i == n
}

func (p *port) Get(ctx context.Context, at uint64) (caslog.Entry, error) {
	var j joiner
	for seq := at; ; seq++ {
		call, cancel := p.call(ctx) // for each message: a unit may have a thousand
		m, err := p.stream.GetMsg(call, seq)
		cancel()
		if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrInvalidSubject) {
			return caslog.Entry{}, caslog.ErrNone
		}
		if err != nil {
			return caslog.Entry{}, p.failedTo(ctx, fmt.Sprintf("read message %d", seq), err)
		}
		if j.add(m.Subject, m.Header, m.Sequence, m.Data) {
			return j.entry, nil
		}
		if j.next == 0 {
			return caslog.Entry{}, caslog.ErrNone
		}
	}
}

func (p *port) NextNote(ctx context.Context, after uint64) (caslog.Entry, error) {
	call, cancel := p.call(ctx)
	defer cancel()
	m, err := p.stream.GetMsg(call, after+1, jetstream.WithGetMsgSubject(p.base+string(rune(caslog.Note))))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return caslog.Entry{}, caslog.ErrNone
	}
	if err != nil {
		return caslog.Entry{}, p.failedTo(ctx, "read the next note", err)
	}
	return p.Get(ctx, m.Sequence)
}

// Last implements caslog.Port.
func (p *port) Last(ctx context.Context, kind caslog.Kind) (caslog.Entry, error) {
	call, cancel := p.call(ctx)
	defer cancel()
	m, err := p.stream.GetLastMsgForSubject(call, p.base+string(rune(kind)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return caslog.Entry{}, caslog.ErrNone
	}
	if err != nil {
		return caslog.Entry{}, p.failedTo(ctx, "read the last message of a kind", err)
	}
	if i, n := partOf(m.Header); i != n || n > 1 { // such units are small
		return caslog.Entry{}, caslog.ErrNone
	}
	return p.Get(ctx, m.Sequence)
}

// Up to few units are read one by one rather than with a consumer.
const few = 4

func (p *port) Read(ctx context.Context, after, through uint64) iter.Seq2[caslog.Entry, error] {
	return func(yield func(caslog.Entry, error) bool) {
		if through != 0 && through <= after+few {
			return // the Log calls Get
		}
		if err := p.read(ctx, after, through, yield); err != nil {
			yield(caslog.Entry{}, err)
		}
	}
}

// read yields the entries of a new consumer. It returns nil if the loop's body has left the loop.
func (p *port) read(ctx context.Context, after, through uint64, yield func(caslog.Entry, error) bool) error {
	call, cancel := p.call(ctx)
	defer cancel()
	c, err := p.stream.CreateConsumer(call, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
		AckPolicy: jetstream.AckNonePolicy, MaxDeliver: 1, MemoryStorage: true, Replicas: 1, InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return p.failedTo(ctx, "create a consumer", err)
	}
	defer func() {
		if p.nc.IsConnected() {
			call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
			defer cancel()
			_ = p.stream.DeleteConsumer(call, c.CachedInfo().Name) // otherwise the server does it later
		}
	}()
	// Over a slow network the consumer requests only one message at a time, since the server closes connections that take
	// too long, and a missing heartbeat may be behind the message.
	bytes, heartbeat, expiry := 2*max(int(p.nc.MaxPayload()), 1<<20), time.Second, 10*time.Second
	if p.pace.slow() {
		bytes, heartbeat, expiry = int(p.nc.MaxPayload())+unitOverhead, 10*time.Second, 30*time.Second
	}
	messages, err := c.Messages(jetstream.PullMaxBytes(bytes), jetstream.PullHeartbeat(heartbeat), jetstream.PullExpiry(expiry))
	if err != nil {
		return p.failedTo(ctx, "read messages", err)
	}
	defer messages.Stop()
	var j joiner
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			p.pace.waited(time.Now().Add(-2 * heartbeat))
		}
		if err != nil {
			return p.failedTo(ctx, "read messages", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return p.failedTo(ctx, "read messages", err)
		}
		seq := meta.Sequence.Stream
		p.saw(seq)
		if j.add(m.Subject(), m.Headers(), seq, m.Data()) && !yield(j.entry, nil) {
			return nil
		}
		if through != 0 && seq >= through {
			return nil
		}
	}
}
