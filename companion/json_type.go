// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// A jsonField is a field of a struct, or of one embedded in it, that encoding/json writes.
type jsonField struct {
	reflect.StructField
	name    string // in JSON
	tagged  bool   // the name is from the tag
	pointed bool   // an embedded pointer leads to it
	unset   bool   // an embedded pointer to an unexported struct leads to it, which encoding/json can't set
}

// quoted reports whether the field has the tag option "string".
func (f *jsonField) quoted() bool { return tagHas(f.Tag, "string") }

func tagHas(tag reflect.StructTag, option string) bool {
	_, options, _ := strings.Cut(tag.Get("json"), ",")
	return slices.Contains(strings.Split(options, ","), option)
}

// An embed is a struct whose fields encoding/json treats as fields of an outer struct.
type embed struct {
	t              reflect.Type
	pointed, unset bool
}

// jsonFields returns the fields of a struct as encoding/json sees them, and the structs embedded in it. Of several
// fields with the same name, encoding/json uses the least deeply embedded one or, among fields of the same depth, the
// tagged one. If several are left, it uses none of them; these are in lost.
func jsonFields(t reflect.Type) (all []jsonField, embeds []embed, lost []jsonField) {
	taken, seen := map[string]bool{}, map[reflect.Type]bool{}
	for level := []embed{{t: t}}; len(level) > 0; {
		var found []jsonField
		var next []embed
		for _, e := range level {
			seen[e.t] = true
			for i := range e.t.NumField() {
				f := e.t.Field(i)
				inner, pointed := f.Type, e.pointed
				if inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
				}
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if !isTagName(name) {
					name = ""
				}
				switch isEmbed := f.Anonymous && inner.Kind() == reflect.Struct; {
				case f.Tag.Get("json") == "-" || !f.IsExported() && !isEmbed:
				case isEmbed && name == "":
					pointer := f.Type.Kind() == reflect.Pointer
					next = append(next, embed{inner, pointed || pointer, e.unset || pointer && !f.IsExported()})
				case name == "":
					found = append(found, jsonField{f, f.Name, false, pointed, e.unset})
				default:
					found = append(found, jsonField{f, name, true, pointed, e.unset})
				}
			}
		}
		for _, f := range found {
			rivals := 0 // f included
			for _, o := range found {
				if o.name == f.name && (o.tagged || !f.tagged) {
					rivals++
				}
			}
			switch {
			case taken[f.name]: // the outer one hides it, as in Go
			case rivals == 1:
				all = append(all, f)
			default:
				lost = append(lost, f)
			}
		}
		for _, f := range found {
			taken[f.name] = true
		}
		level = slices.DeleteFunc(next, func(e embed) bool { return seen[e.t] })
		embeds = append(embeds, level...)
	}
	return all, embeds, lost
}

// isTagName reports whether encoding/json accepts a name in a tag; it ignores other names.
func isTagName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c)
	})
}

var (
	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// writesItself reports whether a type has a method that writes its JSON.
func writesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonMarshaler) || p.Implements(textMarshaler)
}

// readsItself reports whether a type has a method that reads its JSON.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler)
}
