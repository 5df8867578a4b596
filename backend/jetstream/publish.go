// SPDX-License-Identifier: Apache-2.0

package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/caslog"
)

// Headers of messages.
const (
	unitHeader = "Igniter-Unit" // the header of the unit
	partHeader = "Igniter-Part" // "2/3": the second of three messages of one unit; missing: the only message

	expectedSequence = "Nats-Expected-Last-Sequence"
	batchID          = "Nats-Batch-Id"
	batchSequence    = "Nats-Batch-Sequence"
	batchCommit      = "Nats-Batch-Commit"
)

// Codes of the server's errors.
const (
	codeWrongSequence      = 10071
	codeWrongSequenceToo   = 10164
	codeBatchTooLarge      = 10199
	codeBatchesInFlight    = 10210
	codeInsufficient       = 10023
	codeStorageExceeded    = 10047
	codeStoreFailed        = 10077
	codeNoMessageFound     = 10037
	codeSequenceNotFound   = 10043
	codeDeleteFailed       = 10057
	codeAtomicNotSupported = 10174
)

// unitOverhead is the part of the server's limit of a message that a unit leaves for headers and subject.
const unitOverhead = 8 << 10

func (p *port) UnitBytes() int { return max(int(p.nc.MaxPayload())-unitOverhead, unitOverhead) }

func (p *port) Append(ctx context.Context, head uint64, u caslog.Unit) (uint64, error) {
	if p.checked.Load() != p.nc.Stats().Reconnects { // the stream may have lost its end meanwhile, and the server would still take the unit
		return 0, fmt.Errorf("%w: connected again, and the end of stream %s was not read yet", backend.ErrUnavailable, streamName(p.opts.Log))
	}
	limit := p.UnitBytes()
	if len(u.Body) <= limit {
		return p.publish(ctx, head, u, nil)
	}
	n := (len(u.Body) + limit - 1) / limit
	id := nuid.Next()
	for i := 1; ; i++ {
		part := u
		part.Body = u.Body[(i-1)*limit : min(i*limit, len(u.Body))]
		header := nats.Header{partHeader: {fmt.Sprintf("%d/%d", i, n)}, batchID: {id}, batchSequence: {strconv.Itoa(i)}}
		if i == n {
			header.Set(batchCommit, "1")
			return p.publish(ctx, head, part, header)
		}
		// Each part waits for its answer: the server may accept fewer parts, and the connection has room for only a few.
		if err := p.request(ctx, p.message(head, part, header), nil); errors.Is(err, caslog.ErrUnknown) {
			return 0, fmt.Errorf("%w: part %d of %d: %v", backend.ErrUnavailable, i, n, err) // nothing is appended before the last part
		} else if err != nil {
			return 0, err
		}
	}
}

// message returns the message of a unit, or of a part of it.
func (p *port) message(head uint64, u caslog.Unit, header nats.Header) *nats.Msg {
	m := &nats.Msg{Subject: p.base + string(rune(u.Kind)), Header: header, Data: u.Body}
	if m.Header == nil {
		m.Header = nats.Header{}
	}
	m.Header[unitHeader] = []string{u.Header}
	if s := header[batchSequence]; s == nil || s[0] == "1" {
		m.Header[expectedSequence] = []string{strconv.FormatUint(head, 10)}
	}
	return m
}

type ack struct {
	Stream   string              `json:"stream"`
	Sequence uint64              `json:"seq"`
	Error    *jetstream.APIError `json:"error"`
}

func (p *port) publish(ctx context.Context, head uint64, u caslog.Unit, header nats.Header) (uint64, error) {
	var a ack
	if err := p.request(ctx, p.message(head, u, header), &a); err != nil {
		return 0, err
	}
	p.saw(a.Sequence)
	return a.Sequence, nil
}

// request publishes a message and handles the server's answer. After any error except caslog.ErrUnknown, the message is
// not, and will not be, in the stream.
func (p *port) request(ctx context.Context, m *nats.Msg, a *ack) error {
	call, cancel := p.send(ctx, len(m.Data))
	defer cancel()
	answer, err := p.nc.RequestMsgWithContext(call, m)
	switch {
	case err == nil:
		p.pace.burden.Store(0) // the server has received all earlier bytes
	case ctx.Err() == nil:
		p.unanswered(err)
	}
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w: no server takes messages of stream %s now", backend.ErrUnavailable, streamName(p.opts.Log))
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", backend.ErrTooLarge, err)
	case err != nil:
		return fmt.Errorf("%w: %w", caslog.ErrUnknown, err)
	case a == nil && len(answer.Data) == 0:
		return nil
	case a == nil:
		a = &ack{}
	}
	if err := json.Unmarshal(answer.Data, a); err != nil {
		return fmt.Errorf("%w: the answer %.100q: %w", caslog.ErrUnknown, answer.Data, err)
	}
	if a.Error == nil {
		if a.Stream != streamName(p.opts.Log) || a.Sequence == 0 {
			return fmt.Errorf("%w: the answer %.100q", caslog.ErrUnknown, answer.Data)
		}
		p.answered()
		return nil
	}
	if isFull(a.Error) {
		return fmt.Errorf("%w: %w", backend.ErrFull, a.Error)
	}
	switch a.Error.ErrorCode {
	case codeWrongSequence, codeWrongSequenceToo:
		return fmt.Errorf("%w: %w", caslog.ErrHeadMoved, a.Error)
	case codeBatchTooLarge:
		return fmt.Errorf("%w: %w", backend.ErrTooLarge, a.Error)
	case codeBatchesInFlight:
		return fmt.Errorf("%w: %w", backend.ErrUnavailable, a.Error)
	case codeAtomicNotSupported:
		return fmt.Errorf("stream %s must allow atomic publishing: %w", streamName(p.opts.Log), a.Error)
	}
	return fmt.Errorf("%w: %w", caslog.ErrUnknown, a.Error)
}

// isFull reports whether the server says that it has no room.
func isFull(e *jetstream.APIError) bool {
	switch e.ErrorCode {
	case codeInsufficient, codeStorageExceeded:
		return true
	case codeStoreFailed:
		return strings.Contains(e.Description, "maximum") || strings.Contains(e.Description, "no space")
	}
	return false
}

// isGone reports whether the server says that a message is not there. That it does not find the stream, which has the same class of errors, says nothing
// of the message.
func isGone(err error) bool {
	var api jetstream.JetStreamError
	if !errors.As(err, &api) || api.APIError() == nil {
		return false
	}
	switch e := api.APIError(); e.ErrorCode {
	case codeNoMessageFound, codeSequenceNotFound:
		return true
	case codeDeleteFailed:
		return strings.Contains(e.Description, "no message found")
	}
	return false
}

func (p *port) Erase(ctx context.Context, first, last uint64) error {
	for seq := first; seq <= last; seq++ {
		call, cancel := p.call(ctx)
		err := p.stream.SecureDeleteMsg(call, seq)
		cancel()
		if isGone(err) {
			continue
		}
		if err != nil {
			return p.failedTo(ctx, fmt.Sprintf("erase message %d", seq), err)
		}
	}
	return nil
}

// probe checks that the server refuses an append after a sequence that is not the last, and that this process may publish.
func (p *port) probe(ctx context.Context) error {
	_, err := p.publish(ctx, 1<<62, caslog.Unit{Kind: caslog.Note, Header: "probe", Body: []byte("{}")}, nil)
	switch {
	case errors.Is(err, caslog.ErrHeadMoved):
		return nil
	case err == nil:
		return fmt.Errorf("%w: the server took a message after a sequence that is not the last: it is not fit for logs, and this one is damaged now", backend.ErrFailed)
	}
	if refused := p.refused.Load().(string); refused != "" {
		return fmt.Errorf("%w: the user must be allowed to publish on igniter.%s.>: %s", backend.ErrForbidden, p.opts.Log, refused)
	}
	return fmt.Errorf("%w: publish to stream %s: %w", backend.ErrUnavailable, streamName(p.opts.Log), err)
}
