package companion

import (
	"encoding/json"
	"fmt"

	"github.com/igniter-store/igniter/store"
)

// Upcast says how values of older schema versions become a T: the first of steps makes version 2 of
// version 1, the next 3 of 2, and so on. What is written from now on has the version they lead to.
// Values are upcast when they are read, and stored facts stay as they are; a value of a newer version
// is ErrNewer. It is said once, before the Records are read. Without steps it says that version 1 is the
// current one; where it is not called, values of any version are read as they are, newer ones too.
func (r *Records[T]) Upcast(steps ...func(value json.RawMessage) (json.RawMessage, error)) error {
	return upcast(r.store, r.name, steps)
}

// Upcast says how events of older schema versions become a T, as [Records.Upcast].
func (h *History[T]) Upcast(steps ...func(value json.RawMessage) (json.RawMessage, error)) error {
	return upcast(h.store, h.name, steps)
}

func upcast(s *Store, name string, steps []func(json.RawMessage) (json.RawMessage, error)) error {
	all := make([]store.Upcaster, len(steps))
	for i, step := range steps {
		all[i] = step
	}
	if err := s.engine.Upcast(name, all...); err != nil {
		return fmt.Errorf("companion: upcast store %q: %w", name, err)
	}
	return nil
}
