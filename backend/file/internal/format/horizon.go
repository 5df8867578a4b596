// SPDX-License-Identifier: Apache-2.0

package format

import "github.com/igniter-store/igniter/backend"

// Horizons are the horizons of stores that facts were pruned from. A file has the horizons of the facts that it lost, so
// that they become durable with the removal. The log's horizons are the greatest ones of all files. They never change.
type Horizons map[string]backend.Horizon

// Join returns the greatest horizons of several; nil if there are none.
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
