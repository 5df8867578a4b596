// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/ctxsync"
)

// A store is a place in memory, which the Ports of several processes share.
type store struct {
	change ctxsync.Signal

	mu        sync.Mutex
	id        backend.LogID
	ancestors []backend.Ancestor
	entries   []Entry // at index i, the entry of position i+1; an entry without a body is missing
	witness   string
	leader    string // changes when another server leads
	blobs     map[string]memoryBlob
	ports     map[*memoryPort]bool // true: another process wants to append
}

func newStore(id backend.LogID, ancestors []backend.Ancestor) *store {
	return &store{id: id, ancestors: ancestors, ports: map[*memoryPort]bool{}, blobs: map[string]memoryBlob{}}
}

type memoryBlob struct {
	data []byte
	time time.Time
}

// replace replaces the log in the place by another one.
func (s *store) replace(other *store) {
	s.mu.Lock()
	s.id, s.ancestors, s.entries = other.id, other.ancestors, other.entries
	s.mu.Unlock()
	s.change.Notify()
}

// remove removes the entry at a position.
func (s *store) remove(at uint64) {
	s.mu.Lock()
	s.entries[at-1] = Entry{}
	s.mu.Unlock()
}

// A memoryPort is the Port of one process. hook, if not nil, is called at the beginning of each call, and returns its
// fault.
type memoryPort struct {
	store     *store
	id        backend.LogID
	ancestors []backend.Ancestor
	unit      int
	hook      func(ctx context.Context, op string) fault
	weigh     func(facts uint64) // if not nil, is called before each append with the number of its facts
	stale     atomic.Uint64      // the end of the log for Head and Gone; 0: the right one
}

// A fault is the way in which a call fails.
type fault int

const (
	fine   fault = iota
	failed       // it does nothing, and returns an error
	lost         // it does its work, and returns ErrUnknown
	late         // it returns ErrUnknown, and does its work at the next call without a fault
	early        // a Read ends early
	skip         // a Read skips the next entry
)

func (s *store) port(hook func(context.Context, string) fault) *memoryPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &memoryPort{store: s, id: s.id, ancestors: s.ancestors, unit: 64 << 10, hook: hook}
	s.ports[p] = false
	return p
}

func (p *memoryPort) call(ctx context.Context, op string) (fault, error) {
	how := fine
	if p.hook != nil {
		how = p.hook(ctx, op)
	}
	if err := ctx.Err(); err != nil {
		return how, err
	}
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	if p.store.id != p.id {
		return how, &backend.DivergedError{Log: p.store.id}
	}
	if how == failed {
		return how, fmt.Errorf("%w: %s fails", backend.ErrUnavailable, op)
	}
	return how, nil
}

func (p *memoryPort) Identity() (backend.LogID, []backend.Ancestor) { return p.id, p.ancestors }

func (p *memoryPort) Server() (address, name string) { return "", "" }

func (p *memoryPort) Append(ctx context.Context, head uint64, u Unit) (uint64, error) {
	if p.weigh != nil {
		h, _ := parseHeader(&Entry{Unit: u})
		p.weigh(h.last - h.first + 1)
	}
	how, err := p.call(ctx, "append")
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		return 0, err
	}
	if how == late {
		go func() {
			if p.hook(context.Background(), "late") == fine {
				_, _ = p.append(head, u)
			}
		}()
		return 0, ErrUnknown
	}
	pos, err := p.append(head, u)
	if how == lost {
		return 0, ErrUnknown
	}
	return pos, err
}

func (p *memoryPort) append(head uint64, u Unit) (uint64, error) {
	s := p.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := uint64(len(s.entries)); s.id != p.id || last != head {
		return 0, fmt.Errorf("%w: it is %d, not %d", ErrHeadMoved, last, head)
	}
	pos := head + 1
	u.Body = slices.Clone(u.Body)
	s.entries = append(s.entries, Entry{u, pos, pos})
	s.change.Notify()
	return pos, nil
}

func (p *memoryPort) Head(ctx context.Context) (uint64, error) {
	if _, err := p.call(ctx, "head"); err != nil {
		return 0, err
	}
	if stale := p.stale.Load(); stale != 0 {
		return stale, nil
	}
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	at := len(p.store.entries)
	for at > 0 && p.store.entries[at-1].Body == nil {
		at--
	}
	return uint64(at), nil
}

// entry returns the entry at a position, and the last position.
func (s *store) entry(at uint64) (Entry, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := uint64(len(s.entries))
	if at == 0 || at > last {
		return Entry{}, last
	}
	e := s.entries[at-1]
	e.Body = slices.Clone(e.Body)
	return e, last
}

func (p *memoryPort) Read(ctx context.Context, after, through uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for at := after + 1; through == 0 || at <= through; at++ {
			for {
				changed := p.store.change.Changed()
				if _, last := p.store.entry(0); at <= last {
					break
				}
				if through != 0 {
					return
				}
				select {
				case <-changed:
				case <-ctx.Done():
				}
				if _, err := p.call(ctx, ""); err != nil {
					yield(Entry{}, err)
					return
				}
			}
			op := "read"
			if through == 0 {
				op = "deliver"
			}
			how, err := p.call(ctx, op)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			e, _ := p.store.entry(at)
			if how == early {
				return
			}
			if e.Body != nil && how != skip && !yield(e, nil) {
				return
			}
		}
	}
}

func (p *memoryPort) Get(ctx context.Context, at uint64) (Entry, error) {
	if _, err := p.call(ctx, "get"); err != nil {
		return Entry{}, err
	}
	if e, _ := p.store.entry(at); e.Body != nil {
		return e, nil
	}
	return Entry{}, ErrNone
}

func (p *memoryPort) NextNote(ctx context.Context, after uint64) (Entry, error) {
	if _, err := p.call(ctx, "note"); err != nil {
		return Entry{}, err
	}
	for at := after + 1; ; at++ {
		e, last := p.store.entry(at)
		switch {
		case at > last:
			return Entry{}, ErrNone
		case e.Body != nil && e.Kind == Note:
			return e, nil
		}
	}
}

func (p *memoryPort) Erase(ctx context.Context, first, last uint64) error {
	if _, err := p.call(ctx, "erase"); err != nil {
		return err
	}
	for at := first; at <= last; at++ {
		p.store.remove(at)
	}
	return nil
}

func (p *memoryPort) Want() {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	for other := range p.store.ports {
		if other != p {
			p.store.ports[other] = true
		}
	}
}

func (p *memoryPort) Wanted() bool {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	wanted := p.store.ports[p]
	if wanted {
		p.store.ports[p] = false
	}
	return wanted
}

func (p *memoryPort) Remember(ctx context.Context, text string) error {
	if _, err := p.call(ctx, "remember"); err != nil {
		return err
	}
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.witness = text
	return nil
}

func (p *memoryPort) Recall(ctx context.Context) (string, error) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	return p.store.witness, ctx.Err()
}

func (p *memoryPort) Last(ctx context.Context, kind Kind) (Entry, error) {
	if _, err := p.call(ctx, "last"); err != nil {
		return Entry{}, err
	}
	for _, at := p.store.entry(0); at > 0; at-- {
		if e, _ := p.store.entry(at); e.Body != nil && e.Kind == kind {
			return e, nil
		}
	}
	return Entry{}, ErrNone
}

func (p *memoryPort) Gone(ctx context.Context) (n, last uint64, by string, err error) {
	if _, err := p.call(ctx, "gone"); err != nil {
		return 0, 0, "", err
	}
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	entries := p.store.entries
	if stale := p.stale.Load(); stale != 0 {
		entries = entries[:stale]
	}
	for i := range entries {
		if entries[i].Body == nil {
			n++
		}
	}
	return n, uint64(len(entries)), p.store.leader, nil
}

func (p *memoryPort) PutBlob(ctx context.Context, name string, r io.Reader) error {
	how, err := p.call(ctx, "put")
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if how == early {
		data = data[:len(data)/2]
	}
	p.store.mu.Lock()
	p.store.blobs[name] = memoryBlob{data, time.Now()}
	p.store.mu.Unlock()
	if how == lost || how == early {
		return fmt.Errorf("%w: put is lost", backend.ErrUnavailable)
	}
	return nil
}

func (p *memoryPort) GetBlob(ctx context.Context, name string) (io.ReadCloser, error) {
	how, err := p.call(ctx, "blob")
	if err != nil {
		return nil, err
	}
	p.store.mu.Lock()
	b, ok := p.store.blobs[name]
	p.store.mu.Unlock()
	if !ok {
		return nil, ErrNone
	}
	if how == early {
		b.data = b.data[:len(b.data)/2]
	}
	return io.NopCloser(bytes.NewReader(b.data)), nil
}

func (p *memoryPort) ListBlobs(ctx context.Context) (all []Blob, err error) {
	if _, err := p.call(ctx, "list"); err != nil {
		return nil, err
	}
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	for name, b := range p.store.blobs {
		all = append(all, Blob{name, b.time})
	}
	return all, nil
}

func (p *memoryPort) RemoveBlob(ctx context.Context, name string) error {
	if _, err := p.call(ctx, "unblob"); err != nil {
		return err
	}
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	delete(p.store.blobs, name)
	return nil
}

func (p *memoryPort) UnitBytes() int { return p.unit }

func (p *memoryPort) Close() error {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	delete(p.store.ports, p)
	return nil
}
