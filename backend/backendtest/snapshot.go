package backendtest

import (
	"context"
	"math"

	"github.com/igniter-store/igniter/backend"
)

// snapshotCases are about WriteSnapshot, which must not show.
func snapshotCases() []testCase {
	const rule = "WriteSnapshot never changes what Replay yields."
	return []testCase{
		{"snapshot", 0, rule, snapshot},
		{"snapshot-goes-on", 0, rule + " What the log knows of IDs, keys and times stays too.", snapshotGoesOn},
		{"snapshot-in-loop", 0, rule + " A loop that is under way when it is written goes on.", snapshotInLoop},
		{"snapshot-while-writing", 0, rule + " It may be written while facts are.", snapshotWhileWriting},
		{"snapshot-follow", following, rule + " Nor what Follow yields.", snapshotFollow},
		{"snapshot-cancelled", 0, "With a ctx that is done before the call WriteSnapshot does nothing and returns ctx's error.", snapshotCancelled},
	}
}

func snapshot(l *lab) {
	b := l.open()
	log := l.write(b, append(facts(20), rich()[0], rich()[4])...)
	last := log[len(log)-1].Seq
	for _, through := range []uint64{log[5].Seq, log[0].Seq, log[12].Seq, log[3].Seq, last, last + 100, 0, math.MaxUint64, 0} {
		l.snapshot(b, through)
		l.holds(b, log)
		for _, seq := range cursors(log) {
			l.same("a part of the log, after a snapshot,", l.replay(b, seq), after(log, seq))
		}
	}
}

func snapshotGoesOn(l *lab) {
	b := l.open()
	var log []backend.Fact
	for i := range 12 {
		log = append(log, l.write(b, fact(i))...)
		l.snapshot(b, uint64(i%2)*log[i/2].Seq)
		l.same("a fact written again after a snapshot", l.write(b, fact(i/2)), log[i/2:i/2+1])
		if i >= 3 && log[i].Causation != log[i-3].ID {
			l.Fatalf("after a snapshot, fact %q has causation %q, want %q", log[i].ID, log[i].Causation, log[i-3].ID)
		}
		if i > 0 && (log[i].Seq <= log[i-1].Seq || log[i].TransactionTime.Before(log[i-1].TransactionTime)) {
			l.Fatalf("after a snapshot, fact %q has seq %d and transaction time %v; the one before it %d and %v",
				log[i].ID, log[i].Seq, log[i].TransactionTime, log[i-1].Seq, log[i-1].TransactionTime)
		}
	}
	l.holds(b, log)
}

func snapshotInLoop(l *lab) {
	b := l.open()
	log := l.write(b, facts(30)...)
	for _, through := range []uint64{0, log[3].Seq, log[20].Seq} {
		var got []backend.Fact
		err := walk(b.Replay(l.ctx, 0), func(f backend.Fact) bool {
			got = append(got, f)
			if len(got)%10 == 5 {
				l.snapshot(b, through)
			}
			return true
		})
		if err != nil {
			l.Fatalf("Replay: %v", err)
		}
		l.same("a loop, with snapshots written in its body,", got, log)
		log = append(log, l.write(b, fact(len(log)))...)
	}
	l.holds(b, log)
}

func snapshotWhileWriting(l *lab) {
	b := l.open()
	told := make([][]backend.Fact, writers)
	for round := range 20 {
		begin := make(chan struct{})
		var tasks []*task
		for w := range writers {
			tasks = append(tasks, l.start(func() error {
				<-begin
				for i := range 4 {
					f, err := b.WriteFact(l.ctx, by(w, 4*round+i))
					if err != nil {
						return err
					}
					told[w] = append(told[w], f)
				}
				return nil
			}), l.start(func() error {
				<-begin
				return b.WriteSnapshot(l.ctx, uint64(w*round))
			}))
		}
		close(begin)
		l.join(tasks...)
	}
	l.complete(l.replay(b, 0), told)
}

func snapshotFollow(l *lab) {
	b := l.open()
	log := l.write(b, facts(20)...)
	var got []backend.Fact
	err := walk(backend.Follow(l.ctx, b, 0), func(f backend.Fact) bool {
		got = append(got, f)
		if len(got)%10 == 5 && len(got) < 35 {
			l.snapshot(b, 0)
			log = append(log, l.write(b, facts(len(log) + 5)[len(log):]...)...)
			l.snapshot(b, f.Seq)
		}
		return len(got) < 35
	})
	if err != nil {
		l.Fatalf("Follow: %v", err)
	}
	l.same("what was followed, with snapshots written meanwhile,", got, log)
	again, err := take(backend.Follow(l.ctx, b, log[9].Seq), 25)
	if err != nil {
		l.Fatalf("Follow: %v", err)
	}
	l.same("what is followed after a snapshot", again, log[10:])
}

func snapshotCancelled(l *lab) {
	b := l.open()
	ctx, cancel := context.WithCancel(l.ctx)
	cancel()
	l.wants("WriteSnapshot of an empty log with a cancelled context", b.WriteSnapshot(ctx, 0), context.Canceled)
	log := l.write(b, facts(10)...)
	for _, through := range []uint64{0, log[4].Seq} {
		l.wants("WriteSnapshot with a cancelled context", b.WriteSnapshot(ctx, through), context.Canceled)
		l.holds(b, log)
		l.snapshot(b, through)
		l.holds(b, log)
	}
}
