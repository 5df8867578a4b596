// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// slow lets one writer write at a time, slowly, if that is the bug.
func (n *naive) slow() (end func()) {
	if n.bug != "Through runs ahead of open writes" && n.bug != "an open batch shows in part" {
		return func() {}
	}
	n.turn.Lock()
	return n.turn.Unlock
}

func (n *naive) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	defer n.slow()()
	if err := n.ready(ctx); err != nil && !(n.bug == "a diverged log accepts a write" && errors.Is(err, backend.ErrDiverged)) {
		n.mu.Lock()
		defer n.mu.Unlock()
		switch {
		case n.bug == "a cancelled write remembers the ID":
			n.ids[n.knownAs(f)] = n.complete(f)
		case n.bug == "a cancelled write is written" && !n.closed:
			_, _, _ = n.put([]backend.Fact{f}, nil)
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
	all, _, err := n.put([]backend.Fact{f}, nil)
	if err != nil {
		if n.bug == "an error with a fact" {
			return f, err
		}
		return backend.Fact{}, err
	}
	if n.bug == "hands out its memory when written" {
		return all[0], nil
	}
	got := all[0].Clone()
	if n.bug == "returns other bytes than it keeps" {
		got.Value = bytes.Clone(f.Value)
	}
	return got, nil
}

// overtaken returns an error if Close overtakes the call and the bug is to report a wrong error then.
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

// accepts reports whether the bug is to ignore err.
func (n *naive) accepts(err error) bool {
	var invalid *backend.InvalidError
	what, ok := strings.CutPrefix(n.bug, "overlooks ")
	return ok && errors.As(err, &invalid) && (invalid.Field == what || strings.Contains(invalid.Reason, what))
}

func (n *naive) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	defer n.slow()()
	if ctx.Err() != nil && n.bug == "a cancelled Write has no verdicts" {
		return nil
	}
	all := make([]backend.Written, len(batches))
	if n.bug == "verdicts are reused" {
		defer n.reuse(all)
	}
	for i := range batches {
		if n.bug == "writes the last batch first" {
			i = len(batches) - 1 - i
		}
		w := &all[i]
		w.Facts, w.First, w.Err = n.writeBatch(ctx, batches[i])
		switch {
		case w.Err != nil && n.bug == "a refused batch ends the Write":
			return all[:i+1]
		case w.Err != nil && n.bug == "a refused batch refuses the rest":
			for j := range all[i:] {
				all[i+j].Err = w.Err
			}
			return all
		case n.bug == "First names an old fact" && len(w.Facts) > 0:
			w.First = slices.MinFunc(w.Facts, bySeq).Seq
		}
	}
	return all
}

// reuse puts the facts of verdicts into the memory that the bug reuses.
func (n *naive) reuse(all []backend.Written) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.verdicts = n.verdicts[:0]
	for i := range all {
		at := len(n.verdicts)
		n.verdicts = append(n.verdicts, all[i].Facts...)
		all[i].Facts = n.verdicts[at:]
	}
}

// writeBatch writes one batch.
func (n *naive) writeBatch(ctx context.Context, b backend.Batch) ([]backend.Fact, uint64, error) {
	if err := n.ready(ctx); err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		switch {
		case n.bug == "a cancelled batch is written in part" && len(b.Facts) > 0 && !n.closed:
			_, _, _ = n.put(b.Facts[:1], nil)
		case n.bug == "a cancelled batch is written" && !n.closed:
			_, _, _ = n.put(b.Facts, nil)
		}
		return nil, 0, err
	}
	if err := n.overtaken(); err != nil {
		return nil, 0, err
	}
	if n.bug == "a batch is written one by one" {
		var all []backend.Fact
		for _, f := range b.Facts {
			held, err := n.WriteFact(ctx, f)
			if err != nil {
				return nil, 0, err
			}
			all = append(all, held)
		}
		return all, 0, nil
	}
	size := 0
	for _, f := range b.Facts {
		size += len(f.Value)
	}
	if size > 16<<20-1000 && n.bug != "takes batches of any size" {
		return nil, 0, backend.ErrTooLarge
	}
	if n.bug == "takes batches of any number" && max(len(b.Facts), len(b.Expect)) > backend.MaxBatch {
		b.Facts, b.Expect = slices.Clone(b.Facts[:1]), nil // which is enough
	}
	if n.bug == "does not check expectations' names" {
		b.Expect = slices.DeleteFunc(slices.Clone(b.Expect), func(e backend.Expect) bool {
			return (&backend.Batch{Expect: []backend.Expect{e}}).Validate() != nil
		})
	}
	if err := b.Validate(); err != nil {
		if n.bug == "a batch leaves out invalid facts" && len(b.Facts) > 1 {
			return n.writeBatch(ctx, backend.Batch{Facts: slices.DeleteFunc(slices.Clone(b.Facts), func(f backend.Fact) bool { return f.Validate() != nil })})
		}
		return nil, 0, err
	}
	if n.bug == "Write gives another causation" && len(b.Facts) == 1 {
		b.Facts = slices.Clone(b.Facts)
		b.Facts[0].Causation = "Write"
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.bug == "a batch is reversed":
		b.Facts = slices.Clone(b.Facts)
		slices.Reverse(b.Facts)
	case n.bug == "an empty batch checks nothing" && len(b.Facts) == 0:
		return nil, 0, nil
	case n.bug == "a batch lets others in between" && len(b.Facts) > 1:
		var all []backend.Fact
		for i := range b.Facts {
			one, _, err := n.put(b.Facts[i:i+1], nil)
			if err != nil {
				return nil, 0, err
			}
			all = append(all, one[0].Clone())
			n.yields()
		}
		return all, 0, nil
	}
	all, first, err := n.put(b.Facts, b.Expect)
	switch n.bug {
	case "a batch hands out its memory":
		return all, first, err
	case "Write returns what it is given":
		for i := range all {
			seq := all[i].Seq
			all[i] = b.Facts[i]
			all[i].Seq = seq
		}
	}
	return clones(all), first, err
}

// put writes checked facts, and returns the seq of the first new one. The caller holds the lock.
func (n *naive) put(given []backend.Fact, expect []backend.Expect) (all []backend.Fact, first uint64, err error) {
	if n.closed && n.bug != "works after Close" {
		return nil, 0, backend.ErrClosed
	}
	fresh, err := n.fresh(given)
	if err != nil {
		return nil, 0, err
	}
	if n.bug == "an ID is checked too early" {
		n.yields()
	}
	single := len(given) == 1 && expect == nil
	if len(given) == 0 || fresh > 0 || n.bug == "a held batch is checked again" {
		if n.bug == "a batch held in part is ignored" && 0 < fresh && fresh < len(given) {
			return clones(given), 0, nil
		}
		if err := n.expects(expect); err != nil {
			return nil, 0, err
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
	n.batch++
	all = make([]backend.Fact, len(given))
	for i, f := range given {
		if old, ok := n.ids[n.knownAs(f)]; ok && n.bug != "forgets IDs" && n.bug != "an ID is checked too early" {
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
		if first == 0 {
			first = all[i].Seq
		}
		n.batches[all[i].Seq] = n.batch
		if n.bug == "an open batch shows in part" {
			n.yieldsTo(3)
		}
	}
	close(n.changed)
	n.changed = make(chan struct{})
	return all, first, nil
}

// fresh counts the facts that the log does not hold.
func (n *naive) fresh(given []backend.Fact) (fresh int, err error) {
	inside := map[[2]string]backend.Fact{}
	for _, f := range given {
		old, ok := n.ids[n.knownAs(f)]
		if !ok {
			if old, ok = inside[n.knownAs(f)]; !ok {
				inside[n.knownAs(f)] = f
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
