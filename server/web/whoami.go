// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
)

// whoami answers with the client's name and rights.
func (h *Handler) whoami(x *exchange, r *http.Request, q *request) error {
	if p := given(r); p.err != nil {
		return p.err
	}
	s, err := q.server.Stats(r.Context())
	if err != nil {
		return err
	}
	type streams struct {
		Open  int `json:"open"`
		Limit int `json:"limit"`
	}
	type limits struct {
		MaxBody  int64 `json:"max_body"`
		MaxValue int   `json:"max_value"`
		Memory   int64 `json:"memory"`
		Page     int   `json:"page"`
	}
	grant, about := &q.client.Grant, h.opts.About()
	read, write := grant.Stores()
	h.mu.Lock()
	open := streams{h.streams.by[grant.Name()], h.opts.MaxStreamsEach}
	h.mu.Unlock()
	if q.server.Open() {
		open.Limit = h.opts.MaxStreams
	}
	return h.found(x, r, s.LastSeq, struct {
		Name     string        `json:"name"`
		Read     []string      `json:"read"`
		Write    []string      `json:"write"`
		Import   bool          `json:"import"`
		Admin    bool          `json:"admin"`
		ReadOnly bool          `json:"read_only"`
		Writable bool          `json:"writable"`
		Streams  streams       `json:"streams"`
		Limits   limits        `json:"limits"`
		Version  string        `json:"version,omitempty"`
		Log      backend.LogID `json:"log,omitzero"`
		LogName  string        `json:"log_name,omitempty"`
	}{grant.Name(), read, write, grant.MayImport("") == nil, grant.MayAdmin("") == nil, q.server.ReadOnly(), q.server.Writable(&s) && mayWrite(r, q) == nil, open,
		limits{h.opts.MaxBody, query.MaxValue, about.Memory.StoresLimit, query.MaxLimit}, about.Version, s.Log, about.LogName})
}
