// SPDX-License-Identifier: Apache-2.0

package hugepage

import (
	"bytes"
	"testing"
)

// TestMake makes blocks around the sizes at which they are treated differently. Each is whole, empty and writable.
func TestMake(t *testing.T) {
	for _, n := range []int{0, 1, Size - 1, Size, Size + 1, 4<<20 + 4095} {
		b := Make(n)
		if len(b) != n || len(bytes.Trim(b, "\x00")) != 0 {
			t.Fatalf("%d bytes are wanted: got %d, or they are not empty", n, len(b))
		}
		for i := range b {
			b[i] = 1
		}
	}
}
