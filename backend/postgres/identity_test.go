// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/pgserver"
)

// put writes facts with numbers from first on, and returns them.
func put(t testing.TB, l *Log, first, n int) (facts []backend.Fact) {
	t.Helper()
	for i := range n {
		f, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("fact-", first+i), Store: "s", Key: fmt.Sprint(i % 3), Value: []byte(fmt.Sprint(first + i))})
		require.NoError(t, err)
		facts = append(facts, f)
	}
	return facts
}

func read(t testing.TB, l *Log, r backend.Range) (facts []backend.Fact, through backend.Cursor) {
	t.Helper()
	for p, err := range l.Replay(t.Context(), r) {
		require.NoError(t, err)
		facts, through = append(facts, p.Facts...), p.Through
	}
	return facts, through
}

func statsOf(t testing.TB, l *Log) backend.Stats {
	t.Helper()
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	return s
}

// wantDiverged fails the test unless every method of l returns a DivergedError.
func wantDiverged(t testing.TB, l *Log) {
	t.Helper()
	_, err := l.WriteFact(t.Context(), backend.Fact{ID: "diverged", Store: "s", Key: "k", Value: []byte("1")})
	require.ErrorIs(t, err, backend.ErrDiverged)
	for _, err := range l.Replay(t.Context(), backend.Range{}) {
		require.ErrorIs(t, err, backend.ErrDiverged)
	}
	_, err = l.Stats(t.Context())
	require.ErrorIs(t, err, backend.ErrDiverged)
}

// dump writes a database of a server to a file that any server can read.
func dump(t testing.TB, s *server, file string) {
	t.Helper()
	require.NoError(t, pgserver.Run("pg_dump", "-h", s.Socket, "-p", "5432", "-U", "postgres", "-d", "postgres", "-Fc", "-f", file))
}

// A log is dumped while it is written, and restored on another server, which replaces the first one. The dump is an exact
// prefix of the log. Followers that have read only the prefix go on; others get an error.
func TestDumpedAndRestored(t *testing.T) {
	t.Parallel()
	first := start(t)
	second, err := pgserver.NewCluster() // with another system identifier
	require.NoError(t, err)
	t.Cleanup(second.Remove)
	a := first.Address("postgres", "postgres")
	writer, behind, ahead := open(t, Options{Address: a}), open(t, Options{Address: a}), open(t, Options{Address: a})
	for _, l := range []*Log{writer, behind, ahead} {
		defer l.Close()
	}
	early := put(t, writer, 0, 50)
	_, at := read(t, behind, backend.Range{})
	require.Equal(t, uint64(50), at.Seq)
	c := startCrew(t, 4, writer)
	file := filepath.Join(first.Dir, "dump")
	c.await(20)
	dump(t, first, file)
	c.await(20)
	c.stop(a, defaultLog)
	all, end := read(t, ahead, backend.Range{})
	was := statsOf(t, writer)

	first.Stop(syscall.SIGINT)
	second.Stop(syscall.SIGINT)
	second.Socket = first.Socket
	require.NoError(t, second.Start())
	require.NoError(t, pgserver.Run("pg_restore", "-h", second.Socket, "-p", "5432", "-U", "postgres", "-d", "postgres", file))

	wantDiverged(t, ahead)
	wantDiverged(t, writer)
	left, _ := read(t, behind, backend.Range{After: at})
	held := append(early, left...)
	require.Less(t, len(held), len(all))
	require.Equal(t, all[:len(held)], held, "a dump is an exact prefix")
	now := statsOf(t, behind)
	require.NotEqual(t, was.Log, now.Log)
	require.Equal(t, backend.Ancestor{Log: was.Log, Through: uint64(len(held))}, now.Ancestors[0])
	put(t, behind, 1000, len(all)-len(held)+5) // the seqs are given to other facts

	again := open(t, Options{Address: a})
	defer again.Close()
	require.Equal(t, now.Log, statsOf(t, again).Log, "the identity begins once")
	_, next := read(t, again, backend.Range{After: at})
	require.Equal(t, now.Log, next.Log)
	for _, err := range again.Replay(t.Context(), backend.Range{After: end}) {
		var diverged *backend.DivergedError
		require.True(t, errors.As(err, &diverged))
		require.Equal(t, uint64(len(held)), diverged.Common)
	}
}

// A standby that lacks the last commits of its primary is promoted and replaces it.
func TestPromoted(t *testing.T) {
	t.Parallel()
	primary := start(t, "wal_level=replica", "max_wal_senders=4", "hot_standby=on")
	a := primary.Address("postgres", "postgres")
	writer, behind := open(t, Options{Address: a}), open(t, Options{Address: a})
	defer writer.Close()
	defer behind.Close()
	put(t, writer, 0, 20)
	_, at := read(t, behind, backend.Range{})
	dir, err := pgserver.NewDir()
	require.NoError(t, err)
	standby := &server{Dir: dir, Socket: dir}
	t.Cleanup(standby.Remove)
	require.NoError(t, pgserver.Run("pg_basebackup", "-h", primary.Socket, "-p", "5432", "-U", "postgres", "-D", standby.Data(), "-R", "-c", "fast", "-X", "stream"))
	lost := put(t, writer, 20, 5)

	// A standby can be read, but refuses writes.
	require.NoError(t, standby.Start("primary_conninfo=", "hot_standby=on"))
	reader := open(t, Options{Address: standby.Address("postgres", "postgres")})
	defer reader.Close()
	there, _ := read(t, reader, backend.Range{})
	require.Len(t, there, 20)
	_, err = reader.WriteFact(t.Context(), lost[0])
	require.ErrorIs(t, err, backend.ErrUnavailable)
	require.ErrorContains(t, err, "standby")

	// Of several servers the log uses the primary.
	both := open(t, Options{Address: fmt.Sprintf("host=%s,%s port=5432,5432 user=postgres dbname=postgres", standby.Socket, primary.Socket)})
	require.Equal(t, uint64(25), statsOf(t, both).LastSeq)
	require.NoError(t, both.Close())

	// A restarted standby may have fewer facts than before for a while. Its readers wait.
	reader.saw(25, 0, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for up := true; up && wait(ctx, minWait/4) == nil; {
			reader.mu.Lock()
			up = reader.state.Up
			reader.mu.Unlock()
		}
		cancel()
	}()
	_, err = reader.Stats(ctx)
	cancel()
	require.ErrorIs(t, err, backend.ErrUnavailable)
	require.ErrorIs(t, err, context.Canceled)

	standby.Stop(syscall.SIGINT)
	primary.Stop(syscall.SIGQUIT)
	standby.Socket = primary.Socket
	require.NoError(t, standby.Start("primary_conninfo=", "hot_standby=on"))
	conn := connect(t, a)
	require.True(t, one[bool](t, conn, `select pg_promote()`))
	other := open(t, Options{Address: a})
	defer other.Close()
	put(t, other, 100, 10) // beyond what the writer knows, with its seqs

	wantDiverged(t, writer)
	facts, through := read(t, behind, backend.Range{After: at})
	require.Len(t, facts, 10)
	require.Equal(t, "fact-100", facts[0].ID)
	require.Equal(t, uint64(30), through.Seq)
	require.NotEqual(t, at.Log, through.Log)
	put(t, behind, 200, 1)
}

// A cold copy of a cluster has the same origin when it is put back. An open log recognises its facts by their IDs.
func TestCopyPutBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.Address("postgres", "postgres")
	writer := open(t, Options{Address: a})
	defer writer.Close()
	put(t, writer, 0, 10)
	conn := connect(t, a)
	// The state of the copy: without the last three facts, and with other facts at their seqs.
	exec1(t, conn, `delete from igniter.fact where seq > 7`)
	require.NoError(t, conn.Close(t.Context()))
	s.Stop(syscall.SIGQUIT)
	require.NoError(t, s.Start())
	other := open(t, Options{Address: a})
	defer other.Close()
	put(t, other, 100, 5)
	wantDiverged(t, writer)
}

// The tables are restored in the database that they were dumped from, while logs are open.
func TestRestoredInPlace(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.Address("postgres", "postgres")
	l, behind := open(t, Options{Address: a}), open(t, Options{Address: a})
	defer l.Close()
	defer behind.Close()
	put(t, l, 0, 10)
	read(t, behind, backend.Range{})
	file := filepath.Join(s.Dir, "dump")
	dump(t, s, file)
	put(t, l, 10, 5)
	was := statsOf(t, l)
	require.NoError(t, pgserver.Run("pg_restore", "-h", s.Socket, "-p", "5432", "-U", "postgres", "-d", "postgres", "--clean", "--if-exists", file))
	put(t, behind, 100, 10)
	require.NotEqual(t, was.Log, statsOf(t, behind).Log)
	wantDiverged(t, l)
}

// An operator who puts back a copy removes the log's origin.
func TestOriginRemoved(t *testing.T) {
	a := address(t)
	l := open(t, Options{Address: a, Log: "origin"})
	defer l.Close()
	put(t, l, 0, 3)
	before := statsOf(t, l).Log
	exec1(t, connect(t, a), `update igniter.log set origin = '' where name = 'origin'`)
	put(t, l, 3, 1)
	now := statsOf(t, l)
	require.Equal(t, []backend.Ancestor{{Log: before, Through: 3}}, now.Ancestors)
}

// A log keeps the latest 256 ancestors.
func TestAncestors(t *testing.T) {
	a := address(t)
	const log = "ancestors"
	l := open(t, Options{Address: a, Log: log})
	put(t, l, 0, 3)
	before := statsOf(t, l).Log
	for range 3 {
		restore(t, a, log, 3)
	}
	now := statsOf(t, l)
	require.Len(t, now.Ancestors, 3)
	require.Equal(t, backend.Ancestor{Log: before, Through: 3}, now.Ancestors[2])
	conn := connect(t, a)
	exec1(t, conn, `insert into igniter.ancestor select log, gen_random_uuid(), 1, number - 400 + n from igniter.ancestor, generate_series(1, 399) n where log = $1 and number = 1`, l.number)
	restore(t, a, log, 2)
	require.NoError(t, l.Close())
	l = open(t, Options{Address: a, Log: log})
	defer l.Close()
	now = statsOf(t, l)
	require.Len(t, now.Ancestors, backend.MaxAncestors)
	require.Equal(t, uint64(2), now.Ancestors[3].Through)
}

// If somebody removes rows by other means than a prune, every reader of all stores detects it.
func TestRowsTakenAway(t *testing.T) {
	a := address(t)
	l := open(t, Options{Address: a, Log: "taken-away"})
	defer l.Close()
	put(t, l, 0, 10)
	_, err := l.Prune(t.Context(), slices.Values([]uint64{2, 7}), backend.Horizon{})
	require.NoError(t, err)
	facts, _ := read(t, l, backend.Range{})
	require.Len(t, facts, 8)
	exec1(t, connect(t, a), `delete from igniter.fact where seq in (4, 5) and log = $1`, l.number)
	fresh := open(t, Options{Address: a, Log: "taken-away"})
	defer fresh.Close()
	for _, l := range []*Log{l, fresh} {
		for _, loop := range []func(context.Context, backend.Range) iter.Seq2[backend.Page, error]{l.Replay, l.Follow} {
			var last error
			for _, err := range loop(t.Context(), backend.Range{}) {
				last = err
			}
			require.ErrorIs(t, last, backend.ErrCorrupt)
			require.ErrorContains(t, last, "4 are missing through there, and 2 were pruned")
		}
	}
}
