// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"

	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

func (h *Handler) health(w *exchange, _ *http.Request, _ []string) {
	h.answer(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// A readiness says whether the log is served, and if not, the progress of opening or draining.
type readiness struct {
	Status      server.Status `json:"status"`
	Progress    *Progress     `json:"progress,omitempty"`    // of opening the log
	Connections *int          `json:"connections,omitempty"` // that are still open
	Error       string        `json:"error,omitempty"`       // why the log takes no more writes
	Warnings    []string      `json:"warnings,omitempty"`    // of a server that is ready but has problems
}

// failed is the status of a server whose log takes no more writes until it is opened again.
const failed server.Status = "failed"

// loading is the status of a server whose log is being opened.
const loading server.Status = "loading"

func (h *Handler) ready(w *exchange, r *http.Request, _ []string) {
	a := h.now()
	s := a.server
	if s == nil {
		p := h.opts.Progress()
		h.answer(w, http.StatusServiceUnavailable, readiness{Status: loading, Progress: &p})
		return
	}
	status := s.Status()
	if status != server.Ready {
		n := s.Metrics().Connections
		h.answer(w, http.StatusServiceUnavailable, readiness{Status: status, Connections: &n})
		return
	}
	stats, err := s.Stats(r.Context())
	switch {
	case err != nil:
		if s.Open() {
			w.grant = s.Authorize(auth.Credential{}).Grant // decides whether the client may know why
		}
		h.fail(w, r, &statusError{http.StatusServiceUnavailable, err})
	case stats.Failed != "":
		why := stats.Failed
		if !s.Open() {
			why = "the log takes no more writes; its operator knows why"
		}
		h.answer(w, http.StatusServiceUnavailable, readiness{Status: failed, Error: why})
	default:
		h.answer(w, http.StatusOK, readiness{Status: status, Warnings: s.Warnings(&stats)})
	}
}
