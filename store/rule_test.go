// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

type line struct {
	Order string `json:"order"`
	Price int    `json:"price"`
}

func lineOf(key, order string, price int) backend.Fact {
	return backend.Fact{Store: "lines", Key: key, Value: fmt.Appendf(nil, `{"order":%q,"price":%d}`, order, price)}
}

// totals gathers the lines of an order into its total.
func totals(e *store.Engine) store.Rule {
	lines := must(e.Index("lines", "order"))
	return store.Rule{Name: "totals", Source: "lines", Derive: func(ctx context.Context, source store.Record) (d store.Derived, err error) {
		var l line
		if err := json.Unmarshal(source.Value(), &l); err != nil {
			return d, err
		}
		if l.Price < 0 {
			return d, errors.New("a price below 0")
		}
		total := 0
		for r, err := range lines.List(ctx, l.Order, store.Moment{}) {
			if err != nil {
				return d, err
			}
			if err := json.Unmarshal(r.Value(), &l); err != nil {
				return d, err
			}
			total += l.Price
			d.From = append(d.From, store.Source{Store: r.Store(), ID: r.ID()})
		}
		d.Facts = []backend.Fact{{Store: "totals", Key: l.Order, Value: fmt.Append(nil, total)}}
		return d, nil
	}}
}

// Several engines write the sources of one target: it ends up right, whichever is last.
func TestGatheringFromSeveralWriters(t *testing.T) {
	l := newLog(t)
	engines := []*store.Engine{openEngine(t, l), openEngine(t, l)}
	var wg sync.WaitGroup
	const each = 50
	for i, e := range engines {
		require.NoError(t, e.AddRule(totals(e)))
		wg.Go(func() {
			for n := range each {
				if _, err := e.Write(t.Context(), lineOf(fmt.Sprint(i, "-", n), "o", 1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, e := range engines {
		require.NoError(t, e.Sync(t.Context()))
		r, ok := e.Get("totals", "o")
		require.True(t, ok)
		require.Equal(t, fmt.Sprint(2*each), string(r.Value()))
		_, sources := store.SourcesOf(r.Derivation())
		require.Len(t, sources, 2*each)
		n := 0
		for range e.Facts(t.Context(), "totals", 0) {
			n++
		}
		require.Equal(t, 2*each, n, "each source derives once")
	}
}

// For a source that is shown only after its writer has given up, rules run then.
func TestSourcesThatAreShownLate(t *testing.T) {
	l := newLog(t)
	release := make(chan struct{})
	s := stalled(l, release)
	e, err := store.Open(t.Context(), s, store.Options{DerivationFailed: func(_ store.Record, err error) { t.Error(err) }})
	require.NoError(t, err)
	defer e.Close()
	require.NoError(t, e.AddRule(totals(e)))
	before := e.Head()
	_, err = l.WriteFact(t.Context(), withID(fact("theirs", 1), "theirs"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error)
	go func() {
		_, err := e.Write(ctx, withID(lineOf("l", "o", 1), "mine"))
		written <- err
	}()
	for stats, err := s.Stats(t.Context()); stats.LastSeq < before+2; stats, err = s.Stats(t.Context()) {
		require.NoError(t, err)
		runtime.Gosched()
	}
	cancel()
	require.ErrorIs(t, <-written, context.Canceled)
	close(release)
	require.NoError(t, e.WaitFor(t.Context(), before+3))
	_, ok := e.Get("totals", "o")
	require.True(t, ok)
}

func TestScatteringAndFailing(t *testing.T) {
	var failed []error
	l := newLog(t)
	e, err := store.Open(t.Context(), l, store.Options{DerivationFailed: func(_ store.Record, err error) { failed = append(failed, err) }})
	require.NoError(t, err)
	defer e.Close()
	broken, runs := true, 0
	require.NoError(t, e.AddRule(store.Rule{Name: "scatter", Version: 3, Source: "lines", Derive: func(_ context.Context, source store.Record) (store.Derived, error) {
		if broken {
			return store.Derived{}, errors.New("broken")
		}
		runs++
		return store.Derived{Facts: []backend.Fact{
			{Store: "a", Key: source.Key(), Value: fmt.Append(nil, runs)}, {Store: "events", Value: []byte("1")}, {Store: "lines", Key: "derived", Value: []byte("1")},
		}}, nil
	}}))
	require.ErrorIs(t, e.AddRule(store.Rule{Name: "scatter", Source: "x", Derive: func(context.Context, store.Record) (d store.Derived, err error) { return }}), backend.ErrInvalid)
	source, err := e.Write(t.Context(), lineOf("l", "o", 1))
	require.NoError(t, err, "a rule that fails does not fail the write")
	require.Len(t, failed, 1)
	var de *store.DerivationError
	require.ErrorAs(t, failed[0], &de)
	require.Equal(t, source.ID, de.Source)
	require.Equal(t, uint64(2), e.Head(), "the rule is declared, and its source written")

	broken = false
	r, _ := e.Get("lines", "l")
	for range 2 { // the second time changes nothing
		require.NoError(t, e.Derive(t.Context(), r))
		require.Equal(t, uint64(7), e.Head(), "a derived fact triggers no rule, and a rule with several targets leaves a note")
	}
	derived, ok := e.Get("a", "l")
	require.True(t, ok)
	require.JSONEq(t, fmt.Sprintf(`{"rule":"scatter","version":3,"sources":[%q],"stores":["lines"]}`, source.ID), string(derived.Derivation()))
}
