// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
	"github.com/igniter-store/igniter/internal/figures"
)

// BenchmarkLog runs the benchmark of every backend.
func BenchmarkLog(b *testing.B) {
	a := address(b)
	backendtest.Benchmark(b, func(t testing.TB, dir string) backend.Backend {
		return open(t, Options{Address: a, Log: logOf(dir)})
	})
}

func benchmarkValue() []byte {
	return []byte(`{"title":"Write the report for the third quarter","state":"open","priority":3,"tags":["work","urgent"],"estimate":12.5,"owner":"someone@example.org"}`)
}

// benchmarkBody returns bytes of the length of a fact.
func benchmarkBody() []byte {
	return append([]byte(uuid.Must(uuid.NewV7()).String()+`"transaction_time":1700000000.123456789,"value_hash":"8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92"`), benchmarkValue()...)
}

// BenchmarkFigures compares a log with plain tables on a separate server that syncs each commit. The tables have a number
// as the primary key, and the bytes of a fact.
func BenchmarkFigures(b *testing.B) {
	s := start(b, "fsync=on", "autovacuum=on", "shared_buffers=128MB", "max_wal_size=1GB", "max_connections=200")
	r := &bench{b: b, address: s.Address("postgres", "postgres")}
	r.single()
	r.batches()
	r.replay()
	b.Run("alarm", func(b *testing.B) { r.latency(b, r.address, true) })
	b.Run("polling", func(b *testing.B) { r.latency(b, startPooler(b, r.address), false) })
}

// A bench measures a server.
type bench struct {
	b       *testing.B
	address string
	names   int
	ids     atomic.Int64
}

func (r *bench) open(b *testing.B, address string, name string) *Log {
	l := open(b, Options{Address: address, Log: name})
	b.Cleanup(func() { l.Close() })
	return l
}

// bare makes a table with the given columns, or with a number and bytes.
func (r *bench) bare(columns string) (*pgxpool.Pool, string) {
	pool, err := pgxpool.New(bg, r.address+" pool_max_conns=64")
	require.NoError(r.b, err)
	r.b.Cleanup(pool.Close)
	r.names++
	table := fmt.Sprint("bare", r.names)
	if columns == "" {
		columns = `seq bigint primary key generated always as identity, body bytea not null`
	}
	_, err = pool.Exec(bg, `create table `+table+` (`+columns+`)`)
	require.NoError(r.b, err)
	return pool, table
}

// write returns a function that writes a batch of facts.
func (r *bench) write(l *Log, facts int) func() {
	return func() {
		batch := backend.Batch{Facts: make([]backend.Fact, facts)}
		for i := range batch.Facts {
			batch.Facts[i] = backend.Fact{ID: uuid.Must(uuid.NewV7()).String(), Store: "tasks", Key: fmt.Sprint("t", r.ids.Add(1)%100_000), Value: benchmarkValue()}
		}
		require.NoError(r.b, l.Write(bg, batch)[0].Err)
	}
}

// insert returns a function that inserts n rows with one statement.
func (r *bench) insert(pool *pgxpool.Pool, table string, n int) func() {
	return func() {
		var err error
		if n == 1 {
			_, err = pool.Exec(bg, `insert into `+table+` (body) values ($1)`, benchmarkBody())
		} else {
			_, err = pool.Exec(bg, `insert into `+table+` (body) select unnest($1::bytea[])`, bodies(n))
		}
		require.NoError(r.b, err)
	}
}

func bodies(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = benchmarkBody()
	}
	return all
}

// insertIndexed is insert for a table with the columns and indexes of a log.
func (r *bench) insertIndexed(pool *pgxpool.Pool, table string, n int) func() {
	return func() {
		seqs, ids, hashes := make([]int64, n), make([][]byte, n), make([][]byte, n)
		for i := range seqs {
			id := uuid.Must(uuid.NewV7())
			seqs[i], ids[i] = r.ids.Add(1), append([]byte{0}, id[:]...)
			hashes[i] = binary.BigEndian.AppendUint64(make([]byte, 8, 16), uint64(seqs[i]%100_000)*0x9e3779b97f4a7c15)
		}
		_, err := pool.Exec(bg, `insert into `+table+` (seq, clock_sec, log, clock_nsec, rest, key_hash, id, store, body)
			select u.seq, 1700000000, 1, 123456789, 0, u.hash, u.id, 'tasks', u.body from unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[]) as u (seq, hash, id, body)`, seqs, hashes, ids, bodies(n))
		require.NoError(r.b, err)
	}
}

func (r *bench) copy(pool *pgxpool.Pool, table string, n int) func() {
	return func() {
		_, err := pool.CopyFrom(bg, pgx.Identifier{table}, []string{"body"}, pgx.CopyFromSlice(n, func(int) ([]any, error) { return []any{benchmarkBody()}, nil }))
		require.NoError(r.b, err)
	}
}

func (r *bench) single() {
	l := r.open(r.b, r.address, "single")
	pool, table := r.bare("")
	for _, n := range []int{1, 16, 64} {
		figures.Row(r.b, fmt.Sprint("goroutines=", n), "facts/s",
			figures.Way{Name: "igniter", Turn: figures.Rate(n, 1, r.write(l, 1))},
			figures.Way{Name: "INSERT of one row", Turn: figures.Rate(n, 1, r.insert(pool, table, 1))})
	}
}

func (r *bench) batches() {
	for _, n := range []int{100, 1000} {
		l := r.open(r.b, r.address, fmt.Sprint("batches-", n))
		pool, table := r.bare("")
		copies, copied := r.bare("")
		indexed, like := r.bare(`like igniter.fact including all`)
		figures.Row(r.b, fmt.Sprint("batches=", n), "facts/s",
			figures.Way{Name: "igniter", Turn: figures.Rate(1, n, r.write(l, n))},
			figures.Way{Name: "INSERT of as many rows", Turn: figures.Rate(1, n, r.insert(pool, table, n))},
			figures.Way{Name: "INSERT into a table with the log's indexes", Turn: figures.Rate(1, n, r.insertIndexed(indexed, like, n))},
			figures.Way{Name: "COPY", Turn: figures.Rate(1, n, r.copy(copies, copied, n))})
		figures.Row(r.b, fmt.Sprintf("batches=%d/goroutines=8", n), "facts/s",
			figures.Way{Name: "igniter", Turn: figures.Rate(8, n, r.write(l, n))},
			figures.Way{Name: "INSERT of as many rows", Turn: figures.Rate(8, n, r.insert(pool, table, n))},
			figures.Way{Name: "COPY", Turn: figures.Rate(8, n, r.copy(copies, copied, n))})
	}
}

func (r *bench) replay() {
	const all = 100_000
	l := r.open(r.b, r.address, "replayed")
	pool, table := r.bare("")
	for range all / 1000 {
		r.write(l, 1000)()
		r.insert(pool, table, 1000)()
	}
	// read reads the table, in pages of the given number of rows.
	read := func(page int) func(time.Duration) float64 {
		return func(d time.Duration) float64 {
			n, begun := 0, time.Now()
			for n == 0 || time.Since(begun) < d {
				for at, more := int64(0), true; more; {
					more = false
					rows, err := pool.Query(bg, fmt.Sprintf(`select seq, body from %s where seq > $1 order by seq limit %d`, table, page), at)
					require.NoError(r.b, err)
					for rows.Next() {
						raw := rows.RawValues()
						at, more = int64(binary.BigEndian.Uint64(raw[0])), true
						n++
					}
					require.NoError(r.b, rows.Err())
				}
			}
			return float64(n) / time.Since(begun).Seconds()
		}
	}
	figures.Row(r.b, "replay", "facts/s",
		figures.Way{Name: "igniter", Turn: func(d time.Duration) float64 {
			n, begun := 0, time.Now()
			for n == 0 || time.Since(begun) < d {
				for p, err := range l.Replay(bg, backend.Range{}) {
					require.NoError(r.b, err)
					n += len(p.Facts)
				}
			}
			return float64(n) / time.Since(begun).Seconds()
		}},
		figures.Way{Name: "SELECT in pages of 1,000 rows, not decoded", Turn: read(1000)},
		figures.Way{Name: "one SELECT, not decoded", Turn: read(all)})
}

// latency measures the time from a write until a follower, connected to an address like another process, has the fact. It
// measures the same for a row, with a notification in its transaction, and a SELECT.
func (r *bench) latency(b *testing.B, at string, alarm bool) {
	r.names++
	name := fmt.Sprint("followed-", r.names)
	writer, reader := r.open(b, r.address, name), r.open(b, at, name)
	ctx, cancel := context.WithCancel(bg)
	seen := make(chan struct{})
	var followers sync.WaitGroup
	followers.Go(func() {
		for p := range reader.Follow(ctx, backend.Range{}) {
			for range p.Facts {
				seen <- struct{}{}
			}
		}
	})
	for alarm && !reader.alarm.Load() {
		require.NoError(b, wait(ctx, minWait))
	}
	write := r.write(writer, 1)
	ways := []figures.Way{{Name: "igniter, from a write to another process' follower", Turn: figures.Latency(func() time.Duration {
		if !alarm {
			_ = wait(ctx, mathrand.N(pollPooled)) // so that polls come at any moment
		}
		begun := time.Now()
		write()
		<-seen
		return time.Since(begun)
	})}}
	if alarm {
		pool, table := r.bare("")
		conn, err := pgx.Connect(bg, r.address)
		require.NoError(b, err)
		_, err = conn.Exec(bg, `listen bare`)
		require.NoError(b, err)
		notified := make(chan struct{})
		followers.Go(func() {
			defer conn.Close(bg)
			var last int64
			for {
				if _, err := conn.WaitForNotification(ctx); err != nil {
					return
				}
				if conn.QueryRow(ctx, `select max(seq) from `+table+` where seq > $1`, last).Scan(&last) != nil {
					return
				}
				notified <- struct{}{}
			}
		})
		ways = append(ways, figures.Way{Name: "INSERT and pg_notify, to another connection's SELECT", Turn: figures.Latency(func() time.Duration {
			begun := time.Now()
			_, err := pool.Exec(bg, `with row as (insert into `+table+` (body) values ($1) returning seq) select pg_notify('bare', seq::text) from row`, benchmarkBody())
			require.NoError(b, err)
			<-notified
			return time.Since(begun)
		})})
	}
	figures.Row(b, "follow", "µs", ways...)
	cancel()
	followers.Wait()
}
