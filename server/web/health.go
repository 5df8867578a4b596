package web

import (
	"net/http"

	"github.com/igniter-store/igniter/server"
)

func (h *Handler) health(w http.ResponseWriter, _ *http.Request) {
	h.answer(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// A readiness says whether the log is served, and if not, how far opening or draining has come.
type readiness struct {
	Status      server.Status `json:"status"`
	Progress    *Progress     `json:"progress,omitempty"`    // of opening the log
	Connections *int          `json:"connections,omitempty"` // that are still open
}

// loading is the status of a server whose log is being opened.
const loading server.Status = "loading"

func (h *Handler) ready(w http.ResponseWriter, r *http.Request) {
	a := h.attached()
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
	if _, err := a.log.Stats(r.Context()); err != nil {
		h.fail(w, r, &statusError{http.StatusServiceUnavailable, err})
		return
	}
	h.answer(w, http.StatusOK, readiness{Status: status})
}
