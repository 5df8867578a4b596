// SPDX-License-Identifier: Apache-2.0

package web

import "time"

// Routes returns the patterns of all routes, with their methods.
func (h *Handler) Routes() map[string]string {
	all := map[string]string{}
	for _, r := range h.routes {
		all[r.pattern] = r.allow()
	}
	return all
}

// SetPatience sets how long requests wait for room.
func (h *Handler) SetPatience(d time.Duration) { h.large.patience, h.asking.patience = d, d }
