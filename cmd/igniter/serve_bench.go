// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/dustin/go-humanize"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

// A load says what a bench writes.
type load struct {
	Writers int `json:"writers"`
	Batch   int `json:"batch"`
	Size    int `json:"size"`

	facts    uint64
	duration time.Duration
	store    string
}

func (a *app) benchCommand() *cobra.Command {
	var l load
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "bench",
		Short: "Measure how fast a log is",
		Long: `Writes facts from several writers at once, reads them back, and shows how fast that was and how long each write took. The
log is in a directory, on a server or, by default, in memory. The facts stay in the log, in the store igniter-bench:
without --yes, the log must be empty. Results on a machine that does other work at the same time mean little.`,
		Example: `  igniter bench --path /var/tmp/bench --writers 16
  igniter bench --address 127.0.0.1:7400 --batch 100 --duration 30s --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if l.Writers < 1 || l.Batch < 1 || l.Size < 0 || l.duration <= 0 {
				return usage("--writers, --batch and --duration must be above 0, and --size not below 0")
			}
			a.byDefault, a.create = "memory", true
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				stats, err := log.Stats(cmd.Context())
				if err != nil {
					return err
				}
				if stats.LastSeq > 0 && !a.yes { // Facts is 0 for a token that may not read all
					return fmt.Errorf("the log holds facts through seq %d, and the facts of a bench stay in the log: use another log, or --yes", stats.LastSeq)
				}
				r, err := l.run(cmd.Context(), log, backend.Cursor{Log: stats.Log, Seq: stats.LastSeq})
				if err != nil {
					return err
				}
				return a.print(r, "%s", r)
			})
		},
	}))
	flags := cmd.Flags()
	flags.IntVar(&l.Writers, "writers", 8, "how many write at once")
	flags.IntVar(&l.Batch, "batch", 1, "facts in each write")
	flags.IntVar(&l.Size, "size", 256, "bytes of a fact's value, about")
	flags.DurationVar(&l.duration, "duration", 5*time.Second, "how long to write")
	flags.Uint64Var(&l.facts, "facts", 0, "stop writing after this many facts; 0: no limit")
	flags.StringVar(&l.store, "store", "igniter-bench", "store to write to")
	flags.BoolVar(&a.yes, "yes", false, "write to a log that holds facts")
	return cmd
}

// A benchReport says how fast a log was.
type benchReport struct {
	load
	Facts     int64              `json:"facts"`
	Seconds   float64            `json:"seconds"`
	PerSecond float64            `json:"facts_per_second"`
	Bytes     float64            `json:"value_bytes_per_second"`
	Replayed  float64            `json:"replayed_facts_per_second"`
	Latency   map[string]float64 `json:"write_milliseconds"`
}

var quantiles = []struct {
	name string
	at   float64
}{{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"max", 100}}

// run writes and reads.
func (l load) run(ctx context.Context, log backend.Log, after backend.Cursor) (benchReport, error) {
	r := benchReport{load: l, Latency: map[string]float64{}}
	writing, stop := context.WithTimeout(ctx, l.duration)
	defer stop()
	var claimed atomic.Uint64
	histograms, errs := make([]*hdrhistogram.Histogram, l.Writers), make([]error, l.Writers)
	var writers sync.WaitGroup
	start := time.Now()
	for n := range l.Writers {
		histograms[n] = hdrhistogram.New(1000, int64(10*time.Minute), 3)
		writers.Go(func() {
			for i := 0; writing.Err() == nil; i++ {
				if l.facts > 0 && claimed.Add(uint64(l.Batch)) > l.facts+uint64(l.Batch)-1 {
					return
				}
				batch, err := l.batch(n, i)
				began := time.Now()
				if err == nil {
					// With ctx, and not writing, a write that has begun is finished and counted.
					err = log.Write(ctx, batch)[0].Err
				}
				if errs[n] = err; err != nil {
					stop()
					return
				}
				_ = histograms[n].RecordValue(min(int64(time.Since(began)), int64(10*time.Minute))) // it is in range
			}
		})
	}
	writers.Wait()
	took := time.Since(start)
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	for _, h := range histograms[1:] {
		histograms[0].Merge(h)
	}
	r.Facts, r.Seconds = histograms[0].TotalCount()*int64(l.Batch), took.Seconds()
	r.PerSecond = float64(r.Facts) / r.Seconds
	r.Bytes = r.PerSecond * float64(l.Size)
	for _, q := range quantiles {
		r.Latency[q.name] = float64(histograms[0].ValueAtQuantile(q.at)) / 1e6
	}
	r.Latency["mean"] = histograms[0].Mean() / 1e6
	start, read := time.Now(), 0
	for p, err := range log.Replay(ctx, backend.Range{After: after}) {
		if err != nil {
			return r, err
		}
		read += len(p.Facts)
	}
	r.Replayed = float64(read) / time.Since(start).Seconds()
	return r, nil
}

// keysPerWriter is how many keys a writer has.
const keysPerWriter = 1000

// batch returns the facts of a writer's i-th write.
func (l load) batch(writer, i int) (backend.Batch, error) {
	facts := make([]backend.Fact, l.Batch)
	for n := range facts {
		id, err := uuid.NewV7()
		if err != nil {
			return backend.Batch{}, err
		}
		at := i*l.Batch + n
		value := fmt.Appendf(nil, `{"at":%d,"pad":"`, at)
		value = append(append(value, strings.Repeat("x", max(0, l.Size-len(value)-2))...), `"}`...)
		facts[n] = backend.Fact{ID: id.String(), Store: l.store, Key: strconv.Itoa(writer) + "-" + strconv.Itoa(at%keysPerWriter), Value: value}
	}
	return backend.Batch{Facts: facts}, nil
}

func (r benchReport) String() string {
	var speed table
	speed.row("writers", fmt.Sprintf("%d, %d facts a write, %d bytes a value", r.Writers, r.Batch, r.Size))
	speed.row("written", fmt.Sprintf("%s facts in %.2f s", humanize.Comma(r.Facts), r.Seconds))
	speed.row("facts/s", humanize.Comma(int64(r.PerSecond)))
	speed.row("values/s", humanize.IBytes(uint64(r.Bytes)))
	speed.row("read back", humanize.Comma(int64(r.Replayed))+" facts/s")
	latency := table{{"A WRITE TOOK", "MS"}}
	latency.row("mean", fmt.Sprintf("%.3f", r.Latency["mean"]))
	for _, q := range quantiles {
		latency.row(q.name, fmt.Sprintf("%.3f", r.Latency[q.name]))
	}
	return fmt.Sprint(speed, "\n", latency)
}
