// SPDX-License-Identifier: Apache-2.0

package web

import (
	_ "embed"
	"net/http"
)

// description describes the endpoints, see docs/http.md.
//
//go:embed openapi.json
var description []byte

func (h *Handler) openAPI(x *exchange, r *http.Request, _ []string) {
	if err := h.sendFound(x, r, 0, tagOf(description), description); err != nil {
		h.fail(x, r, err)
	}
}
