// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/igniter-store/igniter/backend/file"
)

// growthSection is drawn as curves.
const growthSection = "Growth"

// growthRows returns rows of this project alone: an engine over a log in files of more and more records. Each entry is a
// number of records.
func growthRows() []row {
	counts := []int{100_000, million, 10 * million}
	all := []row{
		{name: "open", unit: seconds}, {name: "current read, any of 32,768 keys", unit: nanoseconds}, {name: "write, sync never", unit: perSecond},
		{name: "heap", unit: bytesEach}, {name: "disk", unit: bytesEach},
	}
	for i := range all {
		all[i].section = growthSection
		for _, n := range counts {
			all[i].entries = append(all[i].entries, entry{name: figure(float64(n)), promise: "engine over a log in files", kind: ours})
		}
	}
	// One log of each size serves all rows, and stays until the program ends.
	for c, n := range counts {
		var g growth
		for i, run := range []func(g *growth, t *turn) (sample, error){(*growth).open, (*growth).read, (*growth).write, (*growth).use, (*growth).disk} {
			all[i].entries[c].run = func(t *turn) (sample, error) {
				if err := g.fill(t, t.scaled(n)); err != nil {
					return sample{}, err
				}
				return run(&g, t)
			}
		}
	}
	return all
}

// A growth is a log of n records and an engine over it.
type growth struct {
	n      int
	dir    string
	bytes  int64 // on disk
	heap   int64
	engine *factEngine
}

// fill makes the log and opens it, once.
func (g *growth) fill(t *turn, n int) (err error) {
	if g.engine != nil {
		return nil
	}
	g.n = n
	if g.dir, err = os.MkdirTemp(filepath.Dir(t.dir), "growth-"); err != nil {
		return err
	}
	if err := fill(contender{open: openFile(file.SyncNever)}, g.dir, n); err != nil {
		return err
	}
	err = filepath.Walk(g.dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			g.bytes += info.Size()
		}
		return err
	})
	if err == nil {
		_, err = g.open(t)
	}
	return err
}

// open opens the engine, and leaves it open.
func (g *growth) open(*turn) (sample, error) {
	if g.engine != nil {
		if err := g.engine.close(); err != nil {
			return sample{}, err
		}
		g.engine = nil
	}
	before := heapNow()
	start := time.Now()
	e, err := over(openFile(file.SyncNever))(g.dir)
	if err != nil {
		return sample{}, err
	}
	took := time.Since(start)
	g.engine = e.(*factEngine)
	g.heap = heapNow() - before
	return sample{Value: took.Seconds()}, nil
}

func (g *growth) read(t *turn) (sample, error) {
	key := asked(min(g.n, recordRing))
	return t.each(func(n int) error { return g.engine.look(key(n)) })
}

func (g *growth) write(t *turn) (sample, error) {
	return t.drive(1, 1, func(_, n int) error { return g.engine.append(0, n*7919, 1) })
}

func (g *growth) use(*turn) (sample, error) {
	return sample{Value: float64(g.heap) / float64(g.n)}, nil
}

func (g *growth) disk(*turn) (sample, error) {
	return sample{Value: float64(g.bytes) / float64(g.n)}, nil
}
