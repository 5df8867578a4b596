// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A clock lets the entries of a row take turns.
type clock struct {
	turns int
	turn  turn                                  // its dir has the directories of entries
	log   func(format string, arguments ...any) // prints the progress of the run
}

// An outcome is what all turns of an entry measured.
type outcome struct {
	Contender string    `json:"contender"`
	Promise   string    `json:"promise"`
	Kind      kind      `json:"kind"`
	Samples   []sample  `json:"samples,omitempty"`
	Median    float64   `json:"median"`
	Low       float64   `json:"low"`
	High      float64   `json:"high"`
	Latency   []float64 `json:"latency,omitempty"` // medians of p50, p99 and p99.9, µs
	Skipped   string    `json:"skipped,omitempty"` // why it did not take part
	Failed    string    `json:"failed,omitempty"`
}

// A result is what a row measured.
type result struct {
	Section  string    `json:"section"`
	Name     string    `json:"name"`
	Unit     string    `json:"unit"`
	Lower    bool      `json:"lower_is_better"`
	Again    string    `json:"again,omitempty"` // when it was measured, if that was after the whole run
	Outcomes []outcome `json:"outcomes"`
}

// measure lets each entry take its turns, one after the other: A B C, A B C, ….
func (c *clock) measure(r row) result {
	all := result{Section: r.section, Name: r.name, Unit: r.unit.name, Lower: r.unit.lower, Outcomes: make([]outcome, len(r.entries))}
	turns := make([]turn, len(r.entries))
	for i, e := range r.entries {
		o := &all.Outcomes[i]
		o.Contender, o.Promise, o.Kind = e.name, e.promise, e.kind
		turns[i] = c.turn
		turns[i].dir = filepath.Join(c.turn.dir, fmt.Sprint(i))
		if err := c.begin(e, &turns[i]); err != nil {
			o.end(err)
		}
	}
	for n := range c.turns {
		for i, e := range r.entries {
			o := &all.Outcomes[i]
			if o.Skipped != "" || o.Failed != "" {
				continue
			}
			debug.FreeOSMemory() // memory of earlier turns
			s, err := e.run(&turns[i])
			if err != nil {
				o.end(err)
			} else {
				o.Samples = append(o.Samples, s)
				c.log("%s: %s: %s, turn %d: %s %s\n", r.section, r.name, e.name, n+1, figure(s.Value), r.unit.name)
			}
			if e.prepare == nil {
				_ = os.RemoveAll(turns[i].dir) // and so writes that are still pending. The parent is removed later, with all that is left
			}
		}
	}
	for i, e := range r.entries {
		if e.cleanup != nil {
			e.cleanup()
		}
		_ = os.RemoveAll(turns[i].dir)
		all.Outcomes[i].settle()
		if o := all.Outcomes[i]; o.Skipped != "" || o.Failed != "" {
			c.log("%s: %s: %s: %s%s\n", r.section, r.name, e.name, o.Skipped, o.Failed)
		}
	}
	return all
}

func (c *clock) begin(e entry, t *turn) error {
	if e.prepare == nil {
		return nil
	}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return err
	}
	defer syscall.Sync() // so that no write is still pending in the next turn
	return e.prepare(t)
}

func (o *outcome) end(err error) {
	if o.Failed = err.Error(); skipped(err) {
		o.Skipped, o.Failed = o.Failed, ""
	}
}

// settle computes medians.
func (o *outcome) settle() {
	if len(o.Samples) == 0 {
		return
	}
	values := make([]float64, len(o.Samples))
	for i, s := range o.Samples {
		values[i] = s.Value
	}
	o.Median, o.Low, o.High = median(values), slices.Min(values), slices.Max(values)
	for q := range o.Samples[0].Latency {
		of := make([]float64, len(o.Samples))
		for i, s := range o.Samples {
			of[i] = s.Latency[q]
		}
		o.Latency = append(o.Latency, median(of))
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// open makes the turn's directory and opens a contender in it.
func open[L any](t *turn, by func(dir string) (L, error)) (L, error) {
	var none L
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return none, err
	}
	return by(t.dir)
}

// drive calls op from some goroutines, each with the numbers of the next size records, until the span is over, but at
// least once. A tenth of the span before that is not measured. Latencies are of all calls.
func (t *turn) drive(goroutines, size int, op func(g, from int) error) (sample, error) {
	var next atomic.Int64
	var stop atomic.Bool
	latencies, errs := make([][]float64, goroutines), make([]error, goroutines)
	counts := make([]int, goroutines)
	begin := time.Now().Add(t.span / 10)
	end := begin.Add(t.span)
	var all sync.WaitGroup
	starts, ends := make([]time.Time, goroutines), make([]time.Time, goroutines)
	for g := range goroutines {
		all.Go(func() {
			at := time.Now()
			for !stop.Load() {
				from := int(next.Add(int64(size))) - size
				if errs[g] = op(g, from); errs[g] != nil {
					stop.Store(true)
					return
				}
				now := time.Now()
				if !at.Before(begin) {
					if counts[g] == 0 {
						starts[g] = at
					}
					latencies[g] = append(latencies[g], float64(now.Sub(at))/1e3)
					counts[g] += size
				}
				if at = now; counts[g] > 0 && !now.Before(end) {
					break
				}
			}
			ends[g] = at
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return sample{}, err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	took := slices.MaxFunc(ends, time.Time.Compare).Sub(slices.MinFunc(starts, time.Time.Compare))
	return sample{Value: float64(total) / took.Seconds(), Latency: quantiles(latencies...)}, nil
}

// quantiles returns p50, p99 and p99.9 of latencies; nil without any.
func quantiles(parts ...[]float64) []float64 {
	all := slices.Concat(parts...)
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	at := func(q float64) float64 { return all[min(int(float64(len(all))*q), len(all)-1)] }
	return []float64{at(0.5), at(0.99), at(0.999)}
}

// each returns how many nanoseconds a call of op takes. One goroutine calls op repeatedly.
func (t *turn) each(op func(n int) error) (sample, error) {
	const some = 64 // calls between two looks at the clock
	n := 0
	warm := time.Now().Add(t.span / 10)
	for time.Now().Before(warm) {
		if err := op(n); err != nil {
			return sample{}, err
		}
		n++
	}
	start, first := time.Now(), n
	for {
		for range some {
			if err := op(n); err != nil {
				return sample{}, err
			}
			n++
		}
		if took := time.Since(start); took >= t.span {
			return sample{Value: float64(took) / float64(n-first)}, nil
		}
	}
}
