// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestGrowth writes many facts in batches of 1,000, alternating with rows of the same bytes in a plain table, and prints
// the speed and size of both as they grow. IGNITER_SOAK says how many thousand facts.
func TestGrowth(t *testing.T) {
	thousands, _ := strconv.Atoi(os.Getenv("IGNITER_SOAK"))
	if thousands < 100 {
		t.Skip("it measures: IGNITER_SOAK=3000 runs it with three million facts")
	}
	s := start(t, "fsync=on", "autovacuum=on", "shared_buffers=128MB", "max_wal_size=1GB")
	a := s.Address("postgres", "postgres")
	l := open(t, Options{Address: a})
	defer l.Close()
	conn := connect(t, a)
	exec1(t, conn, `create table bare (seq bigint primary key generated always as identity, body bytea not null)`)
	var facts, rows time.Duration
	for n := 1; n <= thousands; n++ {
		batch := make([]backend.Fact, 1000)
		bodies := make([][]byte, len(batch))
		for i := range batch {
			batch[i] = backend.Fact{ID: uuid.Must(uuid.NewV7()).String(), Store: "tasks", Key: fmt.Sprint("t", (n*1000+i)%100_000), Value: benchmarkValue()}
			bodies[i] = benchmarkBody()
		}
		begun := time.Now()
		require.NoError(t, l.Write(t.Context(), backend.Batch{Facts: batch})[0].Err)
		facts += time.Since(begun)
		begun = time.Now()
		exec1(t, conn, `insert into bare (body) select unnest($1::bytea[])`, bodies)
		rows += time.Since(begun)
		if n%100 == 0 {
			size := one[int64](t, conn, `select pg_total_relation_size('igniter.fact')`)
			bare := one[int64](t, conn, `select pg_total_relation_size('bare')`)
			t.Logf("%d facts: the last 100,000 at %.0f/s, bare rows at %.0f/s, ratio %.2f; %d bytes a fact, %d a bare row", n*1000, 100_000/facts.Seconds(), 100_000/rows.Seconds(),
				float64(rows)/float64(facts), size/int64(n*1000), bare/int64(n*1000))
			facts, rows = 0, 0
		}
		if n == 100 || n == 300 || n == 1000 || n == thousands {
			begun, read := time.Now(), 0
			for p, err := range l.Replay(t.Context(), backend.Range{}) {
				require.NoError(t, err)
				read += len(p.Facts)
			}
			t.Logf("%d facts: replayed at %.0f/s", read, float64(read)/time.Since(begun).Seconds())
		}
	}
}
