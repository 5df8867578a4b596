// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/postgres"
)

// serverOf returns the pool of the app in the examples, or skips the test.
func serverOf(t *testing.T) *pgxpool.Pool {
	address := os.Getenv("IGNITER_POSTGRES_ADDRESS")
	if address == "" {
		t.Skip("PostgreSQL is not installed")
	}
	t.Setenv("DATABASE_URL", address)
	pool, err := pgxpool.New(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// A table of the app and a fact about the same change are written together.
func ExampleInTx() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	log, err := postgres.Open(ctx, postgres.Options{Pool: pool, Log: "orders"}) // creates the log
	if err != nil {
		panic(err)
	}
	defer log.Close()
	if _, err := pool.Exec(ctx, `create table if not exists invoice (number int primary key, cents int)`); err != nil {
		panic(err)
	}

	tx, err := pool.Begin(ctx)
	if err != nil {
		panic(err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, `insert into invoice values (17, 4200)`); err != nil {
		panic(err)
	}
	// The facts come last: from here to the commit all other writers of the log wait.
	w, err := postgres.InTx(ctx, postgres.PGX(tx), "orders", backend.Batch{
		Facts:  []backend.Fact{{ID: "invoice-17-sent", Store: "invoices", Key: "17", Value: []byte(`{"state":"sent","cents":4200}`)}},
		Expect: []backend.Expect{{Store: "invoices", Key: "17"}}, // the key has no fact yet
	})
	if err != nil {
		panic(err)
	}
	if err := tx.Commit(ctx); err != nil {
		panic(err)
	}
	fmt.Println("seq", w.Facts[0].Seq)
}

// The same with package database/sql, here with the driver lib/pq.
func ExampleSQL() {
	ctx := context.Background()
	db, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		panic(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `update invoice set cents = $1 where number = $2`, 3900, 17); err != nil {
		panic(err)
	}
	_, err = postgres.InTx(ctx, postgres.SQL(tx), "orders", backend.Batch{
		Facts:  []backend.Fact{{ID: "invoice-17-reduced", Store: "invoices", Key: "17", Value: []byte(`{"state":"reduced","cents":3900}`)}},
		Expect: []backend.Expect{{Store: "invoices", Key: "17", ID: "invoice-17-sent"}},
	})
	if err != nil {
		panic(err)
	}
	if err := tx.Commit(); err != nil {
		panic(err)
	}
}

func TestExampleInTx(t *testing.T) {
	pool := serverOf(t)
	ExampleInTx()
	var cents int
	require.NoError(t, pool.QueryRow(t.Context(), `select i.cents from invoice i join igniter.facts f on f.log = 'orders' and f.store = 'invoices' and f.key = i.number::text
		and f.value->>'state' = 'sent'`).Scan(&cents))
	require.Equal(t, 4200, cents)
	t.Setenv("DATABASE_URL", os.Getenv("IGNITER_POSTGRES_ADDRESS")+" sslmode=disable")
	ExampleSQL()
	require.NoError(t, pool.QueryRow(t.Context(), `select i.cents from invoice i join igniter.facts f on f.log = 'orders' and f.key = i.number::text
		and f.value->>'state' = 'reduced' and (f.value->>'cents')::int = i.cents`).Scan(&cents))
	require.Equal(t, 3900, cents)
}

// Derive a table from facts: each fact changes it exactly once, since the cursor is stored in the same transaction.
func ExamplePosition() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	log, err := postgres.Open(ctx, postgres.Options{Address: os.Getenv("DATABASE_URL"), Log: "sales"})
	if err != nil {
		panic(err)
	}
	defer log.Close()
	if _, err := db.ExecContext(ctx, `create table if not exists sold (article text primary key, times int not null)`); err != nil {
		panic(err)
	}

	inTx := func(do func(tx *sql.Tx) error) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			panic(err)
		}
		defer tx.Rollback()
		if err := do(tx); err != nil {
			panic(err)
		}
		if err := tx.Commit(); err != nil {
			panic(err)
		}
	}
	var at backend.Cursor
	inTx(func(tx *sql.Tx) (err error) {
		at, err = postgres.Position(ctx, postgres.SQL(tx), "sales", "sold")
		return err
	})
	// Replay ends; a service calls Follow.
	for page, err := range log.Replay(ctx, backend.Range{After: at, Stores: []string{"sales"}}) {
		if err != nil {
			panic(err)
		}
		inTx(func(tx *sql.Tx) error {
			for _, f := range page.Facts {
				if _, err := tx.ExecContext(ctx, `insert into sold values ($1, 1) on conflict (article) do update set times = sold.times + 1`, f.Key); err != nil {
					return err
				}
			}
			return postgres.Advance(ctx, postgres.SQL(tx), "sales", "sold", at, page.Through)
		})
		at = page.Through
	}
}

func TestExamplePosition(t *testing.T) {
	pool := serverOf(t)
	log, err := postgres.Open(t.Context(), postgres.Options{Pool: pool, Log: "sales"})
	require.NoError(t, err)
	defer log.Close()
	for i := range 30 {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("sale-", i), Store: "sales", Key: fmt.Sprint("article-", i%3), Value: []byte("1")})
		require.NoError(t, err)
		if i%4 == 0 {
			ExamplePosition()
		}
	}
	ExamplePosition()
	ExamplePosition()
	var articles, times int
	require.NoError(t, pool.QueryRow(t.Context(), `select count(*), sum(times) from sold`).Scan(&articles, &times))
	require.Equal(t, 3, articles)
	require.Equal(t, 30, times)
}
