package backendtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A naive is a backend of the simplest kind: a slice under a lock. It is correct, unless it has a
// bug by name, see mutants.
type naive struct {
	*disk
	bug    string
	done   chan struct{} // closed by Close
	closed bool
	late   sync.WaitGroup
	gen    int // how many snapshots were written
	old    []backend.Fact
}

// A disk is what a naive leaves behind when it is closed.
type disk struct {
	mu      sync.Mutex
	facts   []backend.Fact
	ids     map[string]backend.Fact
	latest  map[[2]string]string
	last    uint64
	time    time.Time
	writes  uint64
	visible int
	saved   []backend.Fact // the log at its last snapshot
	pruned  []backend.Fact
	changed chan struct{} // closed, and replaced, by every change
}

// naives returns an Opener of naives with the bug.
func naives(bug string) Opener {
	var mu sync.Mutex
	disks := map[string]*disk{}
	return func(_ testing.TB, dir string) backend.Backend {
		mu.Lock()
		defer mu.Unlock()
		d, known := disks[dir]
		if !known {
			d = &disk{ids: map[string]backend.Fact{}, latest: map[[2]string]string{}, changed: make(chan struct{})}
			disks[dir] = d
		}
		n := &naive{disk: d, bug: bug, done: make(chan struct{})}
		if known {
			n.reopened()
		}
		return n
	}
}

// reopened does what bugs do to a log that is opened again.
func (n *naive) reopened() {
	switch n.bug {
	case "reopen forgets all":
		n.facts = nil
	case "reopen loses the last":
		n.facts = n.facts[:max(0, len(n.facts)-1)]
	case "reopen restarts seqs":
		n.last = 0
	case "reopen forgets IDs":
		n.ids = map[string]backend.Fact{}
	case "reopen forgets keys":
		n.latest = map[[2]string]string{}
	case "reopen forgets times":
		n.time = time.Time{}
	case "reopen sees the snapshot only":
		if n.saved != nil {
			n.facts = slices.Clone(n.saved)
		}
	case "reopen brings back the pruned":
		n.facts = append(n.facts, n.pruned...)
		slices.SortFunc(n.facts, bySeq)
	case "reopen takes the last seq from the last fact":
		n.last = 0
		if len(n.facts) > 0 {
			n.last = n.facts[len(n.facts)-1].Seq
		}
	}
}

// yields lets others run, with the lock free.
func (n *naive) yields() {
	n.mu.Unlock()
	for range 50 {
		runtime.Gosched()
	}
	n.mu.Lock()
}

func (n *naive) ready(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed && n.bug != "works after Close" {
		return backend.ErrClosed
	}
	return ctx.Err()
}

func (n *naive) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	if err := n.ready(ctx); err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		switch {
		case n.bug == "a cancelled write remembers the ID":
			n.ids[f.ID] = n.complete(f)
		case n.bug == "a cancelled write is written" && !n.closed:
			_, _ = n.put([]backend.Fact{f}, nil)
		}
		return backend.Fact{}, err
	}
	if len(f.Value) > 16<<20-1000 && n.bug != "takes any size" {
		return backend.Fact{}, backend.ErrTooLarge
	}
	if err := f.Validate(); err != nil && !n.accepts(err) {
		if n.bug == "names no field" {
			err = &backend.InvalidError{Field: "fact", Reason: err.Error()}
		}
		return backend.Fact{}, err
	}
	if n.bug == "refuses the empty key" && f.Key == "" {
		return backend.Fact{}, &backend.InvalidError{Field: "key", Reason: "empty"}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	all, err := n.put([]backend.Fact{f}, nil)
	if err != nil {
		if n.bug == "an error with a fact" {
			return f, err
		}
		return backend.Fact{}, err
	}
	if n.bug == "hands out its memory when written" {
		return all[0], nil
	}
	return all[0].Clone(), nil
}

// overtaken is what the bug makes of a call that Close overtakes.
func (n *naive) overtaken() error {
	if n.bug == "Close breaks calls in flight" {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.yields(); n.closed {
			return errors.New("the log is gone")
		}
	}
	return nil
}

// accepts says whether the bug is to overlook err.
func (n *naive) accepts(err error) bool {
	var invalid *backend.InvalidError
	what, ok := strings.CutPrefix(n.bug, "overlooks ")
	return ok && errors.As(err, &invalid) && (invalid.Field == what || strings.Contains(invalid.Reason, what))
}

func (n *naive) WriteBatch(ctx context.Context, b backend.Batch) ([]backend.Fact, error) {
	if err := n.ready(ctx); err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		switch {
		case n.bug == "a cancelled batch is written in part" && len(b.Facts) > 0 && !n.closed:
			_, _ = n.put(b.Facts[:1], nil)
		case n.bug == "a cancelled batch is written" && !n.closed:
			_, _ = n.put(b.Facts, nil)
		}
		return nil, err
	}
	if err := n.overtaken(); err != nil {
		return nil, err
	}
	if n.bug == "a batch is written one by one" {
		var all []backend.Fact
		for _, f := range b.Facts {
			held, err := n.WriteFact(ctx, f)
			if err != nil {
				return nil, err
			}
			all = append(all, held)
		}
		return all, nil
	}
	size := 0
	for _, f := range b.Facts {
		size += len(f.Value)
	}
	if size > 16<<20-1000 && n.bug != "takes batches of any size" {
		return nil, backend.ErrTooLarge
	}
	if n.bug == "does not check expectations' names" {
		b.Expect = slices.DeleteFunc(slices.Clone(b.Expect), func(e backend.Expect) bool {
			return (&backend.Batch{Expect: []backend.Expect{e}}).Validate() != nil
		})
	}
	if err := b.Validate(); err != nil {
		if n.bug == "a batch leaves out invalid facts" && len(b.Facts) > 1 {
			return n.WriteBatch(ctx, backend.Batch{Facts: slices.DeleteFunc(slices.Clone(b.Facts), func(f backend.Fact) bool { return f.Validate() != nil })})
		}
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.bug == "a batch is reversed":
		b.Facts = slices.Clone(b.Facts)
		slices.Reverse(b.Facts)
	case n.bug == "an empty batch checks nothing" && len(b.Facts) == 0:
		return nil, nil
	case n.bug == "a batch lets others in between" && len(b.Facts) > 1:
		var all []backend.Fact
		for i := range b.Facts {
			one, err := n.put(b.Facts[i:i+1], nil)
			if err != nil {
				return nil, err
			}
			all = append(all, one[0].Clone())
			n.yields()
		}
		return all, nil
	}
	all, err := n.put(b.Facts, b.Expect)
	if n.bug == "a batch hands out its memory" {
		return all, err
	}
	return clones(all), err
}

// put writes facts that were checked. The lock is held.
func (n *naive) put(given []backend.Fact, expect []backend.Expect) ([]backend.Fact, error) {
	if n.closed && n.bug != "works after Close" {
		return nil, backend.ErrClosed
	}
	fresh, err := n.fresh(given)
	if err != nil {
		return nil, err
	}
	if n.bug == "an ID is checked too early" {
		n.yields()
	}
	single := len(given) == 1 && expect == nil
	if len(given) == 0 || fresh > 0 || n.bug == "a held batch is checked again" {
		if n.bug == "a batch held in part is ignored" && 0 < fresh && fresh < len(given) {
			return clones(given), nil
		}
		if err := n.check(expect); err != nil {
			return nil, err
		}
		if n.bug == "expectations are checked too early" && expect != nil {
			n.yields()
		}
	}
	before := map[[2]string]string{}
	if n.bug == "a batch has the causation from before it" {
		for k, id := range n.latest {
			before[k] = id
		}
	}
	all := make([]backend.Fact, len(given))
	for i, f := range given {
		if old, ok := n.ids[f.ID]; ok && n.bug != "forgets IDs" && n.bug != "an ID is checked too early" {
			all[i] = old
			n.writes++
			if n.bug == "returns what was written again" {
				all[i] = held(f, old)
				all[i].ValidTime = f.ValidTime
			}
			continue
		}
		f = n.complete(f)
		if n.bug == "a batch has the causation from before it" && given[i].Causation == "" {
			f.Causation = before[[2]string{f.Store, f.Key}]
		}
		if n.bug == "the causation is looked up too early" {
			n.yields()
		}
		all[i] = n.append(f, given[i], single)
	}
	close(n.changed)
	n.changed = make(chan struct{})
	return all, nil
}

// fresh counts the facts that the log does not hold.
func (n *naive) fresh(given []backend.Fact) (fresh int, err error) {
	inside := map[string]backend.Fact{}
	for _, f := range given {
		old, ok := n.ids[f.ID]
		if !ok {
			if old, ok = inside[f.ID]; !ok {
				inside[f.ID] = f
				fresh++
				continue
			}
		}
		hash, was := f.ValueHash, old.ValueHash
		if hash == "" {
			hash = n.hash(f.Value)
		}
		if was == "" {
			was = n.hash(old.Value)
		}
		if (old.Store != f.Store || old.Key != f.Key || was != hash) && n.bug != "knows facts by ID only" {
			return 0, fmt.Errorf("%w: %q", backend.ErrIDReused, f.ID)
		}
	}
	return fresh, nil
}

func (n *naive) check(expect []backend.Expect) error {
	for i, e := range expect {
		latest := n.latest[n.name(e.Store, e.Key)]
		if latest == e.ID || n.bug == "ignores expectations" || n.bug == "checks the first expectation only" && i > 0 {
			continue
		}
		if n.bug == "a conflict has no details" {
			return backend.ErrConflict
		}
		return &backend.ConflictError{Store: e.Store, Key: e.Key, Expected: e.ID, Latest: latest}
	}
	return nil
}

func (n *naive) name(store, key string) [2]string {
	switch n.bug {
	case "joins store and key":
		return [2]string{store + "/" + key}
	case "has one causation for all keys":
		return [2]string{}
	}
	return [2]string{store, key}
}

func (n *naive) hash(value []byte) string {
	text := value
	if n.bug != "hashes the bytes as they are" {
		text = canonical(value)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
