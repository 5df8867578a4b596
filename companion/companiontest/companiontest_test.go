// SPDX-License-Identifier: Apache-2.0

package companiontest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/companion/companiontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type Task struct {
	Title string `json:"title"`
}

// A golden table shows at one glance what an app has written. Tests of apps can look like this one.
func TestTable(t *testing.T) {
	s, clock := companiontest.New(t, companion.Options{})
	tasks, err := companion.NewRecords[Task](s, "tasks")
	require.NoError(t, err)
	notes, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	ana := companion.WithProducer(t.Context(), "ana")
	_, err = tasks.Put(ana, "milk", Task{"Buy milk"})
	require.NoError(t, err)
	clock.Advance(90 * time.Minute)
	_, err = notes.Append(t.Context(), "the shop is closed")
	require.NoError(t, err)
	_, err = s.Write(t.Context(), tasks.Change("milk", Task{"Buy bread"}).ValidFrom(companiontest.Start))
	require.NoError(t, err)

	require.Equal(t, strings.TrimLeft(`
seq  id  store  key   time                  more                                 value
1    f1  tasks  milk  2024-01-01T00:00:00Z  by="ana"                             {"title":"Buy milk"}
2    f2  notes  f2    2024-01-01T01:30:00Z  -                                    "the shop is closed"
3    f3  tasks  milk  2024-01-01T01:30:00Z  after=f1 valid=2024-01-01T00:00:00Z  {"title":"Buy bread"}
`, "\n"), companiontest.Table(t, s))
	require.NotContains(t, companiontest.Table(t, s, "tasks"), "notes")
	require.Equal(t, companiontest.Start.Add(90*time.Minute), clock.Now())
}

// A table stays readable with keys of all kinds.
func TestTableQuotes(t *testing.T) {
	s, _ := companiontest.New(t, companion.Options{})
	numbers, err := companion.NewRecords[int](s, "a b")
	require.NoError(t, err)
	for i, key := range []string{"a\tb", "x\ny", "日本/é", `"q"`, "a b"} {
		_, err := numbers.Put(t.Context(), key, i)
		require.NoError(t, err)
	}
	_, err = numbers.Delete(t.Context(), "日本/é")
	require.NoError(t, err)
	require.Equal(t, strings.TrimLeft(`
seq  id  store  key      time                  more      value
1    f1  "a b"  "a\tb"   2024-01-01T00:00:00Z  -         0
2    f2  "a b"  "x\ny"   2024-01-01T00:00:00Z  -         1
3    f3  "a b"  日本/é     2024-01-01T00:00:00Z  -         2
4    f4  "a b"  "\"q\""  2024-01-01T00:00:00Z  -         3
5    f5  "a b"  "a b"    2024-01-01T00:00:00Z  -         4
6    f6  "a b"  日本/é     2024-01-01T00:00:00Z  after=f3  null
`, "\n"), companiontest.Table(t, s))
}

// Tables are the same in each run, also with derived facts and compactions.
func TestTablesAreStable(t *testing.T) {
	table := func() string {
		s, clock := companiontest.New(t, companion.Options{})
		tasks, err := companion.NewRecords[Task](s, "tasks")
		require.NoError(t, err)
		notes, err := companion.NewEvents[string](s, "notes")
		require.NoError(t, err)
		require.NoError(t, tasks.Derive("notes", 1, func(_ context.Context, task companion.Record[Task]) (companion.Derived, error) {
			return companion.Derived{Changes: []companion.Change{notes.Event("wrote " + task.Key)}}, nil
		}))
		require.NoError(t, tasks.Retain(companion.Retention{Versions: 1, Window: time.Hour}))
		for range 2 {
			_, err = tasks.Put(t.Context(), "milk", Task{"Buy milk"})
			require.NoError(t, err)
			clock.Advance(2 * time.Hour)
		}
		_, err = s.Compact(t.Context())
		require.NoError(t, err)
		return companiontest.Table(t, s)
	}
	want := table()
	require.Contains(t, want, "igniter.compactions")
	require.Equal(t, 6+3, strings.Count(want, "\n"), "what is about to be pruned, and that it is; and three states of the rule")
	require.Equal(t, want, table())
}
