// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A mutant is a naive with a bug, and the case that must catch it.
type mutant struct {
	bug    string // the bug's name in naive
	target string // the case's name
	hangs  bool   // the case waits until its timeout, which is made short
}

var mutants = []mutant{
	{"swaps two", "write-order", false},
	{"drops every tenth", "write-order", false},
	{"gives a seq twice", "concurrent-writers", false},
	{"lets transaction time run backwards", "write-transaction-time", false},
	{"stands still behind a future time", "write-transaction-time", false},
	{"overrides the transaction time", "write-transaction-time", false},
	{"keeps the given seq", "write-seq-ignored", false},
	{"forgets IDs", "write-again", false},
	{"knows IDs in any case", "write-again", false},
	{"returns what was written again", "write-again", false},
	{"knows facts by ID only", "write-id-reused", false},
	{"has one ID for all stores", "write-id-of-stores", false},
	{"joins store and ID", "write-id-of-stores", false},
	{"a reopened log has one ID for all stores", "reopen-id-of-stores", false},
	{"an error with a fact", "write-id-reused", false},
	{"says the last fact's time", "stats-last-time", false},
	{"says the last fact's time", "reopen-stats-last-time", false},
	{"gives no causation", "write-causation", false},
	{"has one causation for all keys", "write-causation", false},
	{"joins store and key", "write-causation", false},
	{"takes no notice of spaces at the end", "write-causation", false},
	{"overrides the causation", "write-causation-given", false},
	{"a retraction removes the key", "write-retraction", false},
	{"a retraction removes the key", "expect-retraction", false},
	{"a cancelled write remembers the ID", "write-cancelled", false},
	{"a cancelled write is written", "write-cancelled", false},
	{"remembers 10,000 IDs", "write-again-late", false},
	{"a snapshot keeps 10,000 IDs", "ids-all", false},
	{"reopen keeps 10,000 IDs", "reopen-ids-all", false},
	{"ignores ctx", "replay-cancelled", false},

	{"compacts the value", "value-kept", false},
	{"parses numbers", "value-numbers-kept", false},
	{"cuts large values", "value-large", false},
	{"takes any size", "value-too-large", false},
	{"rounds valid times", "fields-kept", false},
	{"forgets who was let in", "by-kept", false},
	{"hashes the bytes as they are", "hash-filled", false},
	{"overrides the hash", "hash-given", false},
	{"keeps schema version 0", "schema-version", false},
	{"keeps a producer of null", "null-not-given", false},

	{"keeps the memory it is given", "copy-in", false},
	{"keeps the memory it is given", "copy-in-batch", false},
	{"hands out its memory when written", "copy-out-write", false},
	{"a loop hands out its memory", "copy-out-replay", false},
	{"a loop hands out its memory", "copy-out-follow", false},
	{"verdicts are reused", "copy-out-written", false},
	{"a page's slice is reused", "copy-out-page", false},
	{"a batch hands out its memory", "copy-out-batch", false},

	{"overlooks id", "invalid-text", false},
	{"overlooks store", "invalid-text", false},
	{"overlooks key", "invalid-text", false},
	{"overlooks value_hash", "invalid-text", false},
	{"overlooks causation", "invalid-text", false},
	{"overlooks by", "invalid-by", false},
	{"overlooks not valid UTF-8", "invalid-text", false},
	{"names no field", "invalid-text", false},
	{"overlooks value", "invalid-value", false},
	{"overlooks producer", "invalid-value", false},
	{"overlooks derivation", "invalid-value", false},
	{"overlooks not valid UTF-8", "invalid-value", false},
	{"overlooks a lone surrogate", "invalid-value", false},
	{"overlooks more after the end", "invalid-value", false},
	{"overlooks nested too deeply", "invalid-depth", false},
	{"overlooks a second time", "invalid-duplicate-key", false},
	{"overlooks transaction_time", "invalid-time", false},
	{"overlooks valid_time", "invalid-time", false},
	{"overlooks schema_version", "invalid-schema-version", false},
	{"refuses the empty key", "limits", false},

	{"an empty log is an error", "replay-empty", false},
	{"Replay holds a lock", "replay-body", true},
	{"Replay holds a lock", "replay-body-others", true},
	{"Replay goes on after a break", "replay-break", false},
	{"Replay works once", "replay-reuse", false},
	{"an error comes with a page", "replay-cancelled", false},
	{"a loop goes on after an error", "replay-cancelled", false},
	{"a cancelled loop ends silently", "replay-cancelled-in-body", false},

	{"Replay ignores After", "range-after", false},
	{"Replay is off by one", "range-after", false},
	{"Replay ignores Through", "range-through", false},
	{"Replay ignores stores", "range-stores", false},
	{"finds stores in any case", "range-stores", false},
	{"no stores are all", "range-stores", false},
	{"a Replay of stores ends silently", "range-stores", false},
	{"the end is not checked", "range-diverged", false},
	{"leaves out a batch that is known in part", "known-batch", false},
	{"leaves out one fact more than is known", "known", false},
	{"leaves out one fact more than is known", "known-follow", true},
	{"Replay is off by one", "cursor-resume", false},
	{"accepts another log's cursor", "cursor-log", false},

	{"Through is one too far", "page-through", false},
	{"Through runs ahead of open writes", "page-through-writing", false},
	{"an open batch shows in part", "page-through-batch", false},
	{"the last page is missing", "page-end", false},
	{"pages tell the seq of their last fact", "page-end", false},
	{"acknowledges before a fact is visible", "page-end-writing", false},
	{"Through stays before a pruned tail", "page-end-pruned", false},
	{"a page has everything", "page-size", false},
	{"says that one store may be read", "page-access", false},

	{"a row limit cuts batches", "page-batches", false},
	{"a snapshot forgets the borders of batches", "page-batches-snapshot", false},
	{"pruning forgets the borders of batches", "page-batches-pruned", false},
	{"reopen forgets the borders of batches", "page-batches-reopened", false},
	{"Follow cuts batches", "page-batches-follow", false},
	{"a row limit cuts batches", "page-batches-inside", false},

	{"a Replay reads everything into memory", "memory-replay", false},
	{"a Follow reads everything into memory", "memory-follow", false},

	{"Write returns what it is given", "verdict", false},
	{"a refused batch ends the Write", "verdict-refused", false},
	{"writes the last batch first", "verdict-order", false},
	{"a refused batch refuses the rest", "verdict-refused-batch", false},
	{"First names an old fact", "verdict-first", false},
	{"First names an old fact", "verdict-first-batch", false},
	{"Write gives another causation", "verdict-same", false},
	{"gives a seq twice", "verdict-concurrent", false},
	{"returns other bytes than it keeps", "verdict-returned", false},
	{"a cancelled Write has no verdicts", "verdict-cancelled", false},

	{"an ID is checked too early", "concurrent-same-fact", false},
	{"the causation is looked up too early", "concurrent-causation", false},
	{"acknowledges before a fact is visible", "acknowledged-is-visible", false},
	{"shows a later seq first", "replay-while-writing", false},

	{"a snapshot drops the first fact", "snapshot", false},
	{"a snapshot forgets IDs", "snapshot-goes-on", false},
	{"a snapshot ends loops", "snapshot-in-loop", false},
	{"a snapshot loses what is written meanwhile", "snapshot-while-writing", false},
	{"a snapshot makes followers begin again", "snapshot-follow", false},
	{"WriteSnapshot ignores ctx", "snapshot-cancelled", false},

	{"a batch is reversed", "batch", false},
	{"a batch has the causation from before it", "batch-causation", false},
	{"a batch leaves out invalid facts", "batch-invalid", false},
	{"a batch is written one by one", "batch-invalid", false},
	{"a batch is written one by one", "batch-id-reused", false},
	{"takes batches of any size", "batch-too-large", false},
	{"takes batches of any number", "batch-too-many", false},
	{"a held batch is checked again", "batch-again", false},
	{"a batch held in part is ignored", "batch-partly-held", false},
	{"a batch lets others in between", "batch-consecutive", false},
	{"a cancelled batch is written in part", "batch-cancelled", false},
	{"a cancelled batch is written", "batch-cancelled", false},

	{"ignores expectations", "expect", false},
	{"a conflict has no details", "expect", false},
	{"checks the first expectation only", "expect-many", false},
	{"an empty batch checks nothing", "expect-empty-batch", false},
	{"does not check expectations' names", "expect-invalid", false},
	{"expectations are checked too early", "expect-race", false},

	{"misses what comes between history and live", "follow", true},
	{"repeats the last of history", "follow", false},
	{"a follower waits for one more", "follow-live", true},
	{"Follow ignores After", "follow-after", false},
	{"Follow ignores stores", "follow-stores", false},
	{"finds stores in any case", "follow-stores", false},
	{"sees one fact of a batch", "follow-batch", true},
	{"leaves a slow follower behind", "follow-slow", true},
	{"Follow holds a lock", "follow-slow", true},
	{"Follow is off by one", "follow-resume", false},
	{"Follow works once", "follow-reuse", false},
	{"Follow holds a lock", "follow-body", true},
	{"no stores are all", "follow-stores", false},
	{"a follower's first page waits", "follow-first-page", true},
	{"pages tell the seq of their last fact", "follow-progress", true},
	{"Through stays before a pruned tail", "follow-progress-pruned", true},
	{"Follow ignores Through", "follow-through", true},
	{"a follower beyond the end waits", "follow-diverged", true},
	{"loses a wake-up", "follow-wake", true},
	{"looks for changes after a page", "follow-wake", true},
	{"a cancelled follower ends silently", "follow-cancelled", false},
	{"ignores ctx while it waits", "follow-cancelled-idle", true},
	{"ignores ctx while it waits for stores", "follow-cancelled-filtered", true},
	{"a follower ends silently on Close", "follow-closed", false},

	{"renumbers after pruning", "prune", false},
	{"prunes all before, too", "prune", false},
	{"counts every seq asked for as pruned", "prune-missing", false},
	{"remembers pruned facts as latest", "prune-latest", false},
	{"remembers pruned facts as latest", "prune-expect", false},
	{"remembers pruned IDs", "prune-id", false},
	{"gives the seq of a pruned last fact again", "prune-last", false},
	{"a snapshot keeps the pruned", "prune-snapshot", false},
	{"a loop counts places", "prune-body", false},
	{"a follower after a pruned seq gets nothing", "prune-follow", true},
	{"Prune ignores ctx", "prune-cancelled", false},
	{"keeps the latest horizon", "prune-horizon", false},
	{"has one horizon for all stores", "prune-horizon", false},
	{"hands out its horizons", "prune-horizon", false},
	{"a snapshot forgets horizons", "prune-horizon", false},
	{"takes a horizon as it is given", "prune-horizon-last", false},
	{"pages tell no horizons", "prune-horizon-page", false},
	{"pages tell all horizons", "prune-horizon-page", false},
	{"pages tell horizons late", "prune-horizon-loop", false},
	{"pages tell all horizons", "prune-horizon-follow", false},
	{"pages tell horizons late", "prune-horizon-follow", false},
	{"says that it prunes nothing", "features", false},
	{"says a seq before its fact is there", "stats-while-writing", false},
	{"counts facts written again", "stats", false},
	{"says the last seq held", "stats-pruned", false},

	{"reopen forgets all", "reopen", false},
	{"reopen loses the last", "reopen", false},
	{"reopen restarts seqs", "reopen-seq", false},
	{"reopen forgets IDs", "reopen-id", false},
	{"reopen forgets keys", "reopen-causation", false},
	{"reopen forgets times", "reopen-transaction-time", false},
	{"reopen forgets keys", "reopen-batch", false},
	{"reopen sees the snapshot only", "reopen-snapshot", false},
	{"reopen brings back the pruned", "reopen-pruned", false},
	{"reopen forgets horizons", "reopen-horizon", false},
	{"reopen takes the last seq from the last fact", "reopen-pruned-last", false},
	{"reopen takes the last seq from the last fact", "reopen-stats", false},
	{"reopen gets another identity", "reopen-cursor", false},
	{"reopen takes the last seq from the last fact", "reopen-cursor-pruned", false},
	{"a restored log keeps its identity", "restored-cursor", false},
	{"a restored log forgets its ancestors", "restored-cursor", false},
	{"an ancestor's cursor goes on up to the end", "restored-cursor", false},
	{"a diverged log accepts a write", "restored-open", false},
	{"a diverged log is read on", "restored-open", false},
	{"Close loses the last writes", "reopen-in-flight", false},

	{"closes once", "close-twice", false},
	{"Close ends loops silently", "close-in-flight", false},
	{"Close breaks calls in flight", "close-in-flight-batch", false},
	{"Close breaks calls in flight", "close-in-flight-prune", false},
	{"Close breaks calls in flight", "close-in-flight-snapshot", false},
	{"Close breaks calls in flight", "close-in-flight-stats", false},
	{"works after Close", "closed", false},
	{"works after Close", "closed-batch", false},
	{"works after Close", "closed-follow", true},
	{"works after Close", "closed-prune", false},
	{"works after Close", "closed-stats", false},

	{"a decorator leaks WriteFact", "intercept", false},
	{"a decorator leaks Follow", "intercept", false},
	{"a decorator leaks Follow", "intercept-refuse", false},
	{"a decorator leaks methods", "intercept-methods", false},
}

// TestMutants checks that each broken backend fails the case that must catch it.
func TestMutants(t *testing.T) {
	table := map[string]testCase{}
	for _, c := range cases() {
		if _, twice := table[c.name]; twice {
			t.Errorf("two cases are called %s", c.name)
		}
		if c.rule == "" {
			t.Errorf("case %s has no rule", c.name)
		}
		table[c.name] = c
	}
	caught := map[string]bool{}
	for _, m := range mutants {
		caught[m.target] = true
		t.Run(m.target+"/"+m.bug, func(t *testing.T) {
			t.Parallel()
			c, ok := table[m.target]
			if !ok {
				t.Fatalf("there is no case %s", m.target)
			}
			o := (*Options)(nil).complete()
			if decorate := decorators[m.bug]; decorate != nil {
				o.intercept = decorate
			}
			if m.hangs {
				o.Timeout = time.Second / 2
			}
			// A race may go unnoticed now and then.
			var r *recorder
			for tries := 0; tries < 20 && (r == nil || !r.Failed()); tries++ {
				r = record(t, func(r *recorder) {
					disks := newDisks(m.bug)
					o.Restore = disks.restore
					c.run(r, disks.open, o)
				})
			}
			switch {
			case !r.Failed():
				t.Errorf("case %s does not see that the backend %s", m.target, m.bug)
			case !strings.Contains(r.text.String(), c.rule):
				t.Errorf("the failure does not say which rule was broken: %s", r.text.String())
			case !m.hangs && strings.Contains(r.text.String(), "the case hangs"):
				t.Errorf("case %s hangs: %s", m.target, r.text.String())
			}
		})
	}
	for name := range table {
		if !caught[name] && name != killCases()[0].name { // TestKilled has its mutant
			t.Errorf("no mutant shows that case %s can fail", name)
		}
	}
}

// decorators are Intercepts with a bug.
var decorators = map[string]func(backend.Log, backend.Hooks) backend.Log{
	"a decorator leaks WriteFact": func(l backend.Log, h backend.Hooks) backend.Log {
		return leakyWriteFact{backend.Intercept(l, h), l}
	},
	"a decorator leaks Follow": func(l backend.Log, h backend.Hooks) backend.Log {
		return leakyFollow{backend.Intercept(l, h), l}
	},
	"a decorator leaks methods": func(l backend.Log, _ backend.Hooks) backend.Log {
		return struct{ *naive }{l.(*naive)}
	},
}

type leakyWriteFact struct {
	backend.Log
	inner backend.Log
}

func (l leakyWriteFact) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	return l.inner.WriteFact(ctx, f)
}

type leakyFollow struct {
	backend.Log
	inner backend.Log
}

func (l leakyFollow) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return l.inner.Follow(ctx, r)
}

// Frames is a method that Log does not have, for decorators to leak.
func (n *naive) Frames() {}

// TestLacks checks that a backend which lacks a feature fails unless it is excused.
func TestLacks(t *testing.T) {
	o := (*Options)(nil).complete()
	for _, c := range cases() {
		if c.needs&^(reopening|killing|paging|restoring|stamped) == 0 { // Features has no field for these
			continue
		}
		r := record(t, func(r *recorder) { c.run(r, bares(), o) })
		if !r.Failed() || !strings.Contains(r.text.String(), "set Options.No") {
			t.Errorf("case %s: %s", c.name, r.text.String())
		}
	}
}

// TestContradicted checks that an excuse which contradicts Features is a failure.
func TestContradicted(t *testing.T) {
	for _, opts := range []*Options{{NoBatch: true}, {NoPrune: true}, {NoLimit: true}} {
		c := testCase{name: "x", rule: "Features.", check: features}
		r := record(t, func(r *recorder) { c.run(r, naives(), opts.complete()) })
		if !r.Failed() || !strings.Contains(r.text.String(), "excuses it from") {
			t.Errorf("%+v: %s", *opts, r.text.String())
		}
	}
}
