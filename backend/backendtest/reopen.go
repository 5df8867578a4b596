package backendtest

import (
	"errors"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// reopenCases are about logs that are closed and opened again.
func reopenCases() []testCase {
	const stays = "Close releases the backend; what was acknowledged stays. "
	return []testCase{
		{"reopen", reopening, stays + "A log that is opened again yields the same facts.", reopen},
		{"reopen-seq", reopening, "Seq is above that of every fact before it, whenever the log was opened.", reopenSeq},
		{"reopen-id", reopening, "Facts are known by ID. A log remembers at least its latest 1,000,000 IDs, whenever it was opened.", reopenID},
		{"reopen-causation", reopening, "Causation is the ID of the key's fact before this one, whenever that was written.", reopenCausation},
		{"reopen-transaction-time", reopening, "The log never gives a TransactionTime before that of an earlier fact, whenever it was opened.", reopenTransactionTime},
		{"reopen-batch", reopening | batches, stays + "Batches stay whole, and expectations are checked against what stays.", reopenBatch},
		{"reopen-snapshot", reopening, "WriteSnapshot never changes what Replay yields, after the log is opened again neither.", reopenSnapshot},
		{"reopen-pruned", reopening | pruning, "Prune removes the facts for good, durably, leaving the others' seqs as they are.", reopenPruned},
		{"reopen-pruned-last", reopening | pruning, "Seqs of pruned facts are not given again, whenever the log was opened.", reopenPrunedLast},
		{"reopen-stats", reopening | pruning | stating, "LastSeq is the highest seq ever given out, whenever the log was opened.", reopenStats},
		{"reopen-in-flight", reopening, stays + "Calls in flight either finish or report ErrClosed.", reopenInFlight},
	}
}

func reopen(l *lab) {
	b := l.reopen(l.open())
	l.holds(b, nil)
	log := l.write(b, append(facts(20), rich()[0], rich()[4], of("null", "s", "k", "null"))...)
	for i := range 3 {
		b = l.reopen(b)
		l.holds(b, log)
		for _, seq := range cursors(log) {
			l.same("a part of the reopened log", l.replay(b, seq), after(log, seq))
		}
		log = append(log, l.write(b, fact(20+i))...)
		l.holds(b, log)
	}
}

func reopenSeq(l *lab) {
	b := l.open()
	last := uint64(0)
	for i := range 4 {
		for _, f := range l.write(b, facts(2*i + 2)[2*i:]...) {
			if f.Seq <= last {
				l.Fatalf("after seq %d and reopening, the next fact got seq %d", last, f.Seq)
			}
			last = f.Seq
		}
		b = l.reopen(b)
	}
}

func reopenID(l *lab) {
	b := l.open()
	given := append(facts(4), full("full"))
	log := l.write(b, given...)
	b = l.reopen(b)
	for i, f := range given {
		l.same("a fact written again after reopening", l.write(b, f), log[i:i+1])
	}
	_, err := b.WriteFact(l.ctx, of(fact(1).ID, "other", "key", "1"))
	l.wants("another fact under the same ID, after reopening", err, backend.ErrIDReused)
	l.holds(b, log)
}

func reopenCausation(l *lab) {
	b := l.open()
	log := l.write(b, facts(4)...)
	for i := range 6 {
		b = l.reopen(b)
		log = append(log, l.write(b, fact(4+i))...)
		if got, want := log[4+i].Causation, log[1+i].ID; got != want {
			l.Fatalf("after reopening, fact %q has causation %q, want %q", log[4+i].ID, got, want)
		}
	}
}

func reopenTransactionTime(l *lab) {
	b := l.open()
	future := fact(1)
	future.TransactionTime = time.Date(2500, 1, 1, 0, 0, 0, 999999999, time.UTC)
	past := fact(2)
	past.TransactionTime = time.Unix(0, 1)
	log := l.write(b, fact(0), future, past)
	b = l.reopen(b)
	log = append(log, l.write(b, fact(3))...)
	if got := log[3].TransactionTime; got.Before(future.TransactionTime) {
		l.Fatalf("after reopening, a fact was given transaction time %v; an earlier fact has %v", got, future.TransactionTime)
	}
	l.holds(b, log)
}

func reopenBatch(l *lab) {
	b := l.open()
	given := facts(6)
	log := l.write(b, fact(9))
	log = append(log, l.batch(b, given)...)
	b = l.reopen(b)
	l.holds(b, log)
	l.same("a batch written again after reopening", l.batch(b, given, backend.Expect{Store: "tasks", Key: "t0"}), log[1:])
	wrong := backend.Expect{Store: "tasks", Key: "t0", ID: fact(0).ID}
	l.conflicts(b, log, backend.Batch{Expect: []backend.Expect{wrong}}, wrong, fact(3).ID)
	log = append(log, l.batch(b, []backend.Fact{fact(6)}, backend.Expect{Store: "tasks", Key: "t0", ID: fact(3).ID})...)
	l.holds(l.reopen(b), log)
}

func reopenSnapshot(l *lab) {
	b := l.open()
	log := l.write(b, facts(10)...)
	for i := range 4 {
		l.snapshot(b, []uint64{log[4].Seq, 0}[i%2])
		if i != 2 { // once with nothing after the snapshot
			log = append(log, l.write(b, fact(10+i))...)
		}
		b = l.reopen(b)
		l.holds(b, log)
		l.same("a fact written again after reopening", l.write(b, fact(2)), log[2:3])
		for _, seq := range cursors(log) {
			l.same("a part of the reopened log", l.replay(b, seq), after(log, seq))
		}
	}
	log = append(log, l.write(b, of("last", "tasks", "t1", "1"))...)
	if got, want := log[len(log)-1].Causation, fact(13).ID; got != want {
		l.Fatalf("after a snapshot and reopening, causation is %q, want %q", got, want)
	}
}

func reopenPruned(l *lab) {
	b := l.open()
	log := l.write(b, facts(12)...)
	l.snapshot(b, log[5].Seq)
	l.prune(b, log[2].Seq, log[7].Seq, log[9].Seq, log[10].Seq)
	left := without(log, 2, 7, 9, 10)
	b = l.reopen(b)
	l.holds(b, left)
	l.snapshot(b, 0)
	b = l.reopen(b)
	l.holds(b, left)
	left = append(left, l.write(b, fact(10))...) // its ID is forgotten, and so is fact 7, of the same key
	if got := left[len(left)-1]; got.Seq <= log[11].Seq || got.Causation != fact(4).ID {
		l.Fatalf("a pruned fact that was written anew after reopening got seq %d and causation %q, want one above %d and %q",
			got.Seq, got.Causation, log[11].Seq, fact(4).ID)
	}
	l.holds(l.reopen(b), left)
}

func reopenPrunedLast(l *lab) {
	for _, snapshot := range []bool{false, true} {
		l.dir = l.TempDir()
		b := l.open()
		highest := uint64(0)
		for i := range 3 {
			log := l.write(b, facts(2*i + 2)[2*i:]...)
			if log[0].Seq <= highest {
				l.Fatalf("after the last facts, through seq %d, were pruned and the log reopened, the next one got seq %d", highest, log[0].Seq)
			}
			highest = log[1].Seq
			l.prune(b, log[1].Seq)
			if i > 0 {
				l.prune(b, log[0].Seq)
			}
			if snapshot {
				l.snapshot(b, 0)
			}
			b = l.reopen(l.reopen(b))
		}
	}
}

func reopenStats(l *lab) {
	b := l.open()
	log := l.write(b, facts(6)...)
	b = l.reopen(b)
	l.counts(b, log, log[5].Seq)
	l.prune(b, log[0].Seq, log[5].Seq)
	b = l.reopen(b)
	l.counts(b, log[1:5], log[5].Seq)
	l.prune(b, seqs(log)...)
	l.counts(l.reopen(b), nil, log[5].Seq)
}

func reopenInFlight(l *lab) {
	b := l.open()
	told := l.interrupted(b)
	log := l.replay(l.open(), 0)
	acknowledged := map[string]bool{}
	var all []backend.Fact
	for _, facts := range told {
		for _, f := range facts {
			acknowledged[f.ID] = true
			all = append(all, f)
		}
	}
	slices.SortFunc(all, bySeq)
	log = slices.DeleteFunc(log, func(f backend.Fact) bool { return !acknowledged[f.ID] })
	l.same("what is left of the acknowledged facts after Close", log, all)
}

// interrupted closes b while writers write, and returns what they were told before that.
func (l *lab) interrupted(b backend.Backend) [][]backend.Fact {
	l.Helper()
	told := make([][]backend.Fact, writers)
	begun := make(chan struct{}, writers)
	over := make(chan struct{})
	tasks := make([]*task, writers)
	for w := range writers {
		tasks[w] = l.start(func() error {
			for i := range 501 {
				if i == 500 { // Close takes its time: the last write comes after it
					<-over
				}
				f, err := b.WriteFact(l.ctx, by(w, i))
				switch {
				case errors.Is(err, backend.ErrClosed):
					return nil
				case err != nil:
					return err
				}
				told[w] = append(told[w], f)
				if i == 5 {
					begun <- struct{}{}
				}
			}
			return errors.New("a write succeeds after Close")
		})
	}
	for range writers {
		select {
		case <-begun:
		case <-l.ctx.Done():
			close(over)
			l.Fatalf("the writers don't get on")
		}
	}
	err := b.Close()
	close(over)
	l.wants("Close while facts are written", err, nil)
	l.join(tasks...)
	return told
}
