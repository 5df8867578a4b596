// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// concurrentCases are about methods that are called at the same time.
func concurrentCases() []testCase {
	return []testCase{
		{"concurrent-writers", 0, "Methods may be called concurrently: each writer's facts are all there, in its order, each with its own seq; the log never gives a TransactionTime before the time of an earlier fact.", concurrentWriters},
		{"concurrent-same-fact", 0, "An ID names one fact: writing a fact that the log already holds changes nothing and returns the fact as first written.", concurrentSameFact},
		{"concurrent-causation", 0, "Causation is the ID of the key's latest fact, also if another writer wrote it.", concurrentCausation},
		{"acknowledged-is-visible", 0, "When WriteFact returns nil, every Replay begun later yields f.", acknowledgedIsVisible},
		{"replay-while-writing", 0, "Replay yields all facts that were acknowledged before the loop began, and perhaps later ones, in order: no fact is missing before one that it yields.", replayWhileWriting},
	}
}

const writers = 8

// by returns the n-th fact of a writer.
func by(writer, n int) backend.Fact {
	return of(fmt.Sprintf("writer-%d-%06d", writer, n), fmt.Sprintf("store-%d", writer%3), fmt.Sprintf("k%d", n%5),
		fmt.Sprintf(`{"writer":%d,"n":%d}`, writer, n))
}

// startWriters starts writers of n facts each. The second result has, for each writer, the facts that the log
// returned to it; read it once the tasks are over.
func (h *harness) startWriters(b backend.Log, n int) ([]*task, [][]backend.Fact) {
	tasks, told := make([]*task, writers), make([][]backend.Fact, writers)
	for w := range writers {
		tasks[w] = h.start(func() error {
			for i := range n {
				f, err := h.put(b, by(w, i))
				if err != nil {
					return fmt.Errorf("writer %d, fact %d: %w", w, i, err)
				}
				told[w] = append(told[w], f)
			}
			return nil
		})
	}
	return tasks, told
}

// wantAll fails the case unless log has exactly the facts that the writers got back, and keeps each writer's order.
func (h *harness) wantAll(log []backend.Fact, told [][]backend.Fact) {
	h.Helper()
	var all []backend.Fact
	for w, facts := range told {
		if !slices.IsSortedFunc(facts, bySeq) {
			h.Fatalf("the seqs of writer %d's facts are not in the order of its writes", w)
		}
		all = append(all, facts...)
	}
	slices.SortFunc(all, bySeq)
	for i := 1; i < len(all); i++ {
		if all[i].Seq == all[i-1].Seq {
			h.Fatalf("facts %q and %q were both given seq %d", all[i-1].ID, all[i].ID, all[i].Seq)
		}
	}
	h.wantSame("the log, compared with what the writers were told,", log, all)
}

func bySeq(a, b backend.Fact) int {
	switch {
	case a.Seq < b.Seq:
		return -1
	case a.Seq > b.Seq:
		return 1
	}
	return 0
}

func concurrentWriters(h *harness) {
	b := h.open()
	tasks, told := h.startWriters(b, 60)
	h.join(tasks...)
	log := h.replay(b, 0)
	h.wantAll(log, told)
	highest := time.Time{}
	for _, f := range log {
		if f.TransactionTime.Before(highest) {
			h.Fatalf("fact %q has transaction time %v; an earlier fact has %v", f.ID, f.TransactionTime, highest)
		}
		highest = f.TransactionTime
	}
}

func concurrentSameFact(h *harness) {
	b := h.open()
	const rounds = 60
	told := make([][]backend.Fact, writers)
	for round := range rounds {
		var begin sync.WaitGroup
		begin.Add(1)
		tasks := make([]*task, writers)
		for w := range writers {
			tasks[w] = h.start(func() error {
				begin.Wait()
				f, err := h.put(b, fact(round))
				told[w] = append(told[w], f)
				return err
			})
		}
		begin.Done()
		h.join(tasks...)
	}
	log := h.replay(b, 0)
	if len(log) != rounds {
		h.Fatalf("the log holds %d facts; %d were written, by %d writers each", len(log), rounds, writers)
	}
	for _, facts := range told {
		h.wantSame("what a writer was told", facts, log)
	}
}

func concurrentCausation(h *harness) {
	b := h.open()
	tasks := make([]*task, writers)
	for w := range writers {
		tasks[w] = h.start(func() error {
			for i := range 40 {
				f := by(w, i)
				f.Store = "shared"
				if _, err := h.put(b, f); err != nil {
					return err
				}
			}
			return nil
		})
	}
	h.join(tasks...)
	latest := map[string]string{}
	for _, f := range h.replay(b, 0) {
		if f.Causation != latest[f.Key] {
			h.Fatalf("fact %q of key %q has causation %q; the key's fact before it is %q", f.ID, f.Key, f.Causation, latest[f.Key])
		}
		latest[f.Key] = f.ID
	}
}

func acknowledgedIsVisible(h *harness) {
	b := h.open()
	tasks := make([]*task, writers)
	for w := range writers {
		tasks[w] = h.start(func() error {
			for i := range 40 {
				f, err := h.put(b, by(w, i))
				if err != nil {
					return err
				}
				got, err := take(replayOf(h.ctx, b, from(f.Seq-1)), 1)
				if err != nil {
					return fmt.Errorf("replay of fact %q, seq %d, after it was acknowledged: %w", f.ID, f.Seq, err)
				}
				if d := diff(got, []backend.Fact{f}); d != "" {
					return fmt.Errorf("an acknowledged fact is not what Replay yields (-want +got):\n%s", d)
				}
			}
			return nil
		})
	}
	h.join(tasks...)
}

func replayWhileWriting(h *harness) {
	b := h.open()
	tasks, told := h.startWriters(b, 40)
	stop := make(chan struct{})
	var loops [][]backend.Fact
	reader := h.start(func() error {
		for {
			facts, err := collect(replayOf(h.ctx, b, from(0)))
			if err != nil {
				return err
			}
			loops = append(loops, facts)
			select {
			case <-stop:
				return nil
			default:
			}
		}
	})
	for _, t := range tasks {
		<-t.done
	}
	close(stop)
	h.join(append(tasks, reader)...)
	log := h.replay(b, 0)
	h.wantAll(log, told)
	for _, facts := range loops {
		h.wantSame("a loop begun while facts were written, compared with the start of the log,", facts, log[:min(len(facts), len(log))])
	}
}
