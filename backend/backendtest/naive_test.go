// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A naive is a backend of the simplest kind: a slice under a lock. It is correct unless it has one of the named bugs, see
// mutants.
type naive struct {
	*disk
	bug    string
	done   chan struct{} // closed by Close
	closed bool
	late   sync.WaitGroup
	turn   sync.Mutex // held by a writer, if the bug is to write slowly
	gen    int        // the number of snapshots written
	old    []backend.Fact
}

// A disk is the state of a naive that survives Close.
type disk struct {
	id        backend.LogID
	ancestors []backend.Ancestor
	replaced  bool // another disk is in its place; guarded by mu

	mu        sync.Mutex
	facts     []backend.Fact
	batches   map[uint64]int             // by seq: the number of the fact's batch
	batch     int                        // the latest batch
	ids       map[[2]string]backend.Fact // by what knownAs returns
	oneForAll bool                       // used by a bug
	latest    map[[2]string]string
	last      uint64
	time      time.Time
	writes    uint64
	visible   int
	saved     []backend.Fact // the log at its last snapshot
	pruned    []backend.Fact
	horizons  map[string]backend.Horizon
	verdicts  []backend.Fact // the memory of facts returned by Write, which a bug reuses
	changed   chan struct{}  // closed, and replaced, by every change
}

// naives returns an Opener of naives without a bug.
func naives() Opener { return newDisks("").open }

// disks are the disks of naives with a bug, by directory.
type disks struct {
	bug  string
	mu   sync.Mutex
	all  map[string]*disk
	made byte
}

func newDisks(bug string) *disks { return &disks{bug: bug, all: map[string]*disk{}, made: 1} }

// make returns an empty disk. The caller holds the lock.
func (x *disks) make() *disk {
	x.made++
	return &disk{id: backend.LogID{6: 0x70, 8: 0x80, 15: x.made}, ids: map[[2]string]backend.Fact{}, latest: map[[2]string]string{},
		batches: map[uint64]int{}, horizons: map[string]backend.Horizon{}, changed: make(chan struct{})}
}

// open is an Opener.
func (x *disks) open(_ testing.TB, dir string) backend.Backend {
	x.mu.Lock()
	defer x.mu.Unlock()
	d, known := x.all[dir]
	if !known {
		d = x.make()
		x.all[dir] = d
	}
	n := &naive{disk: d, bug: x.bug, done: make(chan struct{})}
	if known {
		n.reopened()
	}
	return n
}

// restore is an Options.Restore.
func (x *disks) restore(_ testing.TB, dir string, through uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	old, d := x.all[dir], x.make()
	old.mu.Lock()
	defer old.mu.Unlock()
	d.ancestors = backend.Inherit(old.id, old.ancestors, through)
	switch x.bug {
	case "a restored log keeps its identity":
		d.id, d.ancestors = old.id, nil
	case "a restored log forgets its ancestors":
		d.ancestors = nil
	case "an ancestor's cursor goes on up to the end":
		d.ancestors[0].Through = old.last
	}
	for _, f := range old.facts {
		if f.Seq <= through {
			d.facts = append(d.facts, f)
			d.batches[f.Seq] = old.batches[f.Seq]
			d.ids[[2]string{f.Store, f.ID}], d.latest[[2]string{f.Store, f.Key}] = f, f.ID
		}
	}
	d.batch, d.last, d.time, d.visible = old.batch, through, old.time, len(d.facts)
	x.all[dir], old.replaced = d, true
	close(old.changed)
	old.changed = make(chan struct{})
}

// reopened makes the changes of bugs that affect a reopened log.
func (n *naive) reopened() {
	switch n.bug {
	case "reopen forgets all":
		n.facts = nil
	case "reopen loses the last":
		n.facts = n.facts[:max(0, len(n.facts)-1)]
	case "reopen gets another identity":
		n.id[0]++
	case "reopen forgets horizons":
		n.horizons = map[string]backend.Horizon{}
	case "reopen restarts seqs":
		n.last = 0
	case "reopen keeps 10,000 IDs":
		n.keepIDs()
	case "reopen forgets IDs":
		n.ids = map[[2]string]backend.Fact{}
	case "reopen forgets keys":
		n.latest = map[[2]string]string{}
	case "reopen forgets the borders of batches":
		clear(n.batches)
	case "reopen forgets times":
		n.time = time.Time{}
	case "a reopened log has one ID for all stores":
		for _, f := range n.facts {
			n.ids[[2]string{"", f.ID}] = f
		}
		n.oneForAll = true
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

// yields lets other goroutines run, with the lock free.
func (n *naive) yields() { n.yieldsTo(50) }

// yieldsTo lets about that many other goroutines run.
func (n *naive) yieldsTo(others int) {
	n.mu.Unlock()
	for range others {
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
	if n.replaced {
		return &backend.DivergedError{Cursor: backend.Cursor{Log: n.id, Seq: n.last}}
	}
	return ctx.Err()
}

func (n *naive) Features() backend.Features {
	f := backend.Features{Batches: true, Prune: n.bug != "says that it prunes nothing", AllIDs: n.bug != "remembers 10,000 IDs", MaxFrame: 16 << 20}
	if n.bug == "says that one store may be read" {
		f.Stores = []string{"a"}
	}
	return f
}

func (n *naive) expects(expect []backend.Expect) error {
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
	if n.bug == "takes no notice of spaces at the end" {
		store, key = strings.TrimRight(store, " "), strings.TrimRight(key, " ")
	}
	return [2]string{store, key}
}

// knownAs returns the key of a fact in ids.
func (n *naive) knownAs(f backend.Fact) [2]string {
	switch {
	case n.bug == "knows IDs in any case":
		return [2]string{f.Store, strings.ToLower(f.ID)}
	case n.bug == "has one ID for all stores", n.oneForAll:
		return [2]string{"", f.ID}
	case n.bug == "joins store and ID":
		return [2]string{"", f.Store + f.ID}
	}
	return [2]string{f.Store, f.ID}
}

func (n *naive) hash(value []byte) string {
	text := value
	if n.bug != "hashes the bytes as they are" {
		text = canonical(value)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
