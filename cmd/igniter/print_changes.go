package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// changes returns what differs between two values: by field, if both are objects.
func changes(before, after json.RawMessage) string {
	var old, now map[string]json.RawMessage
	if json.Unmarshal(before, &old) != nil || json.Unmarshal(after, &now) != nil || old == nil || now == nil {
		if bytes.Equal(before, after) {
			return "nothing"
		}
		return whole(before) + " → " + whole(after)
	}
	var all []string
	names := maps.Clone(old)
	maps.Copy(names, now)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, had := old[name]
		is, has := now[name]
		switch {
		case !had:
			all = append(all, "+ "+name+" "+string(is))
		case !has:
			all = append(all, "− "+name+" "+string(was))
		case !bytes.Equal(was, is):
			all = append(all, name+" "+string(was)+" → "+string(is))
		}
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// whole returns a value, or that there is none.
func whole(value json.RawMessage) string {
	if value == nil || backend.IsNull(value) {
		return "(no value)"
	}
	return string(value)
}
