// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// childEnv is the variable with the order for a process that a test starts from its own binary.
const childEnv = "IGNITER_FILE_CHILD"

// TestChild is not a test of its own: other tests run it, in a process that they then kill. The process ends
// when its standard input does, so that it does not outlive the test.
func TestChild(t *testing.T) {
	text := os.Getenv(childEnv)
	if text == "" {
		t.Skip("this is run by other tests, in a process of its own")
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	var o order
	err := json.Unmarshal([]byte(text), &o)
	switch {
	case err != nil:
	case o.Do == "write":
		err = writeUntilKilled(o)
	case o.Do == "hold":
		err = holdUntilKilled(o)
	default:
		err = fmt.Errorf("there is no order %q", o.Do)
	}
	fmt.Fprintln(os.Stderr, "child:", err)
	os.Exit(1)
}

func holdUntilKilled(o order) error {
	if _, err := file.Open(context.Background(), file.Options{Path: o.Path}); err != nil {
		return err
	}
	fmt.Println("open")
	select {} // standard input ends it
}

const childWriters = 4

func killOptions(path string, sync file.Sync) file.Options {
	return file.Options{Path: path, Sync: sync, SyncInterval: 2 * time.Millisecond, SegmentSize: 64 << 10}
}

// A writing is several writers, and now and then a snapshot or a Prune. It prints a line for each acknowledgement of the
// log, at once:
//
//	open                     the log is open
//	ack TAB fact TAB fact …  these were written
//	prune TAB seq …          these are about to be pruned
//	pruned TAB seq …         these were pruned
type writing struct {
	order
	log   *file.Log
	say   func(words ...string) // may be called concurrently
	acked atomic.Uint64         // the highest seq that was acknowledged
	facts atomic.Uint64         // the number of acknowledged facts
	due   chan struct{}         // has a value if a snapshot or a Prune is due
}

// writeUntilKilled writes, and prints acknowledged facts, until the process is killed.
func writeUntilKilled(o order) error {
	var mu sync.Mutex
	w := &writing{order: o, due: make(chan struct{}, 1)}
	w.say = func(words ...string) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := os.Stdout.WriteString(strings.Join(words, "\t") + "\n"); err != nil {
			os.Exit(3) // nobody listens any more
		}
	}
	var err error
	if w.log, err = file.Open(context.Background(), killOptions(o.Path, o.Sync)); err != nil {
		return err
	}
	w.say("open")
	failed := make(chan error)
	for i := range childWriters {
		go func() { failed <- w.write(i) }()
	}
	go func() { failed <- w.maintain() }()
	return <-failed
}

// childFact returns the n-th fact of a writer, which is written together with the facts from first to last.
// Its content follows from its ID.
func childFact(round string, writer, n, first, last int) backend.Fact {
	id := fmt.Sprintf("%s-%d-%d", round, writer, n)
	h := fnv.New64a()
	h.Write([]byte(id))
	sum := h.Sum64()
	size := int(sum % 600)
	if sum%97 == 0 {
		size = 20 << 10
	}
	return backend.Fact{
		ID: id, Store: "kill", Key: fmt.Sprintf("%d-%d", writer, n%7),
		Value: fmt.Appendf(nil, `{"first":%d,"id":%q,"last":%d,"pad":%q}`, first, id, last, strings.Repeat("x", size)),
	}
}

func (w *writing) write(writer int) error {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(w.Seed, uint64(writer)))
	for n := 0; ; {
		last := n
		if rng.IntN(3) == 0 {
			last = n + 1 + rng.IntN(5)
		}
		var b backend.Batch
		for i := n; i <= last; i++ {
			b.Facts = append(b.Facts, childFact(w.Round, writer, i, n, last))
		}
		held := make([]backend.Fact, 1)
		var err error
		if n == last {
			held[0], err = w.log.WriteFact(ctx, b.Facts[0])
		} else {
			held, err = writeBatch(ctx, w.log, b)
		}
		if err != nil {
			return err
		}
		n = last + 1
		w.acknowledge(held)
	}
}

func (w *writing) acknowledge(held []backend.Fact) {
	words := []string{"ack"}
	for i := range held {
		words = append(words, factText(&held[i]))
	}
	w.say(words...)
	for seq := held[len(held)-1].Seq; ; {
		old := w.acked.Load()
		if seq <= old || w.acked.CompareAndSwap(old, seq) {
			break
		}
	}
	if n := uint64(len(held)); w.facts.Add(n)%30 < n {
		select {
		case w.due <- struct{}{}:
		default:
		}
	}
}

func (w *writing) maintain() error {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(w.Seed, childWriters))
	for range w.due {
		last := w.acked.Load()
		if rng.IntN(2) == 0 {
			if err := w.log.WriteSnapshot(ctx, rng.Uint64N(last+1)); err != nil {
				return err
			}
			continue
		}
		var seqs []uint64
		var words []string
		for range 1 + rng.IntN(8) {
			seq := 1 + rng.Uint64N(last)
			seqs, words = append(seqs, seq), append(words, strconv.FormatUint(seq, 10))
		}
		w.say(append([]string{"prune"}, words...)...)
		if _, err := w.log.Prune(ctx, slices.Values(seqs), backend.Horizon{}); err != nil {
			return err
		}
		w.say(append([]string{"pruned"}, words...)...)
	}
	return nil
}
