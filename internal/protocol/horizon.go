// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/json"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A horizon is a backend.Horizon in its JSON form.
type horizon struct {
	Seq  uint64          `json:"seq"`
	Time json.RawMessage `json:"time,omitempty"` // decimal seconds; null: zero
}

func horizonOf(h backend.Horizon) horizon {
	if h.Time.IsZero() {
		return horizon{Seq: h.Seq}
	}
	return horizon{h.Seq, wire.AppendTime(nil, h.Time)}
}

// appendHorizons appends a field with horizons by store, after others; nothing if there are none.
func appendHorizons(dst []byte, horizons map[string]backend.Horizon) []byte {
	if len(horizons) == 0 {
		return dst
	}
	all := make(map[string]horizon, len(horizons))
	for store, h := range horizons {
		all[store] = horizonOf(h)
	}
	text, _ := json.Marshal(all) // numbers and names: it can't fail
	return append(appendKey(dst, "horizons"), text...)
}

func parseHorizons(all map[string]horizon) (horizons map[string]backend.Horizon, err error) {
	for store, h := range all {
		if horizons == nil {
			horizons = make(map[string]backend.Horizon, len(all))
		}
		if horizons[store], err = h.parse(); err != nil {
			return nil, err
		}
	}
	return horizons, nil
}

func (h horizon) parse() (backend.Horizon, error) {
	parsed := backend.Horizon{Seq: h.Seq}
	var err error
	if len(h.Time) > 0 && string(h.Time) != "null" {
		parsed.Time, err = parseTime("horizon", h.Time)
	}
	return parsed, err
}
