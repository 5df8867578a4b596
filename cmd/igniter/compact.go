package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) compactCommand() *cobra.Command {
	var keep []string
	events, yes := false, false
	cmd := a.forPrograms(&cobra.Command{
		Use:   "compact STORE...",
		Short: "Remove what is old from stores, for good",
		Long: `Removes from some stores what --keep does not name, durably:

  --keep latest   of each key the latest fact
  --keep 5        of each key the latest five
  --keep 90d      what one must know to read the store as of any time in the last 90 days: facts that another of their key
                  had replaced before that are removed; with --events, for stores of events, all older facts
  --keep all      everything

Given twice, both must hold. It shows how many facts it would remove, and does it with --yes. A fact in the store
igniter.compactions then says what was removed. Others go on writing and reading; a server wants a token with admin.`,
		Example: `  igniter compact sessions --keep latest --path ./log
  igniter compact deliveries --keep 90d --events --address 127.0.0.1:7400 --yes`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, stores []string) error {
			rule, err := parseRetention(keep, events)
			if err != nil {
				return err
			}
			if slices.Contains(stores, compactionStore) {
				return usage("the receipts of compactions are kept")
			}
			return a.withLog(cmd.Context(), func(b backend.Backend) error {
				plan, err := planCompaction(cmd.Context(), b, stores, rule)
				if err != nil {
					return err
				}
				return a.compact(cmd.Context(), b, plan, yes)
			})
		},
	})
	cmd.Flags().StringSliceVar(&keep, "keep", nil, "what to keep: all, latest, a number of facts of each key, or a time such as 36h or 90d")
	cmd.Flags().BoolVar(&events, "events", false, "the stores hold events: those older than the time kept go, though nothing replaces them")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return a.where(cmd)
}

// A retention says which facts of a store are kept. The zero retention keeps all.
type retention struct {
	Versions int           `json:"versions,omitempty"` // of each key, the latest ones; 0: all
	Window   time.Duration `json:"window,omitempty"`   // 0: for ever
	Events   bool          `json:"events,omitempty"`
}

func parseRetention(keep []string, events bool) (r retention, err error) {
	if len(keep) == 0 {
		return r, usage("say what to keep: --keep all, latest, a number, or a time such as 90d")
	}
	for _, text := range keep {
		n, err := strconv.Atoi(text)
		switch window := parseDays(text); {
		case text == "all":
		case text == "latest":
			r.Versions = 1
		case err == nil && n > 0:
			r.Versions = n
		case window > 0:
			r.Window = window
		default:
			return r, usage("--keep %q is neither all nor latest, nor a number, nor a time such as 36h or 90d", text)
		}
	}
	if r.Events = events; events && r.Window == 0 {
		return r, usage("--events goes with --keep and a time such as 90d")
	}
	return r, nil
}

// parseDays reads a duration, which may be in days; 0: it is none.
func parseDays(text string) time.Duration {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n <= 0 || n > 100*366 {
			return 0
		}
		return time.Duration(n) * 24 * time.Hour
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

// compactionStore is where the receipts of compactions are, each under the name of the store that was compacted.
const compactionStore = "igniter.compactions"

// maxRanges is how many ranges of seqs a receipt has at most, so that it stays a fact of modest size.
const maxRanges = 20_000

// A compaction is the value of a receipt: what was pruned from a store.
type compaction struct {
	Store  string      `json:"store"`
	Rule   retention   `json:"retention"`
	Before time.Time   `json:"before,omitzero"` // where Window began
	Facts  int         `json:"facts"`
	Seqs   [][2]uint64 `json:"seqs"` // from and through, ascending
}

// A place is where a fact is, and since when.
type place struct {
	seq uint64
	at  time.Time
}

// planCompaction returns what a rule does not keep of some stores.
func planCompaction(ctx context.Context, b backend.Backend, stores []string, rule retention) (plan []compaction, err error) {
	facts := map[string]map[string][]place{}
	for _, store := range stores {
		facts[store] = map[string][]place{}
	}
	for f, err := range b.Replay(ctx, 0) {
		if err != nil {
			return nil, err
		}
		if keys := facts[f.Store]; keys != nil {
			keys[f.Key] = append(keys[f.Key], place{f.Seq, f.TransactionTime})
		}
	}
	before := time.Time{}
	if rule.Window > 0 {
		before = time.Now().Add(-rule.Window).UTC()
	}
	for _, store := range slices.Compact(slices.Sorted(slices.Values(stores))) {
		var seqs []uint64
		for _, places := range facts[store] {
			seqs = append(seqs, dropped(places, rule, before)...)
		}
		slices.Sort(seqs)
		for len(seqs) > 0 {
			c := compaction{Store: store, Rule: rule, Before: before}
			seqs = c.take(seqs)
			plan = append(plan, c)
		}
	}
	return plan, nil
}

// dropped returns the seqs of a key's facts that a rule does not keep.
func dropped(places []place, rule retention, before time.Time) (seqs []uint64) {
	kept, replaced := 0, time.Time{} // when the next fact of the key came
	for _, p := range slices.Backward(places) {
		old := rule.Window > 0 && (!replaced.IsZero() && replaced.Before(before) || rule.Events && p.at.Before(before))
		if old || rule.Versions > 0 && kept >= rule.Versions {
			seqs = append(seqs, p.seq)
		} else {
			kept++
		}
		replaced = p.at
	}
	return seqs
}

// take takes seqs, which ascend, as many as a receipt holds, and returns the others.
func (c *compaction) take(seqs []uint64) []uint64 {
	for i, seq := range seqs {
		last := len(c.Seqs) - 1
		switch {
		case last >= 0 && c.Seqs[last][1]+1 == seq:
			c.Seqs[last][1] = seq
		case len(c.Seqs) == maxRanges:
			return seqs[i:]
		default:
			c.Seqs = append(c.Seqs, [2]uint64{seq, seq})
		}
		c.Facts++
	}
	return nil
}

// compact prunes what a plan says, if that is meant, and leaves receipts.
func (a *app) compact(ctx context.Context, b backend.Backend, plan []compaction, yes bool) error {
	total := 0
	for _, c := range plan {
		total += c.Facts
		if yes {
			if err := c.carryOut(ctx, b); err != nil {
				return err
			}
		}
		if a.json {
			if err := json.NewEncoder(a.out).Encode(c); err != nil {
				return err
			}
			continue
		}
		does := "would remove"
		if yes {
			does = "removed"
		}
		fmt.Fprintf(a.out, "%s %d facts of store %s, from seq %d to %d\n", does, c.Facts, printable(c.Store), c.Seqs[0][0], c.Seqs[len(c.Seqs)-1][1])
	}
	switch {
	case total == 0 && !a.json:
		_, err := fmt.Fprintln(a.out, "there is nothing to remove")
		return err
	case total > 0 && !yes:
		return errors.New("nothing is done yet: --yes removes them for good")
	}
	return nil
}

// carryOut prunes and writes the receipt.
func (c compaction) carryOut(ctx context.Context, b backend.Backend) error {
	_, err := backend.Prune(ctx, b, func(yield func(uint64) bool) {
		for _, r := range c.Seqs {
			for seq := r[0]; seq <= r[1]; seq++ {
				if !yield(seq) {
					return
				}
			}
		}
	})
	if err != nil {
		return fmt.Errorf("compact store %q: %w", c.Store, err)
	}
	value, err := json.Marshal(c)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err == nil {
		_, err = b.WriteFact(ctx, backend.Fact{ID: id.String(), Store: compactionStore, Key: c.Store, Value: value})
	}
	if err != nil {
		return fmt.Errorf("compact store %q: the facts are removed, but programs that hold them don't know: %w", c.Store, err)
	}
	return nil
}
