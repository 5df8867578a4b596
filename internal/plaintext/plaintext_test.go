// SPDX-License-Identifier: Apache-2.0

package plaintext_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/plaintext"
)

func TestUTF8(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "\xef\xbb\xbfa: ä": "a: ä", "\xef\xbb": "\xef\xbb"} {
		got, err := plaintext.UTF8([]byte(in))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	for _, in := range []string{"\xff\xfea\x00", "\xfe\xff\x00a", "a\x00b\x00", "\x00a\x00b", "\x00\x00\xfe\xff", "\xff\xfe\x00\x00"} {
		_, err := plaintext.UTF8([]byte(in))
		require.ErrorContains(t, err, "save it as UTF-8", "%q", in)
	}
}
