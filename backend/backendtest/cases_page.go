// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// The rules of pages that cases share, as the comment of backend.Page says them.
const (
	ruleBatches = "Facts ascend and are whole batches. The first page begins inside a batch only if After does, and the last page ends inside a batch only if Range.Through does. "
	ruleThrough = "Through is at least the last fact's seq. Once a Through was yielded, no fact at or below it appears later. "
	ruleMoves   = "Through moves over pruned facts, facts of other stores, and facts that the caller may not read. "
	ruleEnd     = "A Replay that ends without an error has yielded a page, perhaps empty, whose Through is at least the last seq acknowledged before the loop began, or Range.Through. "
)

// pageCases are about the Through and the size of pages.
func pageCases() []testCase {
	return []testCase{
		{"page-through", 0, ruleThrough + ruleMoves, pageThrough},
		{"page-through-writing", 0, ruleThrough + "Others write meanwhile.", pageThroughWriting},
		{"page-through-batch", batches, ruleThrough + "Through never lies inside a batch that is being written.", pageThroughBatch},
		{"page-end", 0, ruleEnd, pageEnd},
		{"page-end-writing", 0, ruleEnd + "Others write meanwhile.", pageEndWriting},
		{"page-end-pruned", pruning, ruleEnd + ruleMoves, pageEndPruned},
		{"page-size", 0, "A page has whole batches, about 256 KiB, or one larger batch.", pageSize},
		{"page-access", 0, "Features.Stores: the stores that the caller may read, sorted; nil: all. Every store can be read.", pageAccess},
	}
}

func pageThrough(h *harness) {
	b := h.open()
	log := h.write(b, stored(40)...)
	for _, stores := range [][]string{nil, {"a"}, {"ab", "b"}, {"none"}, {}} {
		pages := h.replayPages(b, backend.Range{Stores: stores})
		last := pages[len(pages)-1].Through
		log = append(log, h.write(b, of(fact(len(log)).ID, "a", "k", "1"))...)
		r := backend.Range{After: last, Stores: stores}
		h.wantSame("a Replay "+rangeText(r), factsOf(h.replayPages(b, r)), part(log[len(log)-1:], backend.Range{Stores: stores}))
	}
}

// A reader reads a log in many loops, each after the Through of the last page, until it is stopped. It collects the pages.
type reader struct {
	*task
	stop  chan struct{}
	facts []backend.Fact
	pages []backend.Page
}

// startReader starts a reader. It leaves each loop after a different number of pages.
func (h *harness) startReader(b backend.Log, r backend.Range) *reader {
	rd := &reader{stop: make(chan struct{})}
	rd.task = h.start(func() error {
		for round := 0; ; round++ {
			stopped := false
			select {
			case <-rd.stop:
				stopped = true
			default:
			}
			left := round%3 + 1
			err := walkPages(replayOf(h.ctx, b, r), func(p backend.Page) bool {
				rd.pages = append(rd.pages, p)
				rd.facts = append(rd.facts, p.Facts...)
				r.After = p.Through
				left--
				return left > 0 || stopped
			})
			if err != nil || stopped {
				return err
			}
			runtime.Gosched()
		}
	})
	return rd
}

// wantReaders stops the readers once the tasks are over, and fails the case unless each has read log.
func (h *harness) wantReaders(b backend.Log, tasks []*task, readers map[string]*reader) {
	h.Helper()
	for _, t := range tasks {
		<-t.done
	}
	for _, rd := range readers {
		close(rd.stop)
	}
	h.join(tasks...)
	log := h.replay(b, 0)
	for store, rd := range readers {
		h.join(rd.task)
		r := backend.Range{}
		if store != "" {
			r.Stores = []string{store}
		}
		h.wantSame(fmt.Sprintf("what loops yielded that went on after each Through (store %q)", store), rd.facts, part(log, r))
	}
}

func pageThroughWriting(h *harness) {
	b := h.open()
	readers := map[string]*reader{}
	for _, store := range []string{"", "store-0", "store-1"} {
		r := backend.Range{}
		if store != "" {
			r.Stores = []string{store}
		}
		readers[store] = h.startReader(b, r)
	}
	tasks, told := h.startWriters(b, 60)
	h.wantReaders(b, tasks, readers)
	h.wantAll(h.replay(b, 0), told)
}

func pageThroughBatch(h *harness) {
	b := h.open()
	readers := map[string]*reader{"": h.startReader(b, backend.Range{}), "store-1": h.startReader(b, from(0, "store-1"))}
	tasks, borders := h.startBatches(b, 30, 5)
	h.wantReaders(b, tasks, readers)
	all := borders.merge()
	for store, rd := range readers {
		h.wantWhole(fmt.Sprintf("pages read while batches were written (store %q)", store), rd.pages, all)
	}
}

// wantEnd fails the case unless every Replay of b's log ends with a page through at least last.
func (h *harness) wantEnd(b backend.Log, last uint64) {
	h.Helper()
	for _, after := range []uint64{0, last / 2, last} {
		for _, stores := range [][]string{nil, {}, {"a"}, {"none"}} {
			r := backend.Range{After: backend.Cursor{Seq: after}, Stores: stores}
			if err := reached(h.replayPages(b, r), r, last); err != nil {
				h.Fatalf("Replay %s: %v", rangeText(r), err)
			}
		}
	}
}

func pageEnd(h *harness) {
	b := h.open()
	h.wantEnd(b, 0)
	for i, f := range append(stored(9), wides(14)[9:]...) {
		h.wantEnd(b, h.write(b, f)[0].Seq)
		if i%5 == 3 {
			h.snapshot(b, 0)
		}
	}
}

func pageEndWriting(h *harness) {
	b := h.open()
	tasks, _ := h.startWriters(b, 80)
	for _, stores := range [][]string{nil, {"store-0"}, {}} {
		tasks = append(tasks, h.start(func() error {
			for range 60 {
				r, acked := backend.Range{Stores: stores}, h.acked.Load()
				pages, err := collectPages(replayOf(h.ctx, b, r))
				if err != nil {
					return err
				}
				if err := reached(pages, r, acked); err != nil {
					return fmt.Errorf("a Replay %s: %w", rangeText(r), err)
				}
			}
			return nil
		}))
	}
	h.join(tasks...)
}

func pageEndPruned(h *harness) {
	b := h.open()
	log := h.write(b, stored(12)...)
	last := log[11].Seq
	for _, gone := range [][]backend.Fact{log[11:], log[8:11], log[:2], log[2:8]} {
		h.prune(b, seqs(gone)...)
		h.wantEnd(b, last)
		h.snapshot(b, 0)
		h.wantEnd(b, last)
	}
	f := h.write(b, fact(20))
	h.wantEnd(b, f[0].Seq)
	h.wantLog(b, f)
}

// maxPage limits the bytes of values in a page of small batches. It is generous, since backends count differently.
const maxPage = 4 * backend.PageSize

func pageSize(h *harness) {
	b := h.open()
	var given []backend.Fact
	for i := range 24 {
		f := wide(i)
		f.Value = slices.Concat(f.Value[:len(f.Value)/8], []byte(`"}`))
		given = append(given, f)
	}
	given = append(given, wides(27)[24:]...)
	log := h.write(b, given...)
	for _, l := range []loop{replayOf(h.ctx, b, from(0)), followOf(h.ctx, b, backend.Range{Through: log[len(log)-1].Seq})} {
		pages, err := collectPages(l)
		if err != nil {
			h.Fatalf("a loop over the log: %v", err)
		}
		for _, p := range pages {
			size := 0
			for _, f := range p.Facts {
				size += len(f.Value)
			}
			if size > maxPage && len(p.Facts) > 1 {
				h.Fatalf("a page has %d facts, which were written one by one, with %d bytes of values", len(p.Facts), size)
			}
		}
		h.wantSame("the log", factsOf(pages), log)
	}
}

func pageAccess(h *harness) {
	b := h.open()
	log := h.write(b, stored(8)...)
	if f := b.Features(); f.Stores != nil {
		h.Fatalf("Features say that the caller may read stores %q only", f.Stores)
	}
	h.wantLog(b, log)
}
