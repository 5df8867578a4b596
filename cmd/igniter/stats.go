package main

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) statsCommand() *cobra.Command {
	cmd := a.forPrograms(&cobra.Command{
		Use:   "stats",
		Short: "Say what the log holds",
		Long: `Says what the log holds and what it takes: facts, seqs, bytes, files, and how a server is reached. igniter list shows
the stores.`,
		Example: `  igniter stats --path ./log
  igniter stats --address 127.0.0.1:7400 --json | jq .last_seq`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				s, err := log.Stats(cmd.Context())
				if err != nil {
					return err
				}
				return a.printStats(&s)
			})
		},
	})
	return a.where(cmd)
}

// statsReport is backend.Stats for programs.
type statsReport struct {
	FirstSeq   uint64            `json:"first_seq"`
	LastSeq    uint64            `json:"last_seq"`
	Facts      uint64            `json:"facts"`
	Bytes      uint64            `json:"bytes"`
	DurableSeq uint64            `json:"durable_seq"`
	Storage    *storageReport    `json:"storage,omitempty"`
	Connection *connectionReport `json:"connection,omitempty"`
}

type storageReport struct {
	Segments        int    `json:"segments"`
	Snapshots       int    `json:"snapshots"`
	SegmentBytes    uint64 `json:"segment_bytes"`
	SnapshotBytes   uint64 `json:"snapshot_bytes"`
	IndexBytes      uint64 `json:"index_bytes"`
	AheadBytes      uint64 `json:"ahead_bytes"`
	QuarantineBytes uint64 `json:"quarantine_bytes"`
}

type connectionReport struct {
	Address  string    `json:"address"`
	Since    time.Time `json:"since"`
	Protocol int       `json:"protocol"`
	Server   string    `json:"server"`
}

func (a *app) printStats(s *backend.Stats) error {
	if a.json {
		r := statsReport{FirstSeq: s.FirstSeq, LastSeq: s.LastSeq, Facts: s.Facts, Bytes: s.Bytes, DurableSeq: s.DurableSeq}
		if d := s.Storage; d != nil {
			r.Storage = &storageReport{d.Segments, d.Snapshots, d.SegmentBytes, d.SnapshotBytes, d.IndexBytes, d.AheadBytes, d.QuarantineBytes}
		}
		if c := s.Connection; c != nil {
			r.Connection = &connectionReport{c.Address, c.Since, c.Protocol, c.Server}
		}
		return json.NewEncoder(a.out).Encode(r)
	}
	t := newTable(a.out)
	number := func(name string, n uint64) { t.row(name, strconv.FormatUint(n, 10)) }
	size := func(name string, n uint64) { t.row(name, humanize.IBytes(n)) }
	number("facts", s.Facts)
	number("first seq", s.FirstSeq)
	number("last seq", s.LastSeq)
	number("durable through", s.DurableSeq)
	size("size", s.Bytes)
	if d := s.Storage; d != nil {
		t.row("segments", strconv.Itoa(d.Segments)+", "+humanize.IBytes(d.SegmentBytes))
		t.row("snapshots", strconv.Itoa(d.Snapshots)+", "+humanize.IBytes(d.SnapshotBytes))
		size("indexes", d.IndexBytes)
		size("written ahead", d.AheadBytes)
		size("quarantine", d.QuarantineBytes)
	}
	if c := s.Connection; c != nil {
		t.row("server", orDash(c.Server)+" at "+c.Address+", protocol "+strconv.Itoa(c.Protocol))
	}
	return t.end()
}
