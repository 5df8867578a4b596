// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"bytes"
	"slices"
	"sync"
)

// AppendCanonical appends the canonical form of the JSON value src to dst: no white space, the keys of objects in the order
// of their decoded bytes, as few escapes in strings as possible, the texts of numbers unchanged. If src does not pass
// [Check] with depth, the error is Check's and dst is returned unchanged. It allocates nothing if dst has room, except for
// objects of more than 16 keys. dst must not overlap src.
func AppendCanonical(dst, src []byte, depth int) ([]byte, error) {
	ordered, err := checkOrdered(src, depth)
	switch {
	case err != nil:
		return dst, err
	case ordered:
		return append(dst, src...), nil
	}
	return canonical(dst, src), nil
}

// Canonical returns the canonical form of src, see [AppendCanonical]. If src is already canonical, it returns src itself.
// Otherwise it writes the form to the memory of buf, which it reuses and may replace.
func Canonical(buf *[]byte, src []byte, depth int) ([]byte, error) {
	ordered, err := checkOrdered(src, depth)
	switch {
	case err != nil:
		return nil, err
	case ordered:
		return src, nil
	}
	*buf = canonical(slices.Grow((*buf)[:0], len(src)), src)
	return *buf, nil
}

var formatters = sync.Pool{New: func() any { return new(formatter) }}

func canonical(dst, src []byte) []byte {
	f := formatters.Get().(*formatter)
	f.src, f.dst, f.start = src, dst, len(dst)
	f.value(skipSpace(src, 0))
	dst = f.dst
	f.src, f.dst = nil, nil
	if cap(f.members) <= maxKept && cap(f.scratch) <= maxKept {
		formatters.Put(f)
	}
	return dst
}

// maxKept limits the members, and the bytes of scratch, of a formatter that is kept for the next value.
const maxKept = 64 << 10

// A formatter writes the canonical form of a value that passed Check. Its methods take the position in
// src to start at, and return the position after what they wrote.
type formatter struct {
	src, dst []byte
	start    int      // where the value begins in dst; it is never longer there than in src
	members  []member // of the open objects, the innermost last
	scratch  []byte
	keys     [2][]byte // without their escapes
}

// A member is the position of an object's member in dst, counted from start. The key begins at from, after the quote, and
// ends at colon-1; the value ends at to.
type member struct {
	from, colon, to uint32
}

// at returns the position where dst ends now.
func (f *formatter) at() uint32 { return uint32(len(f.dst) - f.start) }

func (f *formatter) value(i int) int {
	switch f.src[i] {
	case '"':
		return f.text(i)
	case '{':
		return f.object(i)
	case '[':
		return f.array(i)
	}
	end := Skip(f.src, i)
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
		m := member{from: f.at() + 1}
		i = f.text(i)
		m.colon = f.at()
		f.dst = append(f.dst, ':')
		i = f.value(skipSpace(f.src, skipSpace(f.src, i)+1))
		m.to = f.at()
		if n := len(f.members); n > first && sorted {
			sorted = f.compare(f.members[n-1], m) < 0
		}
		if len(f.members) == cap(f.members) {
			f.members = slices.Grow(f.members, len(f.members)) // twice as many
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
	dst := f.dst[f.start:]
	start := int(members[0].from) - 1
	slices.SortFunc(members, f.compare)
	f.scratch = slices.Grow(f.scratch[:0], len(dst)-start)
	for i, m := range members {
		if i > 0 {
			f.scratch = append(f.scratch, ',')
		}
		f.scratch = append(f.scratch, dst[m.from-1:m.to]...)
	}
	copy(dst[start:], f.scratch)
}

// compare compares the bytes of decoded keys.
func (f *formatter) compare(a, b member) int {
	return bytes.Compare(f.key(a, &f.keys[0]), f.key(b, &f.keys[1]))
}

// key returns a decoded key, in scratch if it has escapes.
func (f *formatter) key(m member, scratch *[]byte) []byte {
	text := f.dst[f.start:][m.from : m.colon-1]
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	*scratch = appendUnescaped((*scratch)[:0], text)
	return *scratch
}

// text writes the string at src[i] with canonical escapes.
func (f *formatter) text(i int) int {
	end := stringEnd(f.src, i+1)
	inside := f.src[i+1 : end-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		f.dst = append(f.dst, f.src[i:end]...)
		return end
	}
	f.scratch = appendUnescaped(f.scratch[:0], inside)
	f.dst = AppendText(f.dst, view(f.scratch))
	return end
}
