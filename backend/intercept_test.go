// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

type (
	writeNext = func(context.Context, ...backend.Batch) []backend.Written
	readNext  = func(context.Context, backend.Range) iter.Seq2[backend.Page, error]
	pruneNext = func(context.Context, iter.Seq[uint64], backend.Horizon) (backend.PruneReport, error)
	statsNext = func(context.Context) (backend.Stats, error)
)

// TestInterceptNothing checks that a log without hooks is the log.
func TestInterceptNothing(t *testing.T) {
	ctx := context.Background()
	l := new(list)
	log := backend.Complete(l)
	d := backend.Intercept(log, backend.Hooks{})
	f, err := d.WriteFact(ctx, valid())
	require.NoError(t, err)
	second := valid()
	second.ID = "second"
	require.NoError(t, d.Write(ctx, backend.Batch{Facts: []backend.Fact{second}})[0].Err)
	pages, err := collect(d.Replay(ctx, backend.Range{Through: f.Seq}))
	require.NoError(t, err)
	require.Equal(t, []string{"1 <=1"}, pageText(pages))
	pages, err = collect(d.Follow(ctx, backend.Range{Through: 2}))
	require.NoError(t, err)
	require.Equal(t, []string{"1 2 <=2"}, pageText(pages))
	s, err := d.Stats(ctx)
	require.NoError(t, err)
	require.Equal(t, uint64(2), s.Facts)
	_, err = d.Prune(ctx, slices.Values([]uint64{1}), backend.Horizon{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, d.WriteSnapshot(ctx, 0))
	require.Equal(t, log.Features(), d.Features())
	require.NoError(t, d.Close())
	require.True(t, l.closed)
}

func TestInterceptHooks(t *testing.T) {
	ctx := context.Background()
	var calls []string
	log := backend.Complete(new(list))
	d := backend.Intercept(log, backend.Hooks{
		Write: func(ctx context.Context, batches []backend.Batch, next writeNext) []backend.Written {
			calls = append(calls, "write")
			for i := range batches {
				batches[i].Facts[0].Producer = []byte(`"hook"`)
			}
			return next(ctx, batches...)
		},
		Read: func(ctx context.Context, r backend.Range, next readNext) iter.Seq2[backend.Page, error] {
			calls = append(calls, "read")
			return next(ctx, r)
		},
		Prune: func(ctx context.Context, _ iter.Seq[uint64], h backend.Horizon, _ pruneNext) (backend.PruneReport, error) {
			calls = append(calls, "prune")
			return backend.PruneReport{Pruned: h.Seq}, nil
		},
		Stats: func(ctx context.Context, next statsNext) (backend.Stats, error) {
			calls = append(calls, "stats")
			s, err := next(ctx)
			s.DurableSeq = 7
			return s, err
		},
		Features: func(f backend.Features) backend.Features {
			f.Prune = true
			return f
		},
	})
	f, err := d.WriteFact(ctx, valid())
	require.NoError(t, err)
	require.Equal(t, `"hook"`, string(f.Producer))
	second := valid()
	second.ID = "second"
	require.Equal(t, `"hook"`, string(d.Write(ctx, backend.Batch{Facts: []backend.Fact{second}})[0].Facts[0].Producer))
	require.Equal(t, []string{"write", "write"}, calls)

	calls = nil
	loop := d.Replay(ctx, backend.Range{})
	require.Equal(t, []string{"read"}, calls, "the hook is called with the method")
	for range 2 {
		_, err = collect(loop)
		require.NoError(t, err)
	}
	_, err = collect(d.Follow(ctx, backend.Range{Through: 2}))
	require.NoError(t, err)
	require.Equal(t, []string{"read", "read"}, calls)

	calls = nil
	report, err := d.Prune(ctx, nil, backend.Horizon{Seq: 5})
	require.NoError(t, err)
	require.Equal(t, uint64(5), report.Pruned)
	s, err := d.Stats(ctx)
	require.NoError(t, err)
	require.Equal(t, uint64(7), s.DurableSeq)
	require.Equal(t, uint64(2), s.Facts)
	require.Equal(t, []string{"prune", "stats"}, calls)
	require.True(t, d.Features().Prune)
	require.False(t, log.Features().Prune)
}

func TestInterceptRefuses(t *testing.T) {
	ctx := context.Background()
	log := backend.Complete(new(list))
	d := backend.Intercept(log, backend.Hooks{Write: func(_ context.Context, batches []backend.Batch, _ writeNext) []backend.Written {
		return backend.Refused(len(batches), backend.ErrForbidden)
	}})
	f, err := d.WriteFact(ctx, valid())
	require.ErrorIs(t, err, backend.ErrForbidden)
	require.Zero(t, f)
	require.ErrorIs(t, d.Write(ctx, backend.Batch{}, backend.Batch{})[1].Err, backend.ErrForbidden)
	s, err := d.Stats(ctx)
	require.NoError(t, err)
	require.Zero(t, s.Facts)

	for _, wrong := range [][]backend.Written{nil, {}, {{}}, make([]backend.Written, 2)} {
		d := backend.Intercept(log, backend.Hooks{Write: func(context.Context, []backend.Batch, writeNext) []backend.Written { return wrong }})
		f, err := d.WriteFact(ctx, valid())
		require.ErrorContains(t, err, "the hook", "a hook without a verdict is an error, not a panic")
		require.Zero(t, f)
	}
}

// A framed log has a method that Log does not have.
type framed struct{ backend.Log }

func (framed) ReplayFrames() {}

// TestInterceptHides checks that a decorated log has Log's methods only.
func TestInterceptHides(t *testing.T) {
	d := backend.Intercept(framed{backend.Complete(new(list))}, backend.Hooks{})
	_, framed := d.(interface{ ReplayFrames() })
	require.False(t, framed)
	require.Equal(t, reflect.TypeFor[backend.Log]().NumMethod(), reflect.TypeOf(d).NumMethod())
}
