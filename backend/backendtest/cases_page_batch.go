// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"fmt"
	"maps"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// pageBatchCases are about the boundaries of batches in pages.
func pageBatchCases() []testCase {
	return []testCase{
		{"page-batches", batches, ruleBatches, pageBatches},
		{"page-batches-snapshot", batches, ruleBatches + "WriteSnapshot never changes what Replay yields.", pageBatchesSnapshot},
		{"page-batches-pruned", batches | pruning, ruleBatches + "Pruning leaves the rest of a batch together.", pageBatchesPruned},
		{"page-batches-reopened", batches | reopening, ruleBatches + "A log that is opened again keeps the boundaries of batches.", pageBatchesReopened},
		{"page-batches-follow", batches, ruleBatches + "The rules of pages hold for Follow.", pageBatchesFollow},
		{"page-batches-inside", batches, ruleBatches, pageBatchesInside},
	}
}

// borders has the name of each fact's batch, by seq.
type borders map[uint64]string

// wantWhole fails the case if a batch is cut between two of the pages, which are consecutive.
func (h *harness) wantWhole(what string, pages []backend.Page, in borders) {
	h.Helper()
	last := backend.Fact{}
	for _, p := range pages {
		if len(p.Facts) == 0 {
			continue
		}
		first := p.Facts[0]
		if batch := in[first.Seq]; batch != "" && batch == in[last.Seq] {
			h.Fatalf("%s: a page ends with fact %q of seq %d, and the next one begins with fact %q of seq %d: both are of batch %s",
				what, last.ID, last.Seq, first.ID, first.Seq, batch)
		}
		last = p.Facts[len(p.Facts)-1]
	}
}

// middle is the index of a fact inside the largest batch of a mixed log.
const middle = 120

// mixed writes batches and single facts, and returns them with the borders of the batches. A batch of many facts, and a
// batch of large facts, are larger than a page. If many is true, batches have more facts than a backend may read at once.
func (h *harness) mixed(b backend.Log, many bool) ([]backend.Fact, borders) {
	h.Helper()
	in := borders{}
	var log []backend.Fact
	n := 0
	sizes, text := []int{1, 3, 2, 230, 1, 60, 12, 4, 5, 25, 1, 2}, strings.Repeat("x", 1200)
	if many {
		sizes, text = []int{1, 3, 2, 1500, 1, 700, 12, 4, 5, 257, 1, 2}, ""
	}
	for i, size := range sizes {
		given := make([]backend.Fact, size)
		for j := range given {
			given[j] = of(fact(n).ID, []string{"a", "b", "c"}[n%3], fmt.Sprint("k", n%7), fmt.Sprintf(`{"n":%d,"text":%q}`, n, text))
			if i == 2 || i == 7 { // facts of half a page
				given[j].Value = wide(n).Value
				given[j].Value = append(given[j].Value[:len(given[j].Value)/2:len(given[j].Value)/2], `"}`...)
			}
			n++
		}
		if size == 1 {
			log = append(log, h.write(b, given...)...)
			continue
		}
		held := h.batch(b, given)
		for _, f := range held {
			in[f.Seq] = fmt.Sprint("number ", i)
		}
		log = append(log, held...)
	}
	return log, in
}

// wantBatches fails the case unless b has exactly the facts of log, in pages of whole batches.
func (h *harness) wantBatches(what string, b backend.Log, log []backend.Fact, in borders) {
	h.Helper()
	for _, stores := range [][]string{nil, {"a"}, {"b", "c"}} {
		for _, after := range []uint64{0, log[len(log)/3].Seq} {
			r := from(after, stores...)
			pages := h.replayPages(b, r)
			h.wantSame(what, factsOf(pages), part(log, r))
			h.wantWhole(what, pages, in)
		}
	}
}

func pageBatches(h *harness) {
	b := h.open()
	log, in := h.mixed(b, true)
	h.wantBatches("a log of batches", b, log, in)
	r := backend.Range{} // left after each page, and resumed
	var pages []backend.Page
	for r.After.Seq < log[len(log)-1].Seq {
		if err := walkPages(replayOf(h.ctx, b, r), func(p backend.Page) bool {
			pages, r.After = append(pages, p), p.Through
			return false
		}); err != nil {
			h.Fatalf("Replay %s: %v", rangeText(r), err)
		}
		if len(pages) > len(log) {
			h.Fatalf("loops that go on after each Through do not get to the log's end")
		}
	}
	h.wantSame("the log, page by page,", factsOf(pages), log)
	h.wantWhole("loops that were resumed at each page", pages, in)
}

func pageBatchesSnapshot(h *harness) {
	b := h.open()
	log, in := h.mixed(b, false)
	for _, through := range []uint64{log[len(log)/2].Seq, 0} { // the middle is inside a batch
		h.snapshot(b, through)
		h.wantBatches("a log of batches, after a snapshot,", b, log, in)
	}
}

func pageBatchesPruned(h *harness) {
	b := h.open()
	log, in := h.mixed(b, false)
	for _, every := range []int{7, 2} {
		var gone []uint64
		var left []backend.Fact
		for i, f := range log {
			if i%every == 1 {
				gone = append(gone, f.Seq)
			} else {
				left = append(left, f)
			}
		}
		h.prune(b, gone...)
		log = left
		h.wantBatches("a log of batches, after a part was pruned,", b, log, in)
		h.snapshot(b, 0)
		h.wantBatches("a log of batches, after a part was pruned and a snapshot,", b, log, in)
	}
}

func pageBatchesReopened(h *harness) {
	b := h.open()
	log, in := h.mixed(b, false)
	for range 2 {
		b = h.reopen(b)
		h.wantBatches("a log of batches, opened again,", b, log, in)
		h.snapshot(b, 0)
	}
	h.wantBatches("a log of batches, opened again, after a snapshot,", h.reopen(b), log, in)
}

// A batchTeam has, for each writer of batches, the facts that the log returned and the borders of its batches.
type batchTeam struct {
	told    [][]backend.Fact
	borders []borders
}

func (t batchTeam) merge() borders {
	all := borders{}
	for _, in := range t.borders {
		maps.Copy(all, in)
	}
	return all
}

// startBatches starts writers of n batches each, of the given size.
func (h *harness) startBatches(b backend.Log, n, size int) ([]*task, batchTeam) {
	team := batchTeam{make([][]backend.Fact, writers), make([]borders, writers)}
	tasks := make([]*task, writers)
	for w := range writers {
		team.borders[w] = borders{}
		tasks[w] = h.start(func() error {
			for i := range n {
				given := make([]backend.Fact, size)
				for j := range given {
					given[j] = by(w, size*i+j)
					given[j].Store = fmt.Sprintf("store-%d", j%3)
				}
				got, err := h.putBatch(b, backend.Batch{Facts: given})
				if err != nil {
					return fmt.Errorf("writer %d, batch %d: %w", w, i, err)
				}
				for _, f := range got {
					team.borders[w][f.Seq] = fmt.Sprintf("%d of writer %d", i, w)
				}
				team.told[w] = append(team.told[w], got...)
			}
			return nil
		})
	}
	return tasks, team
}

func pageBatchesFollow(h *harness) {
	b := h.open()
	before, in := h.mixed(b, false)
	const n, size = 20, 5
	ranges := []backend.Range{{}, from(before[middle].Seq), from(0, "b", "store-1")} // store-1 has two facts of each batch
	counts := []int{writers * n * size, writers * n * size, writers * n * 2}
	var followers []*task
	pages := make([][]backend.Page, 2*len(ranges))
	for i := range pages {
		r := ranges[i%len(ranges)]
		left := len(part(before, r)) + counts[i%len(ranges)]
		followers = append(followers, h.start(func() error {
			return walkPages(followOf(h.ctx, b, r), func(p backend.Page) bool {
				pages[i] = append(pages[i], p)
				left -= len(p.Facts)
				return left > 0
			})
		}))
	}
	tasks, team := h.startBatches(b, n, size)
	h.join(tasks...)
	h.join(followers...)
	maps.Copy(in, team.merge())
	log := h.replay(b, 0)
	h.wantAll(log[len(before):], team.told)
	for i := range pages {
		r := ranges[i%len(ranges)]
		h.wantSame("Follow "+rangeText(r), factsOf(pages[i]), part(log, r))
		h.wantWhole("Follow "+rangeText(r), pages[i], in)
	}
}

func pageBatchesInside(h *harness) {
	b := h.open()
	log, in := h.mixed(b, false)
	inside := log[middle].Seq
	for _, r := range []backend.Range{
		from(inside), {Through: inside}, {After: backend.Cursor{Seq: log[3].Seq}, Through: inside},
		{After: backend.Cursor{Seq: inside}, Through: log[middle+2].Seq}, from(inside, "b"),
	} {
		want := part(log, r)
		for _, l := range []loop{replayOf(h.ctx, b, r), followOf(h.ctx, b, r)} {
			if l.follows && r.Through == 0 {
				continue
			}
			pages, err := collectPages(l)
			if err != nil {
				h.Fatalf("a loop %s: %v", rangeText(r), err)
			}
			h.wantSame("a loop "+rangeText(r), factsOf(pages), want)
			h.wantWhole("a loop "+rangeText(r), pages, in)
		}
	}
}
