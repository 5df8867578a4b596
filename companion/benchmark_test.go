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
	const keys = 1000
	for i := range keys {
		_, err := articles.Put(b.Context(), fmt.Sprint("a", i), Article{Title: "Lamp", Price: i})
		require.NoError(b, err)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		_, err := articles.Get(b.Context(), fmt.Sprint("a", n%keys))
		require.NoError(b, err)
		n++
	}
}
