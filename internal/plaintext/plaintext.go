// SPDX-License-Identifier: Apache-2.0

// Package plaintext reads text files as editors write them.
package plaintext

import (
	"bytes"
	"errors"
)

// UTF8 returns the text of a file, or of its beginning, without the byte order mark that some editors put in front of
// UTF-8. A text in UTF-16 or UTF-32 is an error.
func UTF8(text []byte) ([]byte, error) {
	head := text[:min(4, len(text))]
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) || bytes.IndexByte(head, 0) >= 0 {
		return nil, errors.New("the text is UTF-16 or UTF-32, or not a text: save it as UTF-8")
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}
