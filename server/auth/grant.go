// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// A Grant says what a client may do. The zero Grant allows nothing.
type Grant struct {
	name        string
	read, write stores
	imports     bool
	admin       bool
}

// everything is the grant of a client where no tokens restrict it.
var everything = Grant{read: stores{all: true}, write: stores{all: true}, imports: true, admin: true}

// stores are names of stores, or all of them.
type stores struct {
	all   bool
	names []string
}

func newStores(names []string) stores {
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	return stores{all: slices.Contains(sorted, "*"), names: sorted}
}

// ownStores is the prefix of the names of stores that Igniter writes itself, such as igniter.rules and igniter.compactions.
// Facts in them change what other clients see.
const ownStores = "igniter."

func (s *stores) list() []string {
	if s.all {
		return []string{"*"}
	}
	return append([]string{}, s.names...)
}

func (s *stores) has(name string) bool { return s.all || slices.Contains(s.names, name) }

// Name returns the name of the client's token or certificate; "" if it has none and needs none.
func (g *Grant) Name() string { return g.name }

// MayRead reports whether the client may read a store.
func (g *Grant) MayRead(store string) bool { return g.read.has(store) }

// ReadsAll reports whether the client may read all stores.
func (g *Grant) ReadsAll() bool { return g.read.all }

// Stores returns the stores that the client may read and write, sorted; "*" stands for all.
func (g *Grant) Stores() (read, write []string) { return g.read.list(), g.write.list() }

// MayWriteSome returns backend.ErrForbidden if the client may not write any store.
func (g *Grant) MayWriteSome() error {
	if g.write.all || len(g.write.names) > 0 {
		return nil
	}
	return fmt.Errorf("%w: %s may not write any store", backend.ErrForbidden, g.name)
}

// MayWrite returns backend.ErrForbidden unless the client may write a store. To write Igniter's own stores, whose names
// begin with "igniter.", a client must also be an administrator.
func (g *Grant) MayWrite(store string) error {
	may := g.write.has(store)
	if may && !g.admin && strings.HasPrefix(store, ownStores) {
		return fmt.Errorf("%w: %s may not write store %q, which is Igniter's own: grant admin", backend.ErrForbidden, g.name, store)
	}
	if may {
		return nil
	}
	return fmt.Errorf("%w: %s may not write store %q", backend.ErrForbidden, g.name, store)
}

// MayImport returns backend.ErrForbidden, with the name of a field, unless the client may set the fields that normally only
// the log sets: transaction time, causation, hash and By. If the server uses no tokens, all clients may set them, also
// clients of version 1.
func (g *Grant) MayImport(field string) error {
	if g.imports {
		return nil
	}
	return fmt.Errorf("%w: %s may not give facts a %s, which is for imports: leave it to the log, or grant import", backend.ErrForbidden, g.name, field)
}

// MayAdmin returns backend.ErrForbidden, with the text what, unless the client is an administrator.
func (g *Grant) MayAdmin(what string) error {
	if g.admin {
		return nil
	}
	return fmt.Errorf("%w: %s may not %s, which is for administrators", backend.ErrForbidden, g.name, what)
}

// MaySeeAll returns backend.ErrForbidden, with the text what, unless the client may see information about all stores: it
// may read all of them, or is an administrator.
func (g *Grant) MaySeeAll(what string) error {
	if g.read.all || g.admin {
		return nil
	}
	return fmt.Errorf("%w: %s may not %s, which is about all stores: let it read all (\"*\"), or grant admin", backend.ErrForbidden, g.name, what)
}

// Readable returns the stores that the client reads if it asks for the stores asked; nil asks for all. A nil result stands
// for all stores, an empty one for none. If asked names a store that the client may not read, the error is
// backend.ErrForbidden. The result is shared and must not be modified. It is sorted if asked is nil.
func (g *Grant) Readable(asked []string) ([]string, error) {
	for _, name := range asked {
		if !g.read.has(name) {
			return nil, fmt.Errorf("%w: %s may not read store %q", backend.ErrForbidden, g.name, name)
		}
	}
	switch {
	case asked != nil:
		return asked, nil
	case g.read.all:
		return nil, nil
	case g.read.names == nil:
		return []string{}, nil // not nil, which would stand for all
	}
	return g.read.names, nil
}
