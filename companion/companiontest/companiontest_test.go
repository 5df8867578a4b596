package companiontest_test

import (
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

// A golden table says in one look what an app has written. Tests of apps look like this one.
func TestTable(t *testing.T) {
	s, clock := companiontest.New(t, companion.Options{})
	tasks, err := companion.NewRecords[Task](s, "tasks")
	require.NoError(t, err)
	notes, err := companion.NewHistory[string](s, "notes")
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
`, "\n"), companiontest.Table(s))
	require.NotContains(t, companiontest.Table(s, "tasks"), "notes")
	require.Equal(t, companiontest.Start.Add(90*time.Minute), clock.Now())
}
