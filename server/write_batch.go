// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server/auth"
)

// Write writes a batch for a client that uses no connection of this server, such as a client of package web. The client
// must have the right to write every fact as given, and every key of an expectation; otherwise the error is
// backend.ErrForbidden. Other errors are the errors of [backend.Log.Write]. Facts and errors contain no data that the
// client may not know.
func (s *Server) Write(ctx context.Context, client *auth.Session, b backend.Batch) (w backend.Written, err error) {
	if client.Err != nil {
		return w, client.Err
	}
	grant := &client.Grant
	for i := range b.Facts {
		if err := s.mayWrite(grant, &b.Facts[i]); err != nil {
			return w, err
		}
	}
	for i := range b.Expect {
		if err := grant.MayWrite(b.Expect[i].Store); err != nil {
			return w, err
		}
	}
	verdicts := s.log.Write(ctx, b)
	s.note(verdicts)
	if w = verdicts[0]; w.Err != nil {
		return backend.Written{}, discreet(grant, w.Err)
	}
	last := uint64(0)
	for i := range w.Facts {
		held, given := &w.Facts[i], &b.Facts[i]
		isNew := w.New(held) && held.Seq > last
		last = max(last, held.Seq)
		if s.took(held, isNew, &w); isNew || grant.MayRead(held.Store) {
			continue
		}
		if !sameHash(held, given) {
			return backend.Written{}, backend.ErrIDReused
		}
		held.Value, held.Producer, held.Derivation, held.ValidTime, held.SchemaVersion, held.By = given.Value, given.Producer, given.Derivation, given.ValidTime, given.SchemaVersion, given.By
	}
	return w, nil
}
