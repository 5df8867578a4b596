// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// Health is how an engine and its log are at one moment.
type Health struct {
	// Err is nil while the engine follows the log, otherwise the reason why it does not. Reads go on from memory. If
	// Err is backend.ErrUnavailable, backend.ErrUnauthenticated or backend.ErrForbidden, or a server's certificate
	// can't be verified, the engine keeps trying, and Err is the error of the latest attempt. Any other error is final,
	// as [Engine.Err].
	Err error

	Since time.Time // when the outage began or the latest attempt was made; zero if Err is nil or final
	Head  uint64    // the seq through which the engine shows the log, see [Engine.Head]

	// Connection is the backend's connection to its server; nil if the backend has no server or does not report it.
	Connection *backend.Connection
}

// Healthy reports whether the engine follows the log.
func (h Health) Healthy() bool { return h.Err == nil }

// MarshalJSON writes an object with "healthy" and "head" and, if set, "error", "since" and "connection".
func (h Health) MarshalJSON() ([]byte, error) {
	text := struct {
		Healthy    bool                `json:"healthy"`
		Error      string              `json:"error,omitempty"`
		Since      time.Time           `json:"since,omitzero"`
		Head       uint64              `json:"head"`
		Connection *backend.Connection `json:"connection,omitempty"`
	}{h.Healthy(), "", h.Since, h.Head, h.Connection}
	if h.Err != nil {
		text.Error = h.Err.Error()
	}
	return json.Marshal(text)
}

// A trouble is why the log is not followed now.
type trouble struct {
	err   error
	since time.Time
}

// Health returns the engine's state. It does no I/O and does not wait, so that it suits a health check. Health shows
// that a server hangs only after the backend's heartbeat or another call of the backend has failed; with PostgreSQL
// this can take a minute. [Engine.Sync] with a deadline asks the server.
func (e *Engine) Health() Health {
	h := Health{Head: e.Head(), Err: e.Err()}
	if t := e.trouble.Load(); t != nil && h.Err == nil {
		h.Err, h.Since = t.err, t.since
	}
	done, cancel := context.WithCancel(context.Background())
	cancel() // so that Stats does no I/O
	stats, _ := e.log.Stats(done)
	if h.Connection = stats.Connection; h.Err == nil && h.Connection != nil && !h.Connection.Up {
		h.Err, h.Since = fmt.Errorf("%w: %s: %s", backend.ErrUnavailable, h.Connection.Address, h.Connection.LastError), h.Connection.Since
	}
	return h
}
