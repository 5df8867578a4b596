// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if beServer() {
		return
	}
	os.Exit(m.Run())
}

func openTest[L any](t *testing.T, dir string, by func(string) (L, error)) L {
	l, err := by(dir)
	if skipped(err) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return l
}

// TestStores lets each contender keep a handful of records, in each way that rows ask for.
func TestStores(t *testing.T) {
	for _, part := range [][]contender{durables(2), unsynced(), volatiles(1, 8), remotes(1, 8)} {
		for _, c := range part {
			t.Run(c.name, func(t *testing.T) {
				l := openTest(t, t.TempDir(), c.open)
				var both sync.WaitGroup
				for n := range 2 {
					both.Go(func() {
						if err := l.append(0, n, 1); err != nil {
							t.Error(err)
						}
					})
				}
				both.Wait()
				var next atomic.Int64
				if p, ok := l.(piper); ok {
					require.NoError(t, p.pipe(4, func() (int, bool) { n := int(next.Add(1)); return n + 1, n <= 10 }))
				}
				require.NoError(t, l.close())
			})
		}
	}
}

// TestReaders reads back what was kept, from the same directory opened again.
func TestReaders(t *testing.T) {
	for _, c := range readers() {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			err := fill(c, dir, 7)
			if skipped(err) {
				t.Skip(err)
			}
			require.NoError(t, err)
			l := openTest(t, dir, c.open)
			_, err = scan(l, 7, time.Now())
			require.NoError(t, err)
			require.NoError(t, l.close())
		})
	}
}

// TestFollowers lets two subscribers get what is written.
func TestFollowers(t *testing.T) {
	for _, c := range streamers() {
		t.Run(c.name, func(t *testing.T) {
			l := openTest(t, t.TempDir(), c.open)
			got, err := subscribe(l, 2, func() {})
			require.NoError(t, err)
			require.NoError(t, appendAll(l, 5))
			require.NoError(t, wait(got, 5))
			if c.name != "core NATS" {
				_, err = scan(l, 5, time.Now())
				require.NoError(t, err)
			}
			require.NoError(t, l.close())
		})
	}
}

// TestTables lets each table do what it can.
func TestTables(t *testing.T) {
	for _, c := range []tableContender{theEngine, goMap, goMemdb, bboltDB, badgerDB, sqliteDB} {
		t.Run(c.name, func(t *testing.T) {
			held := openTest(t, t.TempDir(), c.open)
			late := `{"amount":5,"status":"late"}`
			for seq, value := range []string{`{"amount":7,"status":"open"}`, late} {
				require.NoError(t, held.put(seq+1, "a", []byte(value)))
			}
			require.NoError(t, held.put(3, "b", []byte(`{"amount":6,"status":"open"}`)))
			require.NoError(t, held.get("a"))
			require.Error(t, held.get("c"))
			if h, ok := held.(historian); ok {
				require.NoError(t, h.getAt("a", 1))
				require.Error(t, h.getAt("b", 2))
			}
			if s, ok := held.(selector); ok {
				n, err := s.late()
				require.NoError(t, err)
				require.Equal(t, 1, n)
			}
			if o, ok := held.(orderer); ok {
				n, err := o.top()
				require.NoError(t, err)
				require.Equal(t, 2, n)
			}
			require.NoError(t, fillAll(held, 30, spread))
			require.NoError(t, held.close())
		})
	}
}

// TestRecords checks that a record has the size that the page says, and is the fact that this project writes.
func TestRecords(t *testing.T) {
	for n, r := range records() {
		require.Len(t, r.raw, recordSize)
		require.NoError(t, func() error { f := fact(n); return f.Validate() }())
	}
}

// TestTurns checks that entries take turns, and what becomes of failures.
func TestTurns(t *testing.T) {
	var order string
	value := 0.0
	one := func(name string) entry {
		return entry{name: name, run: func(*turn) (sample, error) {
			order += name
			value++
			return sample{Value: value, Latency: []float64{1, 2, value}}, nil
		}}
	}
	c := clock{turns: 3, turn: turn{dir: t.TempDir()}, log: t.Logf}
	r := c.measure(row{unit: perSecond, entries: []entry{one("A"), one("B"),
		{name: "C", run: func(*turn) (sample, error) { return sample{}, skipf("not there") }},
		{name: "D", prepare: func(*turn) error { return errRecord }}}})
	require.Equal(t, "ABABAB", order)
	require.Equal(t, []float64{3, 1, 5}, []float64{r.Outcomes[0].Median, r.Outcomes[0].Low, r.Outcomes[0].High})
	require.Equal(t, []float64{1, 2, 4}, r.Outcomes[1].Latency)
	require.Equal(t, "not there", r.Outcomes[2].Skipped)
	require.Equal(t, errRecord.Error(), r.Outcomes[3].Failed)
}
