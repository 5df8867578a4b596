package postgres

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// PostgreSQL makes plans for statements on a table that is empty or young, and keeps them. None of them reads more than the rows that it
// looks for, also when the table is large.
func TestPlans(t *testing.T) {
	s := start(t, "autovacuum=off", "plan_cache_mode=force_generic_plan")
	a := s.address("postgres", "postgres")
	l, other := open(t, Options{Address: a}), open(t, Options{Address: a, Log: "other"})
	conn := connect(t, a)
	exec1(t, conn, `analyze`)
	batch := func(l *Log, first, n int) {
		facts := make([]backend.Fact, n)
		for i := range facts {
			facts[i] = backend.Fact{ID: fmt.Sprint(first + i), Store: "s", Key: fmt.Sprint((first + i) % 1000), Value: []byte("1")}
		}
		require.NoError(t, l.Write(t.Context(), backend.Batch{Facts: facts})[0].Err)
	}
	one10 := func(first int) { // the statements of every method, from the connections that have run them before
		for i := range 10 {
			batch(l, first+i, 1)
			read(t, l, backend.Range{After: backend.Cursor{Seq: uint64(i)}, Through: uint64(i + 1)})
			read(t, l, backend.Range{After: backend.Cursor{Seq: uint64(i)}, Through: uint64(i + 1), Stores: []string{"s"}})
			statsOf(t, l)
			_, err := l.Prune(t.Context(), func(yield func(uint64) bool) { yield(uint64(first/2 + 3*i + 1)) }, backend.Horizon{})
			require.NoError(t, err)
		}
	}
	one10(0)
	size := rounds(20_000, 200_000)
	for n := 10; n < size; n += 500 {
		batch(l, n, 500)
		batch(other, n, 500)
	}
	reads := func() (rows int64) {
		exec1(t, conn, `select pg_stat_clear_snapshot()`)
		// Sessions tell their counts when they end, or after a second.
		return one[int64](t, conn, `select sum(seq_tup_read) + (select sum(idx_tup_read) from pg_stat_user_indexes where schemaname = 'igniter')
			from pg_stat_user_tables where schemaname = 'igniter' and relname = 'fact'`)
	}
	quiet := func() int64 {
		before := int64(-1)
		now := reads()
		awaitThat(t, func() bool {
			exec1(t, conn, `select pg_sleep(1.1)`)
			before, now = now, reads()
			return before == now
		})
		return now
	}
	one10(size)
	before := quiet()
	one10(size + 10)
	require.NoError(t, l.Close())
	require.NoError(t, other.Close())
	rows := quiet() - before
	require.Less(t, rows, int64(10*100), "rows that 10 writes, 20 reads, 10 statistics and 10 prunes of one fact looked at, of %d", 2*size)
	t.Logf("%d rows were looked at, of %d", rows, 2*size)
}
