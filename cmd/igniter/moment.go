package main

import (
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/store"
)

// momentFlags say as of when to read.
type momentFlags struct {
	asOf, validAt string
	atSeq         uint64
}

func (m *momentFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.asOf, "as-of", "", "what the log held at that time: "+instantHelp)
	cmd.Flags().Uint64Var(&m.atSeq, "at-seq", 0, "what the log held when that seq was its last")
	cmd.Flags().StringVar(&m.validAt, "valid-at", "", "what was true at that time, as far as the log knew")
}

func (m *momentFlags) moment(cmd *cobra.Command) (at store.Moment, err error) {
	if cmd.Flags().Changed("at-seq") && m.atSeq == 0 {
		return at, usage("--at-seq 0: seqs begin at 1")
	}
	at.Seq = m.atSeq
	if m.asOf != "" {
		if at.Time, err = parseInstant("as-of", m.asOf); err != nil {
			return at, err
		}
	}
	if m.validAt != "" {
		at.Valid, err = parseInstant("valid-at", m.validAt)
	}
	return at, err
}
