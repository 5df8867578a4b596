// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) statsCommand() *cobra.Command {
	return a.withJSON(withLogFlags(&cobra.Command{
		Use:   "stats",
		Short: "Show how much the log holds",
		Long: `Shows how much the log holds and how large it is: facts, seqs, bytes and files, and for a server how it is connected.
igniter list shows the stores.`,
		Example: `  igniter stats --path ./log
  igniter stats --address 127.0.0.1:7400 --json | jq .last_seq`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				s, err := log.Stats(cmd.Context())
				if err != nil {
					return err
				}
				return a.print(s, "%s", statsTable(&s, log.Features().Stores != nil))
			})
		},
	}))
}

// statsTable returns s as a table. partial means that the caller may not read all stores, and so does not learn how
// many facts the log holds.
func statsTable(s *backend.Stats, partial bool) (t table) {
	size := humanize.IBytes
	if partial {
		t.row("facts", "unknown, since this token may not read all stores")
	} else {
		t.row("facts", s.Facts)
		t.row("first seq", s.FirstSeq)
	}
	t.row("last seq", s.LastSeq)
	t.row("durable through", s.DurableSeq)
	if s.Log != (backend.LogID{}) {
		t.row("log", s.Log)
	}
	if c, ok := s.Checkpoint(); ok {
		t.row("head", c)
	}
	if by := s.Ahead(time.Now()); by > time.Second {
		t.row("last time", fmt.Sprintf("%s, %v ahead of the clock", clock(s.LastTime), by.Round(time.Second)))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Horizons)) {
		h := s.Horizons[name]
		t.row("pruned", fmt.Sprintf("%s, before seq %d, %s", cmp.Or(name, "all stores"), h.Seq, clock(h.Time)))
	}
	if !partial {
		t.row("size", size(s.Bytes))
	}
	if d := s.Storage; d != nil {
		t.row("segments", fmt.Sprintf("%d, %s", d.Segments, size(d.SegmentBytes)))
		t.row("snapshots", fmt.Sprintf("%d, %s", d.Snapshots, size(d.SnapshotBytes)))
		t.row("indexes", size(d.IndexBytes))
		t.row("files without index", d.Unindexed)
		t.row("written ahead", size(d.AheadBytes))
		t.row("quarantine", size(d.QuarantineBytes))
		t.row("reserve", size(d.ReserveBytes))
		t.row("damaged places", d.Damaged)
	}
	if c := s.Connection; c != nil {
		t.row("server", fmt.Sprintf("%s at %s, protocol %d", cmp.Or(c.Server, "-"), c.Address, c.Protocol))
	}
	return t
}
