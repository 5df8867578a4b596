// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// TestFormat pins what units and notes look like: logs have them.
func TestFormat(t *testing.T) {
	h := header{log: backend.LogID{1, 2, 3}, first: 7, last: 9}
	h.seal(Facts, []byte(`{"seq":7}`))
	const golden = "1 01020300-0000-0000-0000-000000000000 7 9 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA APHdX3I3xRcgEJ8og8Le93TDiOdhttY5S3pqQFOI89c"
	require.Equal(t, golden, h.String())
	e := Entry{Unit: Unit{Facts, golden, []byte(`{"seq":7}`)}, At: 3, End: 3}
	parsed, err := parseHeader(&e)
	require.NoError(t, err)
	require.Equal(t, h, parsed)
	for i := range golden {
		changed := []byte(golden)
		changed[i] ^= 1
		e.Header = string(changed)
		_, err := parseHeader(&e)
		require.Error(t, err, "%s", changed)
	}

	n := note{Gone: seqrange.Set{{1, 3}}, Erase: seqrange.Set{{2, 2}}, Kept: []kept{{2, 5}}, Bytes: 100,
		Latest:   []latest{{Store: "s", Key: "k", Seq: 3, Left: 1, ID: "a"}, {Store: "s", Key: "l", Seq: 2}},
		Horizons: map[string]backend.Horizon{"s": {Seq: 9, Time: time.Unix(5, 6).UTC()}}, Time: time.Unix(7, 8).UTC()}
	form, err := json.Marshal(n)
	require.NoError(t, err)
	require.Equal(t, `{"gone":[[1,3]],"erase":[[2,2]],"kept":[{"at":2,"into":5}],"bytes":100,"latest":[{"store":"s","key":"k","seq":3,"left":1,"id":"a"},{"store":"s","key":"l","seq":2}],`+
		`"horizons":{"s":{"seq":9,"time":"1970-01-01T00:00:05.000000006Z"}},"time":"1970-01-01T00:00:07.000000008Z"}`, string(form))
	back, err := parseNote(form)
	require.NoError(t, err)
	require.Equal(t, n, back)
	_, err = parseNote([]byte(`{"later":1}`))
	require.Error(t, err, "what this version does not know may matter")
}
