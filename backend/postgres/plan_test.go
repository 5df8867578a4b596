// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// PostgreSQL makes plans for statements on a table that is empty, small or just vacuumed, and keeps them while the table
// grows. Whatever its statistics are, each statement must use the one right index.
func TestPlans(t *testing.T) {
	a := address(t)
	conn := connect(t, a)
	exec1(t, conn, `drop database if exists plans`)
	exec1(t, conn, `create database plans`)
	a = strings.Replace(a, "dbname=postgres", "dbname=plans", 1)
	l := open(t, Options{Address: a})
	defer l.Close()
	conn = connect(t, a)
	size := rounds(3_000, 200_000)
	stages := []struct {
		name string
		make func()
	}{
		{"empty", func() { exec1(t, conn, `analyze`) }},
		{"young", func() {
			for n := 0; n < size; n += 500 {
				facts := make([]backend.Fact, 500)
				for i := range facts {
					facts[i] = backend.Fact{ID: fmt.Sprint(n + i), Store: "s", Key: fmt.Sprint((n + i) % 1000), Value: []byte("1")}
				}
				require.NoError(t, l.Write(t.Context(), backend.Batch{Facts: facts})[0].Err)
			}
		}},
		{"analyzed", func() { exec1(t, conn, `analyze`) }},
		{"pruned and vacuumed", func() {
			exec1(t, conn, `delete from igniter.fact where seq < $1`, size-100)
			exec1(t, conn, `vacuum analyze igniter.fact`)
		}},
	}
	for _, stage := range stages {
		stage.make()
		for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
			exec1(t, conn, begin)
			exec1(t, conn, settings)
			exec1(t, conn, `set local plan_cache_mode = `+mode)
			for _, q := range []struct{ sql, args, index string }{
				{byID, `(1, '{"\\x0135"}', '{"\\x73"}')`, "fact_id"},
				{byKey, `(1, '{"\\x0135"}')`, "fact_key"},
				{remove, `(1, '{1500,1501}')`, "fact_pkey"},
				{head, `(1)`, "fact_pkey"},
				{first, `(1)`, "fact_pkey"},
				{page, `(1, 1500, 1502)`, "fact_pkey"},
				{pageStores, `(1, 1500, 1502, '{"\\x73"}')`, "fact_pkey"},
				{idAt, `(1, 1500)`, "fact_pkey"},
			} {
				exec1(t, conn, `prepare planned as `+q.sql)
				rows, err := conn.Query(t.Context(), `explain (costs off) execute planned`+q.args, pgx.QueryExecModeSimpleProtocol)
				require.NoError(t, err)
				lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
				require.NoError(t, err)
				plan := strings.Join(lines, "\n")
				require.Regexp(t, `Index (Only )?Scan (Backward )?using `+q.index+` on fact`, plan, stage.name)
				require.Contains(t, plan, "Index Cond: (", stage.name)
				require.NotContains(t, plan, "Filter: (ROW", stage.name)
				require.NotContains(t, plan, "Filter: ((ROW", stage.name)
				require.NotContains(t, plan, "Sort", stage.name)
				require.NotContains(t, plan, "Seq Scan", stage.name)
				exec1(t, conn, `deallocate planned`)
			}
			exec1(t, conn, commit)
		}
	}
}
