// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func TestRetention(t *testing.T) {
	now := time.Unix(900, 0).UTC()
	l := newLog(t)
	e, err := store.Open(t.Context(), l, store.Options{Now: func() time.Time { return now }})
	require.NoError(t, err)
	defer e.Close()
	other := openEngine(t, l)
	for i := range 10 {
		f := fact("k", i)
		f.TransactionTime = time.Unix(int64(i*100), 0)
		_, err := e.Import(t.Context(), withID(f, fmt.Sprint("k", i)))
		require.NoError(t, err)
		f.Store, f.Key = "events", fmt.Sprint(i)
		_, err = e.Import(t.Context(), withID(f, fmt.Sprint("e", i)))
		require.NoError(t, err)
	}
	require.Empty(t, e.PlanCompaction(), "without a rule all is kept")
	require.NoError(t, e.Retain("s", store.Retention{Window: 350 * time.Second}))
	require.NoError(t, e.Retain("events", store.Retention{Window: 350 * time.Second, Events: true}))
	require.NoError(t, e.Retain("none", store.Retention{Versions: 1}))
	for _, r := range []store.Retention{{Versions: -1}, {Window: -1}, {Events: true}} {
		require.ErrorIs(t, e.Retain("s", r), backend.ErrInvalid)
	}
	plan := e.PlanCompaction()
	require.Len(t, plan, 2)
	require.Equal(t, "events", plan[0].Store)
	require.Equal(t, 6, plan[0].Facts, "0 to 500: before 550")
	require.Equal(t, 5, plan[1].Facts, "what was true at 550 is kept")
	stats, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(20), stats.Facts, "a plan changes nothing")

	done, err := e.Compact(t.Context())
	require.NoError(t, err)
	require.Equal(t, plan, done)
	require.NoError(t, other.Sync(t.Context()))
	for _, e := range []*store.Engine{e, other, openEngine(t, l)} {
		require.Len(t, factsOf(e.History(t.Context(), "s", "k", store.Moment{})), 5)
		require.Len(t, factsOf(e.Facts(t.Context(), "events", 0)), 4)
		r, ok, _ := e.GetAt(t.Context(), "s", "k", store.Moment{Time: time.Unix(550, 0)})
		require.True(t, ok)
		require.Equal(t, "k5", r.ID())
		require.Equal(t, "k4", r.Causation())
		_, _, err := e.GetAt(t.Context(), "s", "k", store.Moment{Time: time.Unix(450, 0)})
		var compacted *backend.CompactedError
		require.ErrorAs(t, err, &compacted)
		require.Equal(t, backend.CompactedError{Store: "s", Horizon: backend.Horizon{Seq: 11, Time: time.Unix(500, 0).UTC()}}, *compacted)
	}
	done, err = e.Compact(t.Context())
	require.NoError(t, err)
	require.Empty(t, done)
	var receipt store.Compaction
	require.NoError(t, json.Unmarshal(e.Latest(store.CompactionStore, "s").Value(), &receipt))
	require.Equal(t, plan[1], receipt)
}

// What was true at a time within the window can be read, although it was corrected before the window.
func TestWindowOnBothAxes(t *testing.T) {
	at := func(second int64) time.Time { return time.Unix(second, 0).UTC() }
	for _, second := range []backend.Fact{fact("k", 2), {Store: "s", Key: "k", Value: []byte("null")}} {
		l := newLog(t)
		e, err := store.Open(t.Context(), l, store.Options{Now: func() time.Time { return at(900) }})
		require.NoError(t, err)
		defer e.Close()
		first := fact("k", 1)
		first.TransactionTime = at(100)
		second.TransactionTime, second.ValidTime = at(200), at(800) // known ahead
		last := fact("other", 3)
		last.TransactionTime = at(900)
		for i, f := range []backend.Fact{first, second, last} {
			_, err := e.Import(t.Context(), withID(f, fmt.Sprint(i)))
			require.NoError(t, err)
		}
		require.NoError(t, e.Retain("s", store.Retention{Window: 300 * time.Second, Forget: true}))
		require.Empty(t, e.PlanCompaction())
		require.NoError(t, e.Retain("s", store.Retention{}))
		require.NoError(t, e.Retain("s", store.Retention{Window: 50 * time.Second, Forget: true}))
		plan := e.PlanCompaction()
		require.Len(t, plan, 1)
		require.False(t, plan[0].Horizon.Time.After(plan[0].Before))
	}
}

// A correction within the window hides nothing of what was known before it.
func TestWindowBeforeACorrection(t *testing.T) {
	at := func(second int64) time.Time { return time.Unix(second, 0).UTC() }
	l := newLog(t)
	e, err := store.Open(t.Context(), l, store.Options{Now: func() time.Time { return at(900) }})
	require.NoError(t, err)
	defer e.Close()
	for i, f := range []backend.Fact{
		{TransactionTime: at(100)},
		{TransactionTime: at(200), ValidTime: at(875)},
		{TransactionTime: at(860), ValidTime: at(300)},
		{TransactionTime: at(900), ValidTime: at(880)},
	} {
		f.Store, f.Key, f.Value = "s", "k", []byte(fmt.Sprint(i))
		_, err := e.Import(t.Context(), withID(f, fmt.Sprint(i)))
		require.NoError(t, err)
	}
	require.NoError(t, e.Retain("s", store.Retention{Window: 50 * time.Second}))
	_, err = e.Compact(t.Context())
	require.NoError(t, err)
	r, ok, err := e.GetAt(t.Context(), "s", "k", store.Moment{Time: at(855), Valid: at(855)})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "0", string(r.Value()))
}

func withID(f backend.Fact, id string) backend.Fact {
	f.ID = id
	return f
}

// A clock that is ahead, the log's or the engine's, does not make fresh facts old.
func TestRetentionByTheLogsTime(t *testing.T) {
	l := newLog(t)
	for _, ahead := range []func() time.Time{func() time.Time { return time.Now().AddDate(1, 0, 0) }, time.Now} {
		e, err := store.Open(t.Context(), l, store.Options{Now: ahead})
		require.NoError(t, err)
		for i := range 3 {
			f := fact(fmt.Sprint(i), i)
			f.Store = "events"
			_, err := e.Write(t.Context(), f)
			require.NoError(t, err)
		}
		require.NoError(t, e.Retain("events", store.Retention{Window: time.Hour, Events: true}))
		require.Empty(t, e.PlanCompaction())
		require.NoError(t, e.Close())
		_, err = l.WriteFact(t.Context(), backend.Fact{ID: "ahead", Store: "s", Key: "k", Value: []byte("1"), TransactionTime: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)})
		require.NoError(t, err)
	}
}
