// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/companion"
)

// BenchmarkGet reads typed records: encoding/json is what it costs.
func BenchmarkGet(b *testing.B) {
	s := openStore(b)
	articles, err := companion.NewRecords[Article](s, "articles")
	require.NoError(b, err)
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("a", i)
		_, err := articles.Put(b.Context(), keys[i], Article{Title: "Lamp", Price: i})
		require.NoError(b, err)
	}
	ctx := b.Context()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := articles.Get(ctx, keys[n%len(keys)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
}
