package server

import (
	"fmt"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/wire"
)

// mayWrite checks that the client may write a fact as it is: to its store, with what only imports may say, and with a
// transaction time that is not ahead of the clock.
func (s *Server) mayWrite(grant *auth.Grant, f *backend.Fact) error {
	if err := grant.MayWrite(f.Store); err != nil {
		return err
	}
	if f.TransactionTime.IsZero() && f.Causation == "" && f.ValueHash == "" {
		return nil
	}
	if ahead := time.Until(f.TransactionTime); ahead > s.opts.MaxSkew {
		return &backend.InvalidError{Field: "transaction_time", Reason: fmt.Sprintf("%s is ahead of the server's clock by more than %s, and no later fact could have an earlier time: correct it before importing",
			f.TransactionTime.Format(time.RFC3339), s.opts.MaxSkew)}
	}
	if !f.TransactionTime.IsZero() {
		if err := grant.MayImport("transaction_time"); err != nil {
			return err
		}
	}
	if f.Causation != "" {
		if err := grant.MayImport("causation"); err != nil {
			return err
		}
	}
	if err := grant.MayImport("value_hash that is not its value's"); f.ValueHash != "" && err != nil {
		// A value that has no hash is not valid, which the log says.
		if hash, hashErr := wire.Hash(f.Value); hashErr == nil && hash != f.ValueHash {
			return err
		}
	}
	return nil
}
