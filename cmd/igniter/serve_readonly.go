// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A readOnlyLog is a log that takes no writes and prunes nothing. What can be read is as in the log.
type readOnlyLog struct {
	backend.Log
	wire.Framer
}

func readOnly(log backend.Log) backend.Log { return readOnlyLog{log, wire.FramerOf(log)} }

var errReadOnly = fmt.Errorf("%w: this server is read-only", backend.ErrForbidden)

func (readOnlyLog) WriteFact(context.Context, backend.Fact) (backend.Fact, error) {
	return backend.Fact{}, errReadOnly
}

func (readOnlyLog) Write(_ context.Context, batches ...backend.Batch) []backend.Written {
	return backend.Refused(len(batches), errReadOnly)
}

func (readOnlyLog) Prune(context.Context, iter.Seq[uint64], backend.Horizon) (backend.PruneReport, error) {
	return backend.PruneReport{}, errReadOnly
}
