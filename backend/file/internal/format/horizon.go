// SPDX-License-Identifier: Apache-2.0

package format

import "github.com/igniter-store/igniter/backend"

// Horizons are the horizons of stores that lost facts. A file has the horizons of its own lost facts, so that a horizon
// becomes durable together with the removal. The log's horizons are the greatest of all files. Horizons are immutable.
type Horizons map[string]backend.Horizon

// Join returns the greatest horizon of each store; nil if there are none.
func Join(all ...Horizons) Horizons {
	var joined Horizons
	for _, horizons := range all {
		for store, h := range horizons {
			if joined == nil {
				joined = make(Horizons)
			}
			joined[store] = joined[store].Later(h)
		}
	}
	return joined
}
