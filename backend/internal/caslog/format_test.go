// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// TestPacked writes packed units, beside plain ones of the same size, as an earlier version wrote them. A running process,
// and one that opens the log, read all facts, and Stats has the bytes of the place, also after a prune.
func TestPacked(t *testing.T) {
	t.Parallel()
	s := newStore(backend.LogID{1}, nil)
	l := openIndexed(t, s, 0)
	large := func(id string) backend.Batch {
		facts := make([]backend.Fact, 100)
		for i := range facts {
			facts[i] = backend.Fact{ID: fmt.Sprint(id, i), Store: "s1", Key: fmt.Sprint(i), Value: []byte(`{"text":"the same again"}`)}
		}
		return backend.Batch{Facts: facts}
	}
	var want []backend.Fact
	for i := range 4 {
		w := l.Write(t.Context(), large(fmt.Sprint(i)))[0]
		require.NoError(t, w.Err)
		want = append(want, w.Facts...)
		if i%2 == 0 {
			continue
		}
		require.NoError(t, l.Close()) // it knows the hash of the changed unit
		s.mu.Lock()
		s.witness = ""
		e := &s.entries[len(s.entries)-1]
		h, err := parseHeader(e)
		require.NoError(t, err)
		require.True(t, h.packed)
		require.Less(t, h.size, len(e.Body)/4)
		h.packed = false
		h.seal(e.Kind, e.Body)
		e.Header = h.String()
		s.mu.Unlock()
		l = openIndexed(t, s, 0)
	}
	defer l.Close()
	stored := func() (n uint64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range s.entries {
			if e.Kind == Facts || e.Kind == Kept {
				n += uint64(len(e.Body))
			}
		}
		return n
	}
	fresh := openIndexed(t, s, 0)
	defer fresh.Close()
	for _, l := range []*Log{l, fresh} {
		require.Equal(t, want, replay(t, l))
		stats, err := l.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, stored(), stats.Bytes)
	}
	_, err := l.Prune(t.Context(), slices.Values([]uint64{1, 2, 3, 150}), backend.Horizon{})
	require.NoError(t, err)
	want = slices.Concat(want[3:149], want[150:])
	for _, l := range []*Log{l, fresh} {
		require.Equal(t, want, replay(t, l))
		stats, err := l.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, stored(), stats.Bytes)
	}
}

// TestFormat pins the form of units and notes, since existing logs have them.
func TestFormat(t *testing.T) {
	h := header{log: backend.LogID{1, 2, 3}, first: 7, last: 9}
	h.seal(Facts, []byte(`{"seq":7}`))
	const golden = "1 01020300-0000-0000-0000-000000000000 7 9 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA APHdX3I3xRcgEJ8og8Le93TDiOdhttY5S3pqQFOI89c"
	require.Equal(t, golden, h.String())
	e := Entry{Unit: Unit{Facts, golden, []byte(`{"seq":7}`)}, At: 3, End: 3}
	parsed, err := parseHeader(&e)
	require.NoError(t, err)
	h.size = 9
	require.Equal(t, h, parsed)
	for i := range golden {
		changed := []byte(golden)
		changed[i] ^= 1
		e.Header = string(changed)
		_, err := parseHeader(&e)
		require.Error(t, err, "%s", changed)
	}

	// Version 2 is packed. A packed unit with the header of a plain one is invalid, and vice versa.
	body := bytes.Repeat([]byte(`{"seq":7}`), packFrom/9+1)
	stored, packed := pack(Facts, body)
	require.True(t, packed)
	h = header{packed: true, size: len(stored), log: h.log, first: 7, last: 9}
	h.seal(Facts, stored)
	text := h.String()
	require.True(t, strings.HasPrefix(text, "2 01020300-0000-0000-0000-000000000000 7 9 "), text)
	e = Entry{Unit: Unit{Facts, text, stored}, At: 3, End: 3}
	parsed, err = parseHeader(&e)
	require.NoError(t, err)
	require.Equal(t, h, parsed)
	require.Equal(t, body, e.Body)
	_, err = parseHeader(&Entry{Unit: Unit{Facts, "1" + text[1:], stored}})
	require.Error(t, err)
	_, err = parseHeader(&Entry{Unit: Unit{Facts, "2" + golden[1:], []byte(`{"seq":7}`)}})
	require.Error(t, err)
	for i := range stored {
		changed := bytes.Clone(stored)
		changed[i] ^= 1
		_, err := parseHeader(&Entry{Unit: Unit{Facts, text, changed}})
		require.Error(t, err)
	}
	h.seal(Facts, body) // as a program with a fault might
	_, err = parseHeader(&Entry{Unit: Unit{Facts, h.String(), body}})
	require.Error(t, err)

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
