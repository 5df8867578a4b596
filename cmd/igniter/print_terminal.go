// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// A plainWriter is an io.Writer that escapes characters which could move a terminal's cursor, change its state or
// reorder its text: control characters (also C1) except tabs and line feeds, characters that direct bidirectional text,
// and bytes that are not UTF-8. It writes them as JSON escapes, such as \u202e, so that JSON keeps its meaning. Its
// methods may be called concurrently.
type plainWriter struct {
	to io.Writer

	mu   sync.Mutex
	rest []byte // the beginning of a character, for the next Write
	text []byte // kept for its memory
}

// Write writes text. It keeps the bytes of an incomplete character until the next Write.
func (w *plainWriter) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(text)
	if len(w.rest) > 0 {
		text = append(w.rest, text...)
	}
	w.text = w.text[:0]
	for len(text) > 0 && utf8.FullRune(text) {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 || harmful(r) {
			w.text = fmt.Appendf(w.text, `\u%04x`, r)
		} else {
			w.text = append(w.text, text[:size]...)
		}
		text = text[size:]
	}
	w.rest = bytes.Clone(text)
	if _, err := w.to.Write(w.text); err != nil {
		return 0, err
	}
	return n, nil
}

// harmful reports whether a terminal may act on a character instead of showing it.
func harmful(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// plain returns a [plainWriter] to w.
func plain(w io.Writer) io.Writer { return &plainWriter{to: w} }

// terminal returns the terminal that w writes to, if there is one.
func terminal(w io.Writer) (*os.File, bool) {
	if p, ok := w.(*plainWriter); ok {
		w = p.to
	}
	f, ok := w.(*os.File)
	return f, ok && isTerminal(f)
}

// width returns the width of the output's terminal; 0 if the output is not a terminal or its width is unknown.
func (a *app) width() int {
	if f, ok := terminal(a.out); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// brief cuts text to a width if the output is a terminal.
func (a *app) brief(text string, places int) string {
	if a.width() == 0 {
		return text
	}
	return cut(text, places)
}
