// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/query"
)

// maxChanges is how many changes between two values are listed.
const maxChanges = 64

// changesOf returns the fields in which two values differ, sorted by path, and whether there are more than are listed. Where
// both values are objects, their members are compared, and so on inside; other values, and objects of more than 10,000 members,
// are compared as a whole, at the top under the path "". Values are equal if they are the same JSON, however it is written. A nil
// value is nothing.
func changesOf(old, new []byte) (changes []query.Change, more bool) {
	walkChanges("", old, new, func(field string, old, new []byte) bool {
		if len(changes) == maxChanges {
			more = true
			return false
		}
		c := query.Change{Field: field, Old: old, New: new}
		if len(old) > query.MaxChange {
			c.Old, c.OldBytes = nil, len(old)
		}
		if len(new) > query.MaxChange {
			c.New, c.NewBytes = nil, len(new)
		}
		changes = append(changes, c)
		return true
	})
	return changes, more
}

// walkChanges calls found for each field that differs, until it returns false.
func walkChanges(path string, old, new []byte, found func(field string, old, new []byte) bool) bool {
	if bytes.Equal(old, new) {
		return true
	}
	before, isObject := members(old)
	after, bothObjects := members(new)
	if !isObject || !bothObjects || path != "" && (len(before) == 0 || len(after) == 0) {
		if old != nil && new != nil && equal(old, new) {
			return true
		}
		return found(path, old, new)
	}
	var names []string
	for name := range before {
		names = append(names, name)
	}
	for name := range after {
		if _, both := before[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		inner := name
		if path != "" {
			inner = path + "." + name
		}
		if !walkChanges(inner, before[name], after[name], found) {
			return false
		}
	}
	return true
}

// maxMembers is how many members an object may have that is compared member by member: each takes several times its bytes.
const maxMembers = 10_000

var errMembers = errors.New("query: an object with too many members")

// members returns the members of an object, if they are not too many.
func members(value []byte) (map[string]json.RawMessage, bool) {
	if !bytes.HasPrefix(value, []byte("{")) {
		return nil, false
	}
	all := map[string]json.RawMessage{}
	_, err := jsonvalue.Object(value, 0, func(key string, at int) (int, error) {
		if len(all) == maxMembers {
			return -1, errMembers
		}
		end := jsonvalue.Skip(value, at)
		if end > 0 {
			all[key] = jsonvalue.TrimSpace(value[at:end])
		}
		return end, nil
	})
	return all, err == nil
}

// equal reports whether two values are the same JSON, however it is written.
func equal(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err := jsonvalue.AppendEqual(nil, a, backend.MaxDepth)
	y, err2 := jsonvalue.AppendEqual(nil, b, backend.MaxDepth)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}
