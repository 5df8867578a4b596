package sequencer

import (
	"encoding/json"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// Size returns how many bytes of JSON a log keeps of f, at most. It looks at no more than the white
// space around them, so that a fact which is too large is refused before its bytes are checked.
func Size(f *backend.Fact) int {
	return len(jsonvalue.TrimSpace(f.Value)) + len(jsonvalue.TrimSpace(f.Producer)) + len(jsonvalue.TrimSpace(f.Derivation))
}

// Normalize returns f, which must be valid, as a log keeps it, but for what Assign gives: without
// white space around its JSON, with SchemaVersion and ValueHash filled in, and with nil for a null
// Producer or Derivation. It shares no bytes with f.
func Normalize(f backend.Fact) (backend.Fact, error) {
	if f.ValueHash == "" {
		var err error
		if f.ValueHash, err = wire.Hash(f.Value); err != nil {
			return f, err
		}
	}
	f.Seq = 0
	f.SchemaVersion = max(f.SchemaVersion, 1)
	block := make([]byte, 0, Size(&f))
	for _, v := range []*json.RawMessage{&f.Value, &f.Producer, &f.Derivation} {
		if v != &f.Value && (*v == nil || backend.IsNull(*v)) {
			*v = nil
			continue
		}
		start := len(block)
		block = append(block, jsonvalue.TrimSpace(*v)...)
		*v = block[start:len(block):len(block)]
	}
	if !f.TransactionTime.IsZero() {
		f.TransactionTime = wire.Time(f.TransactionTime)
	}
	if !f.ValidTime.IsZero() {
		f.ValidTime = wire.Time(f.ValidTime)
	}
	return f, nil
}
