// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/igniter-store/igniter/query"
)

// value answers with the fact that is the value of a key.
func (h *Handler) value(x *exchange, r *http.Request, q *request) error {
	p := given(r, "as_of", "at_seq", "valid_at")
	at := p.moment()
	if p.err != nil {
		return p.err
	}
	store, key := q.args[0], q.args[1]
	if _, err := q.client.Grant.Readable([]string{store}); err != nil {
		return err
	}
	v, err := q.reader.Get(r.Context(), q.stores(), store, key, at)
	if err != nil {
		return err
	}
	return h.sendFound(x, r, v.Seq, etagOf(v.Fact.ID), append(query.AppendFact(nil, &v.Fact), '\n'))
}

// etagOf returns the ETag of a fact.
func etagOf(id string) string { return `"` + url.PathEscape(id) + `"` }

// idOf returns the ID of the fact of an ETag; ok is false if etag is not of a fact.
func idOf(etag string) (id string, ok bool) {
	etag = strings.TrimPrefix(strings.TrimSpace(etag), "W/")
	if len(etag) < 2 || etag[0] != '"' || strings.IndexByte(etag[1:], '"') != len(etag)-2 {
		return "", false
	}
	id, err := url.PathUnescape(etag[1 : len(etag)-1])
	return id, err == nil && id != ""
}
