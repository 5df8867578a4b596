package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A Field names a place in JSON objects: the keys that lead to it, joined by dots, such as "owner" or
// "address.city". A key that has a dot itself can't be named.
type Field string

// of returns what value has in the field, as it stands there; nil if it has nothing. value is JSON
// as facts hold it.
func (f Field) of(value []byte) []byte {
	for path := string(f); ; {
		name, rest, more := strings.Cut(path, ".")
		if value = member(value, name); value == nil || !more {
			return value
		}
		path = rest
	}
}

// equals reports whether value has in the field what want, in the form of appendEqual, is. buf is
// for use in between.
func (f Field) equals(value, want, buf []byte) bool {
	found := f.of(value)
	if found == nil || string(found) == string(want) {
		return found != nil
	}
	form, err := appendEqual(buf, found)
	return err == nil && string(form) == string(want)
}

// appendEqual appends JSON in a form that is the same for values that are equal: the canonical one, with
// numbers written by their value.
func appendEqual(dst, src []byte) ([]byte, error) {
	start := len(dst)
	dst, err := wire.AppendCanonical(dst, src)
	if err != nil || plain(dst[start:]) {
		return dst, err
	}
	form := append([]byte(nil), dst[start:]...)
	dst = dst[:start]
	for i := 0; i < len(form); {
		end := i + 1
		switch c := form[i]; {
		case c == '"':
			end = skip(form, i)
		case c == '-' || c >= '0' && c <= '9':
			end = skip(form, i)
			var buf [32]byte
			dst = parseDecimal(form[i:end], buf[:0]).append(dst)
			i = end
			continue
		}
		dst = append(dst, form[i:end]...)
		i = end
	}
	return dst, nil
}

// plain reports whether canonical JSON is one value in the form of appendEqual without more ado: a
// string, a word, or a short integer.
func plain(form []byte) bool {
	switch c := form[0]; {
	case c == '"' || c == 't' || c == 'f' || c == 'n':
		return true
	case c >= '1' && c <= '9' && len(form) < maxPlain:
		for _, c := range form {
			if c < '0' || c > '9' {
				return false
			}
		}
		return true
	}
	return false
}

// equalForm returns a Go value in the form of appendEqual.
func equalForm(field Field, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err == nil {
		text, err = appendEqual(nil, text)
	}
	if err != nil {
		return nil, &backend.InvalidError{Field: string(field), Reason: fmt.Sprintf("%T is no JSON: %v", v, err)}
	}
	return text, nil
}

// member returns the value of an object's key; nil if there is none.
func member(src []byte, name string) []byte {
	i := space(src, 0)
	if i >= len(src) || src[i] != '{' {
		return nil
	}
	for i = space(src, i+1); i < len(src) && src[i] == '"'; i = space(src, i+1) {
		end := skip(src, i)
		key := src[i+1 : end-1]
		start := space(src, space(src, end)+1) // after the colon
		end = skip(src, start)
		if same(key, name) {
			return src[start:end:end]
		}
		if i = space(src, end); i >= len(src) || src[i] != ',' {
			return nil
		}
	}
	return nil
}

func same(key []byte, name string) bool {
	if string(key) == name {
		return true
	}
	for _, b := range key {
		if b == '\\' {
			return string(backend.AppendUnescaped(nil, key)) == name
		}
	}
	return false
}

func space(src []byte, i int) int {
	for i < len(src) && (src[i] == ' ' || src[i] == '\n' || src[i] == '\t' || src[i] == '\r') {
		i++
	}
	return i
}

// skip returns the place after the value that starts at i.
func skip(src []byte, i int) int {
	for depth := 0; i < len(src); {
		switch src[i] {
		case '"':
			for i++; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
			}
			i++
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			i++
			continue
		default:
			for i < len(src) && !strings.ContainsRune(",]} \n\t\r", rune(src[i])) {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
	return len(src)
}
