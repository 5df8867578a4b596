// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
)

// openWatched opens a log. It returns the position of the index that it used (0: none), the time to open, and the number of
// warnings.
func openWatched(t testing.TB, url, log string) (l backend.Log, index uint64, took time.Duration, warnings int) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	l, err := jetstream.Open(context.WithoutCancel(t.Context()), jetstream.Options{URL: url, Log: log, Replicas: 1, Logger: zap.New(core)})
	require.NoError(t, err)
	opened := logs.FilterMessage("jetstream: log opened").All()
	require.Len(t, opened, 1)
	fields := opened[0].ContextMap()
	return l, fields["with_index_through_position"].(uint64), fields["took"].(time.Duration), logs.FilterLevelExact(zap.WarnLevel).Len()
}

// TestIndex opens a log with an index of its IDs and keys, and without one if the index is damaged or gone.
func TestIndex(t *testing.T) {
	t.Parallel()
	url, log := one(), nameOf(t.Name())
	l, index, _, _ := openWatched(t, url, log)
	require.Zero(t, index)
	defer l.Close()
	var facts []backend.Fact
	write := func(n int) {
		batch := make([]backend.Fact, n)
		for i := range batch {
			batch[i] = backend.Fact{ID: backend.NewLogID().String(), Store: "s", Key: fmt.Sprint("k", i%100), Value: []byte(`{"n":1}`)}
		}
		w := l.Write(t.Context(), backend.Batch{Facts: batch})[0]
		require.NoError(t, w.Err)
		facts = append(facts, w.Facts...)
	}
	opens := func(want uint64, warned bool) {
		t.Helper()
		l, index, _, warnings := openWatched(t, url, log)
		defer l.Close()
		require.Equal(t, want, index)
		require.Equal(t, warned, warnings > 0)
		got, err := replay(t, l)
		require.NoError(t, err)
		require.Equal(t, facts, got)
		for _, f := range []backend.Fact{facts[0], facts[len(facts)-1]} {
			again, err := l.WriteFact(t.Context(), backend.Fact{ID: f.ID, Store: f.Store, Key: f.Key, Value: f.Value})
			require.NoError(t, err)
			require.Equal(t, f, again)
		}
		latest := facts[len(facts)-1]
		require.NoError(t, l.Write(t.Context(), backend.Batch{Expect: []backend.Expect{{Store: latest.Store, Key: latest.Key, ID: latest.ID}}})[0].Err)
	}
	_, js := connect(t, url)
	var through []uint64                   // the positions of indexes
	for _, n := range []int{9000, 50, 1} { // the first one needs more than a message
		write(n)
		s, err := js.Stream(t.Context(), "IGNITER_"+log)
		require.NoError(t, err)
		through = append(through, s.CachedInfo().State.LastSeq)
		require.NoError(t, l.WriteSnapshot(t.Context(), 0))
		opens(through[len(through)-1], false)
		write(2)
		opens(through[len(through)-1], false)
	}
	blobs, err := js.ObjectStore(t.Context(), "IGNITER_"+log)
	require.NoError(t, err)
	all, err := blobs.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2, "two are kept")
	newest := all[0]
	if all[1].Name > newest.Name {
		newest = all[1]
	}
	text, err := blobs.GetBytes(t.Context(), newest.Name)
	require.NoError(t, err)
	text[len(text)/2] ^= 1
	_, err = blobs.PutBytes(t.Context(), newest.Name, text)
	require.NoError(t, err)
	opens(through[1], true)
	require.NoError(t, blobs.Delete(t.Context(), newest.Name))
	opens(through[1], true)
	require.NoError(t, js.DeleteObjectStore(t.Context(), "IGNITER_"+log))
	opens(0, true)
}

// TestOpenLarge prints the time to open a log, with and without an index. IGNITER_SOAK is the number of facts in thousands.
func TestOpenLarge(t *testing.T) {
	thousands, _ := strconv.Atoi(os.Getenv("IGNITER_SOAK"))
	if thousands < 10 {
		t.Skip("it measures: IGNITER_SOAK=1000 runs it with a million facts")
	}
	url, log := one(), nameOf(t.Name())
	l, _, _, _ := openWatched(t, url, log)
	defer l.Close()
	for n := range thousands {
		batch := make([]backend.Fact, 1000)
		for i := range batch {
			batch[i] = backend.Fact{ID: backend.NewLogID().String(), Store: "s", Key: fmt.Sprint("k", (1000*n+i)%100_000), Value: []byte(`"` + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" + `"`)}
		}
		require.NoError(t, l.Write(t.Context(), backend.Batch{Facts: batch})[0].Err)
	}
	begun := time.Now()
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	t.Logf("an index was written in %s", time.Since(begun).Round(time.Millisecond))
	opens := func() {
		opened, index, took, _ := openWatched(t, url, log)
		t.Logf("opened in %s, with the index through position %d", took.Round(time.Millisecond), index)
		require.NoError(t, opened.Close())
	}
	_, js := connect(t, url)
	blobs, err := js.ObjectStore(t.Context(), "IGNITER_"+log)
	require.NoError(t, err)
	all, err := blobs.List(t.Context())
	require.NoError(t, err)
	for _, o := range all {
		t.Logf("index %s: %d bytes in %d messages", o.Name, o.Size, o.Chunks)
	}
	for range 3 {
		opens()
	}
	require.NoError(t, js.DeleteObjectStore(t.Context(), "IGNITER_"+log))
	for range 3 {
		opens()
	}
}
