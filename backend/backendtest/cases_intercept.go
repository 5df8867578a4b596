// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"errors"
	"iter"
	"reflect"

	"github.com/igniter-store/igniter/backend"
)

// interceptCases are about decorators of the log.
func interceptCases() []testCase {
	return []testCase{
		{"intercept", 0, "Intercept: the Write hook is called for every write, WriteFact included; the Read hook for every loop, Replay and Follow alike.", intercept},
		{"intercept-refuse", 0, "Intercept: a hook may change, refuse or observe; what it refuses does not reach the log.", interceptRefuse},
		{"intercept-methods", 0, "Intercept: the decorated log has only the methods of Log, so that no call bypasses a hook.", interceptMethods},
	}
}

func intercept(h *harness) {
	b := h.open()
	wrote, read, other := 0, 0, map[string]int{}
	var batches []backend.Batch
	var r backend.Range
	d := h.opts.intercept(b, backend.Hooks{
		Write: func(ctx context.Context, all []backend.Batch, next func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
			wrote++
			batches = all
			return next(ctx, all...)
		},
		Read: func(ctx context.Context, asked backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			read++
			r = asked
			return next(ctx, asked)
		},
		Prune: func(ctx context.Context, seqs iter.Seq[uint64], horizon backend.Horizon, next func(context.Context, iter.Seq[uint64], backend.Horizon) (backend.PruneReport, error)) (backend.PruneReport, error) {
			other["Prune"]++
			return next(ctx, seqs, horizon)
		},
		Stats: func(ctx context.Context, next func(context.Context) (backend.Stats, error)) (backend.Stats, error) {
			other["Stats"]++
			return next(ctx)
		},
		Features: func(f backend.Features) backend.Features {
			other["Features"]++
			f.AllIDs = !f.AllIDs
			return f
		},
	})
	var log []backend.Fact
	for i := range 3 {
		log = append(log, h.write(d, fact(2*i))...)
		if wrote != 2*i+1 || len(batches) != 1 || len(batches[0].Facts) != 1 || batches[0].Facts[0].ID != fact(2*i).ID {
			h.Fatalf("after %d writes, the last by WriteFact, the hook was called %d times, the last time with %d batches", 2*i+1, wrote, len(batches))
		}
		log = append(log, h.wantWritten(d.Write(h.ctx, one(fact(2*i+1))))...)
		if wrote != 2*i+2 || len(batches) != 1 || len(batches[0].Facts) != 1 || batches[0].Facts[0].ID != fact(2*i+1).ID {
			h.Fatalf("after %d writes, the last by Write, the hook was called %d times, the last time with %d batches", 2*i+2, wrote, len(batches))
		}
	}
	h.wantLog(b, log)
	for i := range 3 {
		after := log[i].Seq
		h.wantSame("Replay", h.replay(d, after, "tasks"), log[i+1:])
		if read != 2*i+1 || r.After.Seq != after || len(r.Stores) != 1 {
			h.Fatalf("after %d loops, the last by Replay, the hook was called %d times, the last time %s", 2*i+1, read, rangeText(r))
		}
		got, err := take(followOf(h.ctx, d, from(after)), 5-i)
		if err != nil {
			h.Fatalf("Follow: %v", err)
		}
		h.wantSame("Follow", got, log[i+1:])
		if read != 2*i+2 || r.After.Seq != after {
			h.Fatalf("after %d loops, the last by Follow, the hook was called %d times, the last time %s", 2*i+2, read, rangeText(r))
		}
	}
	h.wantStats(d, log, log[5].Seq)
	if d.Features().AllIDs == b.Features().AllIDs {
		h.Fatalf("the hook does not change Features")
	}
	if d.Features().Prune {
		h.wantReport(h.prune(d, log[0].Seq), 1, 0)
		h.wantLog(d, log[1:])
		if other["Prune"] != 1 {
			h.Fatalf("after one Prune, the hook was called %d times", other["Prune"])
		}
	}
	if other["Stats"] != 1 || other["Features"] != 2 {
		h.Fatalf("the hooks were called so often: %v", other)
	}
	h.snapshot(d, 0)
	h.close(d)
	_, err := b.WriteFact(h.ctx, fact(9))
	h.wantError("WriteFact after the decorated log was closed", err, backend.ErrClosed)
}

func interceptRefuse(h *harness) {
	b := h.open()
	log := h.write(b, stored(8)...)
	refused := errors.New("the hook refuses")
	d := h.opts.intercept(b, backend.Hooks{
		Write: func(_ context.Context, all []backend.Batch, _ func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
			return backend.Refused(len(all), refused)
		},
		Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			r.Stores = []string{"b"}
			return next(ctx, r)
		},
	})
	got, err := d.WriteFact(h.ctx, fact(20))
	h.wantError("WriteFact", err, refused)
	h.wantSame("the fact beside the error", []backend.Fact{got}, []backend.Fact{{}})
	for _, w := range d.Write(h.ctx, one(fact(20)), one(fact(21))) {
		h.wantError("Write", w.Err, refused)
	}
	h.wantLog(b, log)
	only := part(log, from(0, "b"))
	h.wantLog(d, only)
	all, err := take(followOf(h.ctx, d, from(0)), len(only))
	if err != nil {
		h.Fatalf("Follow: %v", err)
	}
	h.wantSame("Follow", all, only)
}

func interceptMethods(h *harness) {
	d := reflect.TypeOf(h.opts.intercept(h.open(), backend.Hooks{}))
	log := reflect.TypeFor[backend.Log]()
	for i := range d.NumMethod() {
		if name := d.Method(i).Name; !hasMethod(log, name) {
			h.Errorf("the decorated log has a method %s, which Log does not have", name)
		}
	}
}

func hasMethod(t reflect.Type, name string) bool {
	_, ok := t.MethodByName(name)
	return ok
}
