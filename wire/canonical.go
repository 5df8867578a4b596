package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"

	"github.com/igniter-store/igniter/backend"
)

// AppendCanonical appends the canonical form of the JSON value src to dst. A src that is not JSON
// as facts hold it is a *backend.InvalidError, and dst is returned as it was. Where dst has room it
// allocates nothing, but for objects of more than 16 keys. dst must not overlap src.
func AppendCanonical(dst, src []byte) ([]byte, error) {
	if err := backend.CheckJSON(src, backend.MaxDepth); err != nil {
		return dst, &backend.InvalidError{Field: "value", Reason: err.Error()}
	}
	return canonical(dst, src), nil
}

// Hash returns the lower-case hex SHA-256 of the canonical form of the JSON value src, which a
// fact has as its value_hash. What is not JSON as facts hold it is a *backend.InvalidError.
func Hash(src []byte) (string, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	form, err := AppendCanonical((*buf)[:0], src)
	if err != nil {
		return "", err
	}
	*buf = form
	return HashCanonical(form), nil
}

// HashCanonical returns the hash of a value that is in canonical form already.
func HashCanonical(form []byte) string {
	sum := sha256.Sum256(form)
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum[:])
	return string(text[:])
}

var (
	buffers    = sync.Pool{New: func() any { return new([]byte) }}
	formatters = sync.Pool{New: func() any { return new(formatter) }}
)

func canonical(dst, src []byte) []byte {
	f := formatters.Get().(*formatter)
	f.src, f.dst = src, dst
	f.value(skipSpace(src, 0))
	dst = f.dst
	f.src, f.dst = nil, nil
	formatters.Put(f)
	return dst
}

// A formatter writes the canonical form of a well-formed value. Its methods take the place in src
// to start at, and return the place after what they wrote.
type formatter struct {
	src, dst []byte
	members  []member // of the objects that are open, the innermost last
	scratch  []byte
}

// A member is where an object's member stands in dst: its key begins at from, after the quote, and
// ends at colon-1; its value ends at to.
type member struct {
	from, colon, to int
}

func (f *formatter) value(i int) int {
	switch f.src[i] {
	case '"':
		return f.text(i)
	case '{':
		return f.object(i)
	case '[':
		return f.array(i)
	}
	end := i
	for end < len(f.src) && f.src[end] != ',' && f.src[end] != '}' && f.src[end] != ']' && !isSpace(f.src[end]) {
		end++
	}
	f.dst = append(f.dst, f.src[i:end]...)
	return end
}

func (f *formatter) array(i int) int {
	f.dst = append(f.dst, '[')
	for i = skipSpace(f.src, i+1); f.src[i] != ']'; i = skipSpace(f.src, i) {
		if f.src[i] == ',' {
			f.dst = append(f.dst, ',')
			i = skipSpace(f.src, i+1)
		}
		i = f.value(i)
	}
	f.dst = append(f.dst, ']')
	return i + 1
}

func (f *formatter) object(i int) int {
	first, sorted := len(f.members), true
	f.dst = append(f.dst, '{')
	for i = skipSpace(f.src, i+1); f.src[i] != '}'; i = skipSpace(f.src, i) {
		if f.src[i] == ',' {
			f.dst = append(f.dst, ',')
			i = skipSpace(f.src, i+1)
		}
		m := member{from: len(f.dst) + 1}
		i = f.text(i)
		m.colon = len(f.dst)
		f.dst = append(f.dst, ':')
		i = f.value(skipSpace(f.src, skipSpace(f.src, i)+1))
		m.to = len(f.dst)
		if n := len(f.members); n > first && sorted {
			sorted = f.compare(f.members[n-1], m) < 0
		}
		f.members = append(f.members, m)
	}
	f.dst = append(f.dst, '}')
	if !sorted {
		f.sort(f.members[first:])
	}
	f.members = f.members[:first]
	return i + 1
}

// sort puts the members, which stand side by side at the end of dst, into the order of their keys.
func (f *formatter) sort(members []member) {
	start := members[0].from - 1
	slices.SortFunc(members, f.compare)
	f.scratch = f.scratch[:0]
	for i, m := range members {
		if i > 0 {
			f.scratch = append(f.scratch, ',')
		}
		f.scratch = append(f.scratch, f.dst[m.from-1:m.to]...)
	}
	copy(f.dst[start:], f.scratch)
}

// compare compares decoded keys by their bytes. Where neither is escaped, dst has them as they are.
func (f *formatter) compare(a, b member) int {
	x, y := f.dst[a.from:a.colon-1], f.dst[b.from:b.colon-1]
	if bytes.IndexByte(x, '\\') >= 0 {
		x = backend.AppendUnescaped(nil, x)
	}
	if bytes.IndexByte(y, '\\') >= 0 {
		y = backend.AppendUnescaped(nil, y)
	}
	return bytes.Compare(x, y)
}

// text writes the string at src[i] with canonical escapes.
func (f *formatter) text(i int) int {
	end := stringEnd(f.src, i+1)
	inside := f.src[i+1 : end-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		f.dst = append(f.dst, f.src[i:end]...)
		return end
	}
	f.dst = append(f.dst, '"')
	f.scratch = backend.AppendUnescaped(f.scratch[:0], inside)
	f.dst = appendText(f.dst, f.scratch)
	f.dst = append(f.dst, '"')
	return end
}
