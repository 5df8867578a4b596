package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/store"
)

// TestManyProducers writes facts of more producers than are kept once, and of long ones.
func TestManyProducers(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, l)
	for n := range 3000 {
		f := fact("k", n)
		f.Producer = fmt.Appendf(nil, `{"name":"web-%d"}`, n*7919%1500)
		if n%100 == 0 {
			f.Producer = fmt.Appendf(nil, `"%d%s"`, n%200, strings.Repeat("x", 300))
		}
		_, err := e.Write(t.Context(), f)
		require.NoError(t, err)
	}
	n, all := 0, recordsOf(e.History(t.Context(), "s", "k", store.Moment{}))
	for _, f := range logged(t, l) {
		r := all[n]
		require.Equal(t, f, r.Fact())
		require.Equal(t, f.Producer, r.Producer())
		n++
	}
	require.Equal(t, 3000, n)
}
