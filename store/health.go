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
	// Err is why the engine does not follow the log now; nil: it does. Reads show what the engine has. If it is
	// backend.ErrUnavailable, backend.ErrUnauthenticated or backend.ErrForbidden, or a server's certificate
	// can't be verified, the engine tries again until that has passed, and the error is that of the latest
	// attempt. Any other error is final, as [Engine.Err].
	Err error

	Since time.Time // when that began or was last tried; zero if Err is nil or final
	Head  uint64    // the seq through which the engine shows the log, see [Engine.Head]

	// Connection is how the backend is connected to its server; nil: it has none, or does not say.
	Connection *backend.Connection
}

// Healthy reports whether the engine follows the log.
func (h Health) Healthy() bool { return h.Err == nil }

// MarshalJSON writes {"healthy", "error", "since", "head", "connection"}, without those that are not given.
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

// Health returns how the engine is now. It asks nobody and does not wait, so that it suits a health check. A
// server that hangs without a word shows only once the backend's heartbeat, or a call of its own, has failed: with
// PostgreSQL that can take a minute. [Engine.Sync] with a deadline asks the server.
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
