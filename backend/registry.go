// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// An Opener opens a backend from a Config. It checks the Config strictly (see [Config.Only]). ctx is for the call only: the
// backend outlives it.
type Opener func(ctx context.Context, c Config) (Backend, error)

var registry = struct {
	sync.RWMutex
	openers map[string][]Opener // more than one of a name is a mistake, which Open reports
}{openers: map[string][]Opener{}}

// Register makes a backend known to [Open] under name, for use in configuration files. Since init functions call it and
// can't return an error, Open reports a name that is registered twice or with a nil opener. It may be called concurrently.
func Register(name string, opener Opener) {
	registry.Lock()
	defer registry.Unlock()
	registry.openers[name] = append(registry.openers[name], opener)
}

// Open opens the backend that is registered under name, as a Log (see [Complete]). An unknown name is
// an *InvalidError that lists the known ones; a backend's package registers its name when imported.
func Open(ctx context.Context, name string, c Config) (Log, error) {
	registry.RLock()
	openers := registry.openers[name]
	registry.RUnlock()
	switch {
	case len(openers) == 0:
		known := "no name is registered"
		if names := Names(); len(names) > 0 {
			known = "the known ones are " + strings.Join(names, ", ")
		}
		return nil, &InvalidError{"backend", fmt.Sprintf("%q is not known: %s", name, known)}
	case len(openers) > 1:
		return nil, &InvalidError{"backend", fmt.Sprintf("%d packages have registered %q: import one of them only", len(openers), name)}
	case openers[0] == nil:
		return nil, &InvalidError{"backend", fmt.Sprintf("%q is registered without an opener", name)}
	}
	b, err := openers[0](ctx, c)
	if err != nil {
		return nil, err
	}
	return Complete(b), nil
}

// Names returns the names of the registered backends, sorted.
func Names() []string {
	registry.RLock()
	defer registry.RUnlock()
	return slices.Sorted(maps.Keys(registry.openers))
}
