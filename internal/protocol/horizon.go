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

func (h horizon) parse() (backend.Horizon, error) {
	parsed := backend.Horizon{Seq: h.Seq}
	var err error
	if len(h.Time) > 0 && string(h.Time) != "null" {
		parsed.Time, err = parseTime("horizon", h.Time)
	}
	return parsed, err
}
