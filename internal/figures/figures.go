// SPDX-License-Identifier: Apache-2.0

// Package figures is for benchmarks. It measures several ways to do the same work, in turns, so that other load on the
// machine slows all of them alike.
package figures

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Way is one way to do the work of a row.
type Way struct {
	Name string
	Turn func(d time.Duration) float64 // works for about d, and returns a figure
}

// slice is how long a way works in each turn.
const slice = 400 * time.Millisecond

// Row measures ways in turns, as many as -benchtime says (5x: five of each way), and prints the median, the least and the
// greatest figure of each. The last column is the median divided by the median of the first way. It returns the medians, or nil if
// -bench leaves the row out.
func Row(b *testing.B, name, unit string, ways ...Way) (medians []float64) {
	b.Run(name, func(b *testing.B) {
		all := make([][]float64, len(ways))
		for _, w := range ways {
			w.Turn(slice / 8)
		}
		for b.Loop() {
			for i, w := range ways {
				all[i] = append(all[i], w.Turn(slice))
			}
		}
		b.ReportMetric(0, "ns/op")
		first := Median(all[0])
		medians = make([]float64, len(ways))
		var text strings.Builder
		for i, w := range ways {
			medians[i] = Median(all[i])
			fmt.Fprintf(&text, "\n%-52s %10.0f %s (%.0f to %.0f)  %.2f", w.Name, Median(all[i]), unit, slices.Min(all[i]), slices.Max(all[i]), Median(all[i])/first)
		}
		b.Log(Machine() + text.String())
	})
	return medians
}

// Median returns the median of figures, and sorts them.
func Median(all []float64) float64 {
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// Rate returns a turn that calls do from some goroutines at once. Its figure is the number of calls per second, multiplied
// by each.
func Rate(goroutines, each int, do func()) func(time.Duration) float64 {
	return func(d time.Duration) float64 {
		var n atomic.Int64
		var all sync.WaitGroup
		begun := time.Now()
		for range goroutines {
			all.Go(func() {
				for time.Since(begun) < d {
					do()
					n.Add(1)
				}
			})
		}
		all.Wait()
		return float64(n.Load()) * float64(each) / time.Since(begun).Seconds()
	}
}

// Latency returns a turn that calls do again and again. Its figure is the median of the durations that do returns, in
// microseconds.
func Latency(do func() time.Duration) func(time.Duration) float64 {
	return func(d time.Duration) float64 {
		var all []float64
		for begun := time.Now(); len(all) == 0 || time.Since(begun) < d; {
			all = append(all, float64(do().Nanoseconds())/1000)
		}
		return Median(all)
	}
}

// Machine describes the machine, and how busy it is.
func Machine() string {
	return fmt.Sprintf("%s, %d processors, Linux %s, %s; load %s", after("/proc/cpuinfo", "model name\t: "), runtime.NumCPU(), after("/proc/sys/kernel/osrelease", ""), runtime.Version(), after("/proc/loadavg", ""))
}

// after returns the rest of a file's line after a text; "?" if none exists.
func after(path, text string) string {
	all, _ := os.ReadFile(path)
	if _, rest, ok := strings.Cut(string(all), text); ok && rest != "" {
		line, _, _ := strings.Cut(rest, "\n")
		return line
	}
	return "?"
}
