// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/store"
)

// TestManyWriters writes facts of more writers than are kept once, with and without producers and names, and of long ones.
func TestManyWriters(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, l)
	for n := range 3000 {
		f := fact("k", n)
		f.Producer = fmt.Appendf(nil, `{"name":"web-%d"}`, n*7919%1500)
		if n%100 == 0 {
			f.Producer = fmt.Appendf(nil, `"%d%s"`, n%200, strings.Repeat("x", 300))
		}
		if n%3 > 0 {
			f.By = fmt.Sprintf("app-%d", n%7)
		}
		if n%5 == 0 {
			f.Producer = nil
		}
		if n%250 == 1 {
			f.By = strings.Repeat("é", 128)
		}
		_, err := e.Write(t.Context(), f)
		require.NoError(t, err)
	}
	n, all := 0, recordsOf(e.History(t.Context(), "s", "k", store.Moment{}))
	for _, f := range logged(t, l) {
		r := all[n]
		require.Equal(t, f, r.Fact())
		require.Equal(t, f.Producer, r.Producer())
		require.Equal(t, f.By, r.By())
		require.Equal(t, f.By, refOf(r).By)
		n++
	}
	require.Equal(t, 3000, n)
}
