// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/wire"
)

// soak reports whether the long forms of tests are wanted.
func soak() bool { return os.Getenv("IGNITER_SOAK") != "" }

// An order says what a child process does.
type order struct {
	Do    string // "write" or "hold"
	Path  string // of the log
	Sync  file.Sync
	Seed  uint64
	Round string // a prefix of the facts' IDs, used once
}

// A child is a process that carries out an order.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	lines  *bufio.Reader // of its standard output
	stderr bytes.Buffer  // complete after stop
	once   sync.Once
}

func startChild(t testing.TB, o order) *child {
	exe, err := os.Executable()
	require.NoError(t, err)
	text, err := json.Marshal(o)
	require.NoError(t, err)
	c := &child{cmd: exec.Command(exe, "-test.run=^TestChild$")}
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	c.cmd.Stderr = &c.stderr
	stdin, err := c.cmd.StdinPipe()
	require.NoError(t, err)
	c.stdin = stdin
	stdout, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.lines = bufio.NewReaderSize(stdout, 64<<10)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { c.kill(); c.wait() })
	return c
}

// kill is kill -9.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// wait waits for the end of the process. Its output must have been read.
func (c *child) wait() {
	c.once.Do(func() {
		_ = c.cmd.Wait() // it was killed
		_ = c.stdin.Close()
	})
}

// line returns the next whole line of the output, without its end.
func (c *child) line() (string, error) {
	text, err := c.lines.ReadString('\n')
	if err != nil {
		return "", err
	}
	return text[:len(text)-1], nil
}

func writeBatch(ctx context.Context, l backend.Log, b backend.Batch) ([]backend.Fact, error) {
	w := l.Write(ctx, b)[0]
	return w.Facts, w.Err
}

// factText returns a fact as the codec writes it.
func factText(f *backend.Fact) string { return string(wire.AppendFact(nil, f)) }

// A told has the lines that a writing printed before it was killed.
type told struct {
	acked  map[uint64]string // facts, by seq
	next   [childWriters]int // how many facts of each writer were acknowledged
	doomed map[uint64]bool   // a Prune of these was begun
	gone   map[uint64]bool   // and came to an end

	nothing [childWriters]bool // whether the log reported that nothing of a writer's last write was written
}

func newTold() *told {
	return &told{acked: map[uint64]string{}, doomed: map[uint64]bool{}, gone: map[uint64]bool{}}
}

// hear records a line.
func (s *told) hear(t *testing.T, words []string) {
	switch words[0] {
	case "ack":
		for _, text := range words[1:] {
			f, err := wire.CheckFact([]byte(text))
			require.NoError(t, err)
			require.Empty(t, s.acked[f.Seq], "no seq is given twice")
			s.acked[f.Seq] = text
			writer, n := childPlace(t, f.ID)
			require.Equal(t, s.next[writer], n)
			s.next[writer]++
		}
	case "prune", "pruned":
		for _, word := range words[1:] {
			seq, err := strconv.ParseUint(word, 10, 64)
			require.NoError(t, err)
			s.doomed[seq] = true
			if words[0] == "pruned" {
				s.gone[seq] = true
			}
		}
	default:
		require.Equal(t, []string{"open"}, words)
	}
}

// listen reads what a child prints, and kills it after a number of acks.
func (c *child) listen(t *testing.T, kill int) *told {
	all := newTold()
	acks, killed := 0, false
	for {
		if acks >= kill && !killed {
			c.kill()
			killed = true
		}
		line, err := c.line()
		if err != nil {
			c.wait()
			require.ErrorIs(t, err, io.EOF)
			require.True(t, killed, "the child was not killed, it ended: %s", c.stderr.String())
			return all
		}
		words := strings.Split(line, "\t")
		if words[0] == "ack" {
			acks++
		}
		all.hear(t, words)
	}
}

// childPlace returns the writer of a fact, and the fact's number.
func childPlace(t *testing.T, id string) (writer, n int) {
	parts := strings.Split(id, "-")
	require.Len(t, parts, 3, id)
	writer, err := strconv.Atoi(parts[1])
	require.NoError(t, err)
	n, err = strconv.Atoi(parts[2])
	require.NoError(t, err)
	return writer, n
}

// TestKill kills a writing process again and again, with kill -9. Under each Sync:
//
//   - Every acknowledged fact is there, unchanged, unless it was pruned.
//   - The facts of an acknowledged Prune are gone.
//   - Of a write that was not acknowledged, either all facts are there or none.
//   - Seqs ascend, and times never go back.
//   - The log opens without repair, and takes writes.
func TestKill(t *testing.T) {
	rounds, each := 200, 20
	if raceEnabled { // the race detector finds nothing in killed processes
		rounds = 60
	}
	if soak() {
		rounds *= 10
	}
	var acked, survived atomic.Int64
	t.Run("group", func(t *testing.T) { // returns when all parallel tests are done
		for i := range rounds / each {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				k := killed{path: t.TempDir(), rng: rand.New(rand.NewPCG(1, uint64(i))), want: map[uint64]string{}}
				for j := range each {
					sync := []file.Sync{file.SyncAlways, file.SyncInterval, file.SyncNever}[(i+j)%3]
					a, s := k.round(t, fmt.Sprintf("%d.%d", i, j), sync)
					acked.Add(int64(a))
					survived.Add(int64(s))
				}
			})
		}
	})
	t.Logf("%d rounds, %d facts acknowledged, %d more survived", rounds, acked.Load(), survived.Load())
}

// A killed log has writers that are ended at any moment, again and again.
type killed struct {
	path string
	rng  *rand.Rand
	want map[uint64]string // what the log held when it was closed last
}

// round starts a child, kills it, and checks the log. It returns the number of acknowledged facts, and the number of facts
// that are there without an acknowledgement.
func (k *killed) round(t *testing.T, name string, sync file.Sync) (acked, survived int) {
	seed := k.rng.Uint64()
	kill := k.rng.IntN(120)
	if kill < 10 {
		kill /= 5 // while it opens the log, or soon after
	}
	c := startChild(t, order{Do: "write", Path: k.path, Sync: sync, Seed: seed, Round: name})
	said := c.listen(t, kill)

	l, err := file.Open(t.Context(), killOptions(k.path, sync))
	require.NoError(t, err, "round %s, sync %s, killed after %d lines", name, sync, kill)
	survived = k.check(t, l, name, said, math.MaxUint64)
	require.NoError(t, l.Close())
	return len(said.acked), survived
}

// check checks that a log has the right facts after a round, and that it takes writes. Of the round's facts, only facts
// through the seq durable must be there; a later fact may be there only with all earlier ones. check returns the number of
// facts that are there without an acknowledgement.
func (k *killed) check(t *testing.T, l *file.Log, round string, said *told, durable uint64) (survived int) {
	have := map[uint64]string{}
	var last uint64
	var clock time.Time
	unacked := make([][]backend.Fact, childWriters)
	for f, err := range backend.Facts(l.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		if f.Seq <= last || f.TransactionTime.Before(clock) {
			require.FailNow(t, "out of order", "round %s: %s after seq %d", round, factText(&f), last)
		}
		last, clock = f.Seq, f.TransactionTime
		have[f.Seq] = factText(&f)
		text, known := said.acked[f.Seq]
		if !known {
			text, known = k.want[f.Seq]
		}
		if known && text != have[f.Seq] {
			require.Equal(t, text, have[f.Seq], "round %s", round)
		}
		if known {
			continue
		}
		require.True(t, strings.HasPrefix(f.ID, round+"-"), "nobody wrote the fact %s", have[f.Seq])
		writer, _ := childPlace(t, f.ID)
		unacked[writer] = append(unacked[writer], f.Clone())
		survived++
	}
	for i, wrote := range []map[uint64]string{k.want, said.acked} {
		for seq, text := range wrote {
			if have[seq] == "" && !said.doomed[seq] && (i == 0 || seq <= max(durable, last)) {
				require.FailNow(t, "an acknowledged fact is lost", "round %s: seq %d, durable through %d, the log ends at %d: %s", round, seq, durable, last, text)
			}
		}
	}
	for seq := range said.gone {
		require.Empty(t, have[seq], "round %s: a pruned fact is back", round)
	}
	for writer, facts := range unacked {
		require.False(t, said.nothing[writer] && len(facts) > 0, "round %s: a fact is there of which the log said that nothing was written", round)
		k.checkUnacked(t, round, writer, said.next[writer], facts, said.doomed)
	}
	require.Equal(t, uint64(len(have)), l.Report().Facts)
	require.Empty(t, l.Report().Missing)

	f, err := l.WriteFact(t.Context(), backend.Fact{ID: "after-" + round, Store: "kill", Key: "after", Value: []byte(`1`)})
	require.NoError(t, err)
	given := last
	for seq := range said.acked {
		if seq <= durable {
			given = max(given, seq)
		}
	}
	require.Greater(t, f.Seq, given, "a seq that was given already")
	have[f.Seq] = factText(&f)
	k.want = have
	return survived
}

// checkUnacked checks that the facts are the next write of a writer after n acknowledged facts: all its facts, except
// pruned ones.
func (k *killed) checkUnacked(t *testing.T, round string, writer, n int, facts []backend.Fact, doomed map[uint64]bool) {
	if len(facts) == 0 {
		return
	}
	var v struct{ First, Last int }
	require.NoError(t, json.Unmarshal(facts[0].Value, &v))
	require.Equal(t, n, v.First, "a fact of writer %d that it can't have written yet", writer)
	_, at := childPlace(t, facts[0].ID)
	start := facts[0].Seq - uint64(at-v.First)
	for i := v.First; i <= v.Last; i++ {
		seq := start + uint64(i-v.First)
		if doomed[seq] && (len(facts) == 0 || facts[0].Seq != seq) {
			continue
		}
		require.NotEmpty(t, facts, "a part of a batch")
		want := childFact(round, writer, i, v.First, v.Last)
		require.Equal(t, seq, facts[0].Seq)
		require.Equal(t, want.ID, facts[0].ID)
		require.Equal(t, want.Store, facts[0].Store)
		require.Equal(t, want.Key, facts[0].Key)
		require.Equal(t, string(want.Value), string(facts[0].Value))
		require.Equal(t, wire.HashCanonical(want.Value), facts[0].ValueHash)
		facts = facts[1:]
	}
	require.Empty(t, facts, "facts of writer %d that it can't have written yet", writer)
}

// TestChildEnds checks that a child ends when its standard input does.
func TestChildEnds(t *testing.T) {
	c := startChild(t, order{Do: "hold", Path: t.TempDir()})
	line, err := c.line()
	require.NoError(t, err)
	require.Equal(t, "open", line)
	require.NoError(t, c.stdin.Close())
	_, err = c.line()
	require.ErrorIs(t, err, io.EOF)
	var exit *exec.ExitError
	require.True(t, errors.As(c.cmd.Wait(), &exit))
	require.Equal(t, 3, exit.ExitCode())
}
