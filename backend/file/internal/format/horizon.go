package format

import "github.com/igniter-store/igniter/backend"

// Horizons say by store how far the past is incomplete, since facts were pruned. Each file has those of the facts that it
// lost, so that they are durable with the removal; those of the log are the greatest of all files. They never change.
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
