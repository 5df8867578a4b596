package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/caslog"
)

// Headers of messages.
const (
	unitHeader = "Igniter-Unit" // the header of the unit
	partHeader = "Igniter-Part" // "2/3": the second of three messages of one unit; not there: it is the only one

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
	codeStreamNotFound     = 10059
	codeAtomicNotSupported = 10174
)

// callTimeout is how long one request waits for its answer.
const callTimeout = 5 * time.Second

// unitOverhead is what a unit leaves free of the server's limit of a message, for headers and subject.
const unitOverhead = 8 << 10

// A port is a caslog.Port at a stream.
type port struct {
	opts      *Options
	nc        *nats.Conn
	js        jetstream.JetStream
	stream    jetstream.Stream
	id        backend.LogID
	ancestors []backend.Ancestor
	base      string // of the subjects, with the dot

	process string // names this process to others
	wanted  atomic.Bool
	wants   *nats.Subscription
	checked atomic.Uint64 // the number of reconnections when the stream was last looked at
	again   atomic.Bool   // the stream's configuration must be read again
	refused atomic.Value  // string: what the server refused last for want of rights

	mu   sync.Mutex
	link context.Context // ends when the connection is lost
	lose context.CancelFunc
}

// call returns a context for one request: it ends in time, and when the connection is lost, since the answer is then lost too.
func (p *port) call(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	p.mu.Lock()
	stop := context.AfterFunc(p.link, cancel)
	p.mu.Unlock()
	return ctx, func() { stop(); cancel() }
}

// lost ends the requests that wait for answers.
func (p *port) lost() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lose != nil {
		p.lose()
	}
	p.link, p.lose = context.WithCancel(context.Background())
}

// dial connects, and opens or creates the stream.
func dial(ctx context.Context, o *Options) (_ *port, err error) {
	p := &port{opts: o, process: nuid.Next()}
	p.refused.Store("")
	p.lost()
	options, err := o.dialOptions()
	if err != nil {
		return nil, err
	}
	options = append(options,
		nats.ReconnectHandler(func(*nats.Conn) {
			o.Logger.Info("jetstream: connected again", zap.String("log", o.Log))
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			p.lost()
			if err != nil {
				o.Logger.Warn("jetstream: connection lost", zap.String("log", o.Log), zap.Error(err))
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				p.refused.Store(err.Error())
			}
			o.Logger.Warn("jetstream: error of the connection", zap.String("log", o.Log), zap.Error(err))
		}))
	if p.nc, err = nats.Connect(o.URL, options...); err != nil {
		if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
			return nil, fmt.Errorf("%w: %w", backend.ErrUnauthenticated, err)
		}
		return nil, fmt.Errorf("%w: connect to %s: %w", backend.ErrUnavailable, o.URL, err)
	}
	defer func(nc *nats.Conn) {
		if err != nil {
			nc.Close()
		}
	}(p.nc)
	if p.js, err = jetstream.New(p.nc, jetstream.WithDefaultTimeout(callTimeout)); err != nil {
		return nil, err
	}
	if p.stream, err = o.openStream(ctx, p.js); err != nil {
		return nil, p.told("open stream "+streamName(o.Log), err)
	}
	config := &p.stream.CachedInfo().Config
	if p.id, p.ancestors, err = identityOf(config); err != nil {
		return nil, err
	}
	p.base = subjects(o.Log, p.id)
	if err = o.checkConfig(config, p.id); err == nil {
		err = checkVersion(p.nc.ConnectedServerVersion(), config.Replicas)
	}
	if err == nil && !o.Salvage {
		err = p.probe(ctx)
	}
	if err == nil && !o.Salvage {
		err = p.checkEnd(ctx)
	}
	if err != nil {
		return nil, err
	}
	p.wants, err = p.nc.Subscribe("igniter."+o.Log+".want", func(m *nats.Msg) {
		if string(m.Data) != p.process {
			p.wanted.Store(true)
		}
	})
	return p, err
}

// probe makes sure that the server refuses an append after a sequence that is not the last, and that this process may
// publish.
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

// checkEnd looks for a stream whose last messages are gone while it knows that they were there.
func (p *port) checkEnd(ctx context.Context) error {
	var head, last uint64
	for range 20 { // the two answers are of different moments
		info, err := p.stream.Info(ctx)
		if err == nil {
			last = info.State.LastSeq
			head, err = p.Head(ctx)
		}
		if err != nil {
			return p.told("read the end of stream "+streamName(p.opts.Log), err)
		}
		if head >= last {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	through := "0"
	if e, err := p.Get(ctx, head); err == nil && len(strings.Fields(e.Header)) == 6 {
		through = strings.Fields(e.Header)[3]
	}
	return &backend.CorruptError{Path: streamName(p.opts.Log), Reason: fmt.Sprintf("the stream gave out sequences through %d, and ends with %d, which holds facts through seq %s: its last messages were taken away", last, head, through)}
}

// told returns an error of the server or of the connection as one of package backend.
func (p *port) told(what string, err error) error {
	var api jetstream.JetStreamError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, backend.ErrInvalid) || errors.Is(err, backend.ErrCorrupt) || errors.Is(err, backend.ErrDiverged):
		return err
	case errors.As(err, &api) && api.APIError() != nil && api.APIError().Code == 400:
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%w: %s: %w", backend.ErrUnavailable, what, err)
}

func (p *port) Identity() (backend.LogID, []backend.Ancestor) { return p.id, p.ancestors }

func (p *port) UnitBytes() int { return max(int(p.nc.MaxPayload())-unitOverhead, unitOverhead) }

func (p *port) Append(ctx context.Context, head uint64, u caslog.Unit) (uint64, error) {
	if p.checked.Load() != p.nc.Stats().Reconnects { // the server may have lost its end meanwhile, and would take the unit all the same
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
		var err error
		if i == 1 { // whose answer says whether the server takes batches
			err = p.request(ctx, p.message(head, part, header), nil)
		} else {
			err = p.nc.PublishMsg(p.message(0, part, header))
		}
		if err != nil {
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
	return a.Sequence, nil
}

// request publishes a message and takes the server's answer. After any error but caslog.ErrUnknown the message is not, and
// will not be, in the stream.
func (p *port) request(ctx context.Context, m *nats.Msg, a *ack) error {
	ctx, cancel := p.call(ctx)
	defer cancel()
	answer, err := p.nc.RequestMsgWithContext(ctx, m)
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
		return nil
	}
	switch a.Error.ErrorCode {
	case codeWrongSequence, codeWrongSequenceToo:
		return fmt.Errorf("%w: %w", caslog.ErrHeadMoved, a.Error)
	case codeBatchTooLarge:
		return fmt.Errorf("%w: %w", backend.ErrTooLarge, a.Error)
	case codeBatchesInFlight:
		return fmt.Errorf("%w: %w", backend.ErrUnavailable, a.Error)
	case codeInsufficient, codeStorageExceeded:
		return fmt.Errorf("%w: %w", backend.ErrFull, a.Error)
	case codeAtomicNotSupported:
		return fmt.Errorf("stream %s must allow atomic publishing: %w", streamName(p.opts.Log), a.Error)
	case codeStoreFailed:
		if strings.Contains(a.Error.Description, "maximum") || strings.Contains(a.Error.Description, "no space") {
			return fmt.Errorf("%w: %w", backend.ErrFull, a.Error)
		}
	}
	return fmt.Errorf("%w: %w", caslog.ErrUnknown, a.Error)
}

func (p *port) Head(caller context.Context) (uint64, error) {
	ctx, cancel := p.call(caller)
	defer cancel()
	reconnects := p.nc.Stats().Reconnects
	if p.again.Load() || p.checked.Load() != reconnects {
		if err := p.checkStream(ctx, caller); err != nil {
			return 0, err
		}
		p.again.Store(false)
	}
	for {
		m, err := p.stream.GetLastMsgForSubject(ctx, p.base+"*")
		if errors.Is(err, jetstream.ErrMsgNotFound) { // an empty stream, or another one
			if err = p.checkStream(ctx, caller); err == nil {
				p.checked.Store(reconnects)
			}
			return 0, err
		}
		if err != nil {
			return 0, p.failedTo(caller, "read the last message", err)
		}
		if i, n := partOf(m.Header); i == n {
			p.checked.Store(reconnects)
			return m.Sequence, nil
		}
		select { // the rest of the unit comes at once
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return 0, p.failedTo(caller, "read the last message", ctx.Err())
		}
	}
}

// failedTo returns the error of a read, which may pass. If the stream is another one now, it says so.
func (p *port) failedTo(ctx context.Context, what string, err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		p.again.Store(true)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %s of stream %s: %w", backend.ErrUnavailable, what, streamName(p.opts.Log), err)
}

// checkStream reads the stream's configuration again.
func (p *port) checkStream(ctx, caller context.Context) error {
	s, err := p.js.Stream(ctx, streamName(p.opts.Log))
	if err != nil {
		return p.failedTo(caller, "read the configuration", err)
	}
	config := &s.CachedInfo().Config
	id, _, err := identityOf(config)
	if err == nil && id != p.id {
		err = &backend.DivergedError{Log: id}
	}
	if err == nil {
		err = p.opts.checkConfig(config, p.id)
	}
	return err
}

// partOf returns which part of how many a message is.
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

func (p *port) Get(caller context.Context, at uint64) (caslog.Entry, error) {
	ctx, cancel := p.call(caller)
	defer cancel()
	var j joiner
	for seq := at; ; seq++ {
		m, err := p.stream.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrInvalidSubject) {
			return caslog.Entry{}, caslog.ErrNone
		}
		if err != nil {
			return caslog.Entry{}, p.failedTo(caller, fmt.Sprintf("read message %d", seq), err)
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

// few is how many units are read one by one rather than with a consumer.
const few = 4

func (p *port) Read(ctx context.Context, after, through uint64) iter.Seq2[caslog.Entry, error] {
	return func(yield func(caslog.Entry, error) bool) {
		if through != 0 && through <= after+few {
			return // Get does it
		}
		if err := p.read(ctx, after, through, yield); err != nil {
			yield(caslog.Entry{}, err)
		}
	}
}

// read yields what a consumer of its own gets. It returns nil if the loop's body has left it.
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
	messages, err := c.Messages(jetstream.PullMaxBytes(2*max(int(p.nc.MaxPayload()), 1<<20)), jetstream.PullHeartbeat(time.Second), jetstream.PullExpiry(10*time.Second))
	if err != nil {
		return p.failedTo(ctx, "read messages", err)
	}
	defer messages.Stop()
	var j joiner
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return p.failedTo(ctx, "read messages", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return p.failedTo(ctx, "read messages", err)
		}
		seq := meta.Sequence.Stream
		if j.add(m.Subject(), m.Headers(), seq, m.Data()) && !yield(j.entry, nil) {
			return nil
		}
		if through != 0 && seq >= through {
			return nil
		}
	}
}

func (p *port) Erase(ctx context.Context, first, last uint64) error {
	for seq := first; seq <= last; seq++ {
		call, cancel := p.call(ctx)
		err := p.stream.SecureDeleteMsg(call, seq)
		cancel()
		var api jetstream.JetStreamError
		if errors.As(err, &api) && api.APIError() != nil && (api.APIError().Code == 404 || strings.Contains(api.APIError().Description, "no message found") || api.APIError().ErrorCode == 10043) {
			err = nil
		}
		if err != nil {
			return p.failedTo(ctx, fmt.Sprintf("erase message %d", seq), err)
		}
	}
	return nil
}

// witnessKey is the key of the witness in the log's bucket.
const witnessKey = "head"

// bucket returns the bucket of what is kept beside the log: IGNITER_NAME.
func (p *port) bucket(ctx context.Context, create bool) (jetstream.KeyValue, error) {
	kv, err := p.js.KeyValue(ctx, streamName(p.opts.Log))
	if errors.Is(err, jetstream.ErrBucketNotFound) && create {
		kv, err = p.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: streamName(p.opts.Log), Description: "the end of a log of Igniter", Replicas: p.stream.CachedInfo().Config.Replicas})
		if errors.Is(err, jetstream.ErrBucketExists) {
			kv, err = p.js.KeyValue(ctx, streamName(p.opts.Log))
		}
	}
	return kv, err
}

func (p *port) Remember(ctx context.Context, text string) error {
	kv, err := p.bucket(ctx, true)
	if err == nil {
		_, err = kv.PutString(ctx, witnessKey, text)
	}
	return err
}

func (p *port) Recall(ctx context.Context) (string, error) {
	call, cancel := p.call(ctx)
	defer cancel()
	kv, err := p.bucket(call, false)
	var e jetstream.KeyValueEntry
	if err == nil {
		e, err = kv.Get(call, witnessKey)
	}
	if errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrKeyNotFound) {
		return "", nil
	}
	if err != nil {
		return "", p.failedTo(ctx, "read the witness", err)
	}
	return string(e.Value()), nil
}

func (p *port) Want() { _ = p.nc.Publish("igniter."+p.opts.Log+".want", []byte(p.process)) }

func (p *port) Wanted() bool { return p.wanted.Swap(false) }

func (p *port) Close() error {
	p.nc.Close()
	p.lost()
	return nil
}
