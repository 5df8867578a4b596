// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/igniter-store/igniter/backend"
)

// A child is the test's own program, run again to write to a log until it is killed. These environment variables make it a
// child: the full name of its test, and the place of the log.
const (
	childTest = "BACKENDTEST_CHILD_TEST"
	childDir  = "BACKENDTEST_CHILD_DIR"
)

// killCases are about logs whose process is killed.
func killCases() []testCase {
	return []testCase{
		{"reopen-killed", reopening | killing, "An acknowledged fact stays, also when the process ends suddenly, by SIGKILL for example. " +
			"A log that is opened again has whole facts in the order of their seqs.", reopenKilled},
	}
}

// kills is how often the case kills a process.
const kills = 3

func reopenKilled(h *harness) {
	var acked []backend.Fact
	for round := range kills {
		acked = append(acked, h.child(round, 20+30*round)...)
		b := h.open()
		h.acknowledge(acked...)
		log := h.replay(b, 0)
		ids, place := map[string]bool{}, map[uint64]backend.Fact{}
		for _, f := range log {
			if ids[f.ID] {
				h.Fatalf("after process %d was killed, the log has fact %q twice", round, f.ID)
			}
			ids[f.ID], place[f.Seq] = true, f
		}
		for _, f := range acked {
			if got := place[f.Seq]; got.ID != f.ID {
				h.Fatalf("after process %d was killed, the log has fact %q at seq %d, where fact %q was acknowledged", round, got.ID, f.Seq, f.ID)
			}
			h.wantSame("a fact of a killed process", []backend.Fact{place[f.Seq]}, []backend.Fact{f})
		}
		last := acked[len(acked)-1]
		h.wantSame("an acknowledged fact of a killed process, written again", h.write(b, of(last.ID, last.Store, last.Key, string(last.Value))), []backend.Fact{last})
		h.wantLog(b, log)
		h.close(b)
	}
}

// child runs a child until it has acknowledged n facts, kills it, and returns all facts that it acknowledged.
func (h *harness) child(round, n int) []backend.Fact {
	h.Helper()
	program, err := os.Executable()
	if err != nil {
		h.Fatalf("find the test's program: %v", err)
	}
	test, _, _ := strings.Cut(h.Name(), "/")
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-test.run=^"+regexp.QuoteMeta(test)+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), childTest+"="+h.Name(), childDir+"="+h.dir, fmt.Sprintf("BACKENDTEST_CHILD_ROUND=%d", round))
	var said, warned strings.Builder
	cmd.Stderr = &warned
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.Fatalf("run the test's program again: %v", err)
	}
	var acked []backend.Fact
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // the earlier lines are whole
			break
		}
		text, ours := strings.CutPrefix(line, childSays)
		var f backend.Fact
		if !ours {
			said.WriteString(line)
		} else if err := json.Unmarshal([]byte(text), &f); err != nil {
			h.Fatalf("a child said %q: %v", line, err)
		} else {
			if string(f.Producer) == "null" { // how encoding/json writes nil
				f.Producer = nil
			}
			if string(f.Derivation) == "null" {
				f.Derivation = nil
			}
			acked = append(acked, f)
		}
		if len(acked) == n {
			_ = cmd.Process.Kill() // Wait returns whether it was killed
		}
	}
	err = cmd.Wait()
	if len(acked) < n {
		h.Fatalf("a process that writes ended by itself after %d facts, error %v: %s%s", len(acked), err, said.String(), warned.String())
	}
	slices.SortFunc(acked, bySeq)
	return acked
}

const childSays = "backendtest acknowledged "

// runChild writes to the log of the parent process if this process is a child, and reports whether it is one.
// It returns if a write fails.
func runChild(t *testing.T, open Opener) bool {
	test, child := os.LookupEnv(childTest)
	if !child || !strings.HasPrefix(test, t.Name()+"/") {
		return child
	}
	b := open(t, os.Getenv(childDir))
	defer b.Close()
	told := make(chan backend.Fact)
	ended := make(chan error)
	for w := range writers {
		go func() {
			for n := 0; ; n++ {
				f, err := b.WriteFact(t.Context(), of(fmt.Sprintf("child-%s-%d-%d", os.Getenv("BACKENDTEST_CHILD_ROUND"), w, n), "killed", fmt.Sprint("k", w), fmt.Sprint(n)))
				if err != nil {
					ended <- err
					return
				}
				told <- f
			}
		}()
	}
	var failed error
	for left := writers; left > 0; {
		select {
		case f := <-told:
			text, err := json.Marshal(f)
			if err == nil {
				_, err = os.Stdout.WriteString(childSays + string(text) + "\n")
			}
			if err != nil {
				t.Fatalf("tell the parent: %v", err)
			}
		case err := <-ended:
			failed, left = errors.Join(failed, err), left-1
		}
	}
	t.Errorf("write: %v", failed)
	return true
}
