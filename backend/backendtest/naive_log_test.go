// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// complete fills in the fields that the log assigns. The caller holds the lock.
func (n *naive) complete(f backend.Fact) backend.Fact {
	if n.bug != "keeps the memory it is given" {
		f = f.Clone()
		f.Value = bytes.Trim(f.Value, " \t\r\n")
	}
	if f.ValueHash == "" || n.bug == "overrides the hash" {
		f.ValueHash = n.hash(f.Value)
	}
	if f.Causation == "" || n.bug == "overrides the causation" {
		f.Causation = n.latest[n.name(f.Store, f.Key)]
	}
	if n.bug == "gives no causation" {
		f.Causation = ""
	}
	if f.TransactionTime.IsZero() || n.bug == "overrides the transaction time" {
		f.TransactionTime = time.Now()
		if f.TransactionTime.Before(n.time) && n.bug != "lets transaction time run backwards" {
			f.TransactionTime = n.time
			if next := n.time.Add(1); next.Year() <= 9999 && n.bug != "stands still behind a future time" {
				f.TransactionTime = next
			}
		}
	}
	if f.SchemaVersion == 0 && n.bug != "keeps schema version 0" {
		f.SchemaVersion = 1
	}
	if n.bug != "keeps a producer of null" {
		if backend.IsNull(f.Producer) {
			f.Producer = nil
		}
		if backend.IsNull(f.Derivation) {
			f.Derivation = nil
		}
	}
	switch n.bug {
	case "compacts the value":
		var out bytes.Buffer
		if json.Compact(&out, f.Value) == nil {
			f.Value = out.Bytes()
		}
	case "parses numbers":
		var v any
		if json.Unmarshal(f.Value, &v) == nil {
			if text, err := json.Marshal(v); err == nil {
				f.Value = text
			}
		}
	case "cuts large values":
		f.Value = f.Value[:min(len(f.Value), 1<<16)]
	case "rounds valid times":
		f.ValidTime = f.ValidTime.Round(time.Microsecond)
	case "forgets who was let in":
		f.By = ""
	}
	return f
}

// append gives f its seq and adds it to the log. The caller holds the lock.
func (n *naive) append(f, given backend.Fact, single bool) backend.Fact {
	f.Seq = n.last + 1
	if given.Seq != 0 && n.bug == "keeps the given seq" {
		f.Seq = given.Seq
	}
	if n.bug == "gives a seq twice" {
		n.yields()
	}
	n.last = max(n.last, f.Seq)
	if n.bug == "Through runs ahead of open writes" {
		n.yieldsTo(3)
	}
	if n.bug == "shows a later seq first" && single {
		if f.Seq%2 == 1 {
			n.yieldsTo(10)
		}
		n.facts = append(n.facts, f)
		slices.SortFunc(n.facts, bySeq)
	} else if n.bug != "drops every tenth" || f.Seq%10 != 0 {
		n.facts = append(n.facts, f)
	}
	if k := len(n.facts); n.bug == "swaps two" && f.Seq%10 == 0 {
		n.facts[k-1], n.facts[k-2] = n.facts[k-2], n.facts[k-1]
	}
	if n.bug == "gives a seq twice" { // loops need an order
		slices.SortStableFunc(n.facts, bySeq)
	}
	if f.TransactionTime.After(n.time) {
		n.time = f.TransactionTime
	}
	n.ids[n.knownAs(f)] = f
	n.latest[n.name(f.Store, f.Key)] = f.ID
	if (n.bug == "a retraction removes the key") && f.Retraction() {
		delete(n.latest, n.name(f.Store, f.Key))
	}
	if i := len(n.facts) - 10_001; n.bug == "remembers 10,000 IDs" && i >= 0 {
		delete(n.ids, n.knownAs(n.facts[i]))
	}
	n.writes++
	if n.bug == "acknowledges before a fact is visible" {
		visible := len(n.facts)
		n.late.Go(func() {
			for range 20 {
				runtime.Gosched()
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			n.visible = max(n.visible, visible)
		})
	}
	return f
}

// keepIDs forgets all IDs except the IDs of the latest 10,000 facts.
func (n *naive) keepIDs() {
	for _, f := range n.facts[:max(0, len(n.facts)-10_000)] {
		delete(n.ids, n.knownAs(f))
	}
}

func (n *naive) WriteSnapshot(ctx context.Context, through uint64) error {
	if n.bug == "WriteSnapshot ignores ctx" {
		ctx = context.WithoutCancel(ctx)
	}
	if err := n.ready(ctx); err != nil {
		return err
	}
	if err := n.overtaken(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gen++
	switch n.bug {
	case "a snapshot drops the first fact":
		n.facts = n.facts[min(1, len(n.facts)):]
	case "a snapshot forgets the borders of batches":
		clear(n.batches)
	case "a snapshot forgets horizons":
		n.horizons = map[string]backend.Horizon{}
	case "a snapshot keeps 10,000 IDs":
		n.keepIDs()
	case "a snapshot forgets IDs":
		n.ids = map[[2]string]backend.Fact{}
	case "a snapshot loses what is written meanwhile":
		facts := slices.Clone(n.facts)
		n.yields()
		n.facts = facts
	case "a snapshot keeps the pruned":
		for _, f := range n.old {
			if !slices.ContainsFunc(n.facts, func(g backend.Fact) bool { return g.Seq == f.Seq }) {
				n.facts = append(n.facts, f)
			}
		}
		slices.SortFunc(n.facts, bySeq)
		n.old = slices.Clone(n.facts)
	}
	n.saved = slices.Clone(n.facts)
	return nil
}

func (n *naive) Prune(ctx context.Context, list iter.Seq[uint64], h backend.Horizon) (backend.PruneReport, error) {
	if n.bug == "Prune ignores ctx" {
		ctx = context.WithoutCancel(ctx)
	}
	if err := n.ready(ctx); err != nil {
		return backend.PruneReport{}, err
	}
	if err := n.overtaken(); err != nil {
		return backend.PruneReport{}, err
	}
	gone := map[uint64]bool{}
	asked := uint64(0)
	for seq := range list {
		gone[seq] = true
		asked++
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.bug != "takes a horizon as it is given" {
		h = h.Within(n.last, n.time)
	}
	kept := maps.Clone(n.horizons)
	report := backend.PruneReport{Missing: uint64(len(gone))}
	var left []backend.Fact
	for _, f := range n.facts {
		if !gone[f.Seq] {
			left = append(left, f)
			continue
		}
		report.Pruned++
		report.Missing--
		n.pruned = append(n.pruned, f)
		kept[f.Store] = kept[f.Store].Later(h)
		if n.bug == "keeps the latest horizon" {
			kept[f.Store] = h
		}
		if n.bug != "remembers pruned IDs" {
			delete(n.ids, n.knownAs(f))
		}
	}
	n.facts = left
	if n.bug == "has one horizon for all stores" {
		for _, f := range left {
			kept[f.Store] = kept[f.Store].Later(h)
		}
	}
	n.horizons = kept
	if n.bug != "remembers pruned facts as latest" {
		n.latest = map[[2]string]string{}
		for _, f := range left {
			n.latest[n.name(f.Store, f.Key)] = f.ID
		}
	}
	switch n.bug {
	case "pruning forgets the borders of batches":
		clear(n.batches)
	case "counts every seq asked for as pruned":
		report = backend.PruneReport{Pruned: asked}
	case "renumbers after pruning":
		for i := range n.facts {
			n.facts[i].Seq = uint64(i + 1)
		}
	case "prunes all before, too":
		for i, f := range slices.Backward(n.facts) {
			if gone[f.Seq+1] {
				n.facts = n.facts[i+1:]
				break
			}
		}
	case "gives the seq of a pruned last fact again":
		n.last = 0
		if len(left) > 0 {
			n.last = left[len(left)-1].Seq
		}
	}
	return report, nil
}

func (n *naive) Stats(ctx context.Context) (backend.Stats, error) {
	if err := n.ready(ctx); err != nil {
		return backend.Stats{}, err
	}
	if err := n.overtaken(); err != nil {
		return backend.Stats{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s := backend.Stats{Log: n.id, Ancestors: n.ancestors, LastSeq: n.last, Facts: uint64(len(n.facts)), Horizons: maps.Clone(n.horizons), LastTime: n.time}
	if n.bug == "hands out its horizons" {
		s.Horizons = n.horizons
	}
	if len(n.facts) > 0 {
		s.FirstSeq = n.facts[0].Seq
	}
	switch n.bug {
	case "counts facts written again":
		s.Facts = n.writes
	case "says a seq before its fact is there":
		s.LastSeq++
	case "says the last fact's time":
		if k := len(n.facts); k > 0 {
			s.LastTime = n.facts[k-1].TransactionTime
		}
	case "says the last seq held":
		s.LastSeq = 0
		if len(n.facts) > 0 {
			s.LastSeq = n.facts[len(n.facts)-1].Seq
		}
	}
	return s, nil
}

func (n *naive) Close() error {
	n.late.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		if n.bug == "closes once" {
			return errors.New("closed already")
		}
		return nil
	}
	n.closed = true
	close(n.done)
	if n.bug == "Close loses the last writes" {
		n.facts = n.facts[:max(0, len(n.facts)-3)]
	}
	return nil
}

// canonical returns the canonical JSON of a value.
func canonical(value []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return value
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(v) != nil {
		return value
	}
	return bytes.TrimSpace(out.Bytes())
}
