// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/wire"
)

var errReadOnly = fmt.Errorf("%w: this server is read-only: if its log is a mirror, write to the source, or promote the mirror", backend.ErrForbidden)

// mayWrite checks that the server takes writes, and that the client may write the fact as given: to its store, with fields
// that only imports may set, and with a transaction time that is not ahead of the clock. With StampProducer, it sets By to
// the client's name, unless an import has set By.
func (s *Server) mayWrite(grant *auth.Grant, f *backend.Fact) error {
	if s.opts.ReadOnly {
		return errReadOnly
	}
	if err := grant.MayWrite(f.Store); err != nil {
		return err
	}
	if err := s.stamp(grant, f); err != nil {
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
		// A value without a hash is invalid; the log refuses it.
		if hash, hashErr := wire.Hash(f.Value); hashErr == nil && hash != f.ValueHash {
			return err
		}
	}
	return nil
}

// stamp sets By to the client's name if StampProducer is set, unless an import has set By. If only certificates
// authenticate clients, all of them may import, so stamp lets none of them set By.
func (s *Server) stamp(grant *auth.Grant, f *backend.Fact) error {
	stamps := s.opts.StampProducer
	switch {
	case stamps && (f.By == "" || f.By == grant.Name()):
		f.By = grant.Name()
	case stamps && s.opts.Tokens == nil && grant.Name() != "":
		return fmt.Errorf("%w: %s may not write facts by %q, since this server says itself by which certificate they are written", backend.ErrForbidden, grant.Name(), f.By)
	case f.By != "":
		return grant.MayImport("by")
	}
	return nil
}
