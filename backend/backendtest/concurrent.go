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
		{"concurrent-writers", 0, "Methods may be called concurrently: each writer's facts are all there, in its order, each with a seq of its own; TransactionTime is never before that of an earlier fact.", concurrentWriters},
		{"concurrent-same-fact", 0, "Facts are known by ID: writing one that the log holds already changes nothing and returns the fact as first written.", concurrentSameFact},
		{"concurrent-causation", 0, "Causation is the ID of the key's fact before this one, whoever wrote that.", concurrentCausation},
		{"acknowledged-is-visible", 0, "When WriteFact returns nil, every Replay begun later yields the fact.", acknowledgedIsVisible},
		{"replay-while-writing", 0, "Replay yields the facts in order, all those acknowledged before the loop began, and perhaps later ones: nothing is missing before a fact that it yields.", replayWhileWriting},
	}
}

const writers = 8

// by returns the n-th fact of a writer.
func by(writer, n int) backend.Fact {
	return of(fmt.Sprintf("writer-%d-%06d", writer, n), fmt.Sprintf("store-%d", writer%3), fmt.Sprintf("k%d", n%5),
		fmt.Sprintf(`{"writer":%d,"n":%d}`, writer, n))
}

// writing starts writers of n facts each. Each keeps what it was told in its place of the result.
func (l *lab) writing(b backend.Backend, n int) ([]*task, [][]backend.Fact) {
	tasks, told := make([]*task, writers), make([][]backend.Fact, writers)
	for w := range writers {
		tasks[w] = l.start(func() error {
			for i := range n {
				f, err := b.WriteFact(l.ctx, by(w, i))
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

// complete fails the case unless log is what the writers were told, each one's in its order.
func (l *lab) complete(log []backend.Fact, told [][]backend.Fact) {
	l.Helper()
	var all []backend.Fact
	for w, facts := range told {
		if !slices.IsSortedFunc(facts, bySeq) {
			l.Fatalf("the seqs of writer %d's facts are not in the order of its writes", w)
		}
		all = append(all, facts...)
	}
	slices.SortFunc(all, bySeq)
	for i := 1; i < len(all); i++ {
		if all[i].Seq == all[i-1].Seq {
			l.Fatalf("facts %q and %q were both given seq %d", all[i-1].ID, all[i].ID, all[i].Seq)
		}
	}
	l.same("the log, compared with what the writers were told,", log, all)
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

func concurrentWriters(l *lab) {
	b := l.open()
	tasks, told := l.writing(b, 60)
	l.join(tasks...)
	log := l.replay(b, 0)
	l.complete(log, told)
	highest := time.Time{}
	for _, f := range log {
		if f.TransactionTime.Before(highest) {
			l.Fatalf("fact %q has transaction time %v; an earlier fact has %v", f.ID, f.TransactionTime, highest)
		}
		highest = f.TransactionTime
	}
}

func concurrentSameFact(l *lab) {
	b := l.open()
	const rounds = 60
	told := make([][]backend.Fact, writers)
	for round := range rounds {
		var begin sync.WaitGroup
		begin.Add(1)
		tasks := make([]*task, writers)
		for w := range writers {
			tasks[w] = l.start(func() error {
				begin.Wait()
				f, err := b.WriteFact(l.ctx, fact(round))
				told[w] = append(told[w], f)
				return err
			})
		}
		begin.Done()
		l.join(tasks...)
	}
	log := l.replay(b, 0)
	if len(log) != rounds {
		l.Fatalf("the log holds %d facts; %d were written, by %d writers each", len(log), rounds, writers)
	}
	for _, facts := range told {
		l.same("what a writer was told", facts, log)
	}
}

func concurrentCausation(l *lab) {
	b := l.open()
	tasks := make([]*task, writers)
	for w := range writers {
		tasks[w] = l.start(func() error {
			for i := range 40 {
				f := by(w, i)
				f.Store = "shared"
				if _, err := b.WriteFact(l.ctx, f); err != nil {
					return err
				}
			}
			return nil
		})
	}
	l.join(tasks...)
	latest := map[string]string{}
	for _, f := range l.replay(b, 0) {
		if f.Causation != latest[f.Key] {
			l.Fatalf("fact %q of key %q has causation %q; the key's fact before it is %q", f.ID, f.Key, f.Causation, latest[f.Key])
		}
		latest[f.Key] = f.ID
	}
}

func acknowledgedIsVisible(l *lab) {
	b := l.open()
	tasks := make([]*task, writers)
	for w := range writers {
		tasks[w] = l.start(func() error {
			for i := range 40 {
				f, err := b.WriteFact(l.ctx, by(w, i))
				if err != nil {
					return err
				}
				got, err := take(b.Replay(l.ctx, f.Seq-1), 1)
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
	l.join(tasks...)
}

func replayWhileWriting(l *lab) {
	b := l.open()
	tasks, told := l.writing(b, 40)
	stop := make(chan struct{})
	var loops [][]backend.Fact
	reader := l.start(func() error {
		for {
			facts, err := collect(b.Replay(l.ctx, 0))
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
	l.join(append(tasks, reader)...)
	log := l.replay(b, 0)
	l.complete(log, told)
	for _, facts := range loops {
		l.same("a loop begun while facts were written, compared with the start of the log,", facts, log[:min(len(facts), len(log))])
	}
}
