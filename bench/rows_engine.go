// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend/file"
)

// A tableContender is a table that is opened for a row.
type tableContender struct {
	name, promise string
	kind          kind
	open          func(dir string) (table, error)
}

var (
	theEngine = tableContender{"igniter engine", "on a log in memory; checked, hashed and kept, with every earlier version", ours, openEngineTable}
	goMap     = tableContender{"Go map", "under a sync.RWMutex; in memory, current values only", peer, openMap}
	goMemdb   = tableContender{"go-memdb", "in memory, index by status, current values only", peer, openMemdb}
	bboltDB   = tableContender{"bbolt", "NoSync; current values in a bucket, all by key and seq in another", peer, openBboltTable}
	badgerDB  = tableContender{"badger", "no SyncWrites; managed mode, all versions", peer, openBadgerTable}
	sqliteDB  = tableContender{"SQLite", "synchronous OFF, 256 MB of cache; current values with indexes, and a history table", peer, openSQLiteTable}
)

// value returns the value of the n-th record.
func value(n int) []byte { return records()[n%recordRing].fact.Value }

// fillAll puts n values.
func fillAll(t table, n int, each func(n int) (key string, value []byte)) error {
	if many, ok := t.(interface {
		putAll(n int, each func(n int) (key string, value []byte)) error
	}); ok {
		return many.putAll(n, each)
	}
	for i := range n {
		key, value := each(i)
		if err := t.put(i+1, key, value); err != nil {
			return err
		}
	}
	return nil
}

// tableRow returns a row whose contenders hold n values and then do something.
func tableRow(name string, u unit, n func(t *turn) int, each func(n int) (string, []byte), run func(t *turn, held table) (sample, error), contenders ...tableContender) row {
	r := row{section: "Engine", name: name, unit: u}
	for _, c := range contenders {
		var held table
		r.entries = append(r.entries, entry{name: c.name, promise: c.promise, kind: c.kind,
			prepare: func(t *turn) (err error) {
				if held, err = c.open(t.dir); err != nil {
					return err
				}
				return fillAll(held, n(t), each)
			},
			run: func(t *turn) (sample, error) { return run(t, held) },
			cleanup: func() {
				if held != nil {
					_ = held.close()
				}
				held = nil
			}})
	}
	return r
}

// spread puts the n-th record under its key.
func spread(n int) (string, []byte) { return key(n), value(n) }

// asked returns keys to read, side by side in memory as in requests: any of all keys, or only a few hot ones.
func asked(of int) func(n int) string {
	const length = len("task-0000000")
	some := min(of, 1<<16)
	var text strings.Builder
	for i := range some {
		text.WriteString(key(i * 7919 % of))
	}
	all := text.String()
	return func(n int) string { return all[n%some*length:][:length] }
}

func engineRows() []row {
	amount := func(n int) func(t *turn) int { return func(t *turn) int { return t.scaled(n) } }
	readAny := func(of func(t *turn) int) func(t *turn, held table) (sample, error) {
		return func(t *turn, held table) (sample, error) {
			key := asked(of(t))
			return t.each(func(n int) error { return held.get(key(n)) })
		}
	}
	all := []row{
		tableRow("current read, any of 250,000 keys", nanoseconds, amount(million), spread, readAny(amount(keys)),
			theEngine, goMap, goMemdb, bboltDB, badgerDB, sqliteDB),
		tableRow("current read, 1,000 hot keys", nanoseconds, amount(million), spread, readAny(func(*turn) int { return 1000 }),
			theEngine, goMap, goMemdb, bboltDB, badgerDB, sqliteDB),
	}
	for _, versions := range []int{1, 100, 10_000} {
		all = append(all, tableRow(fmt.Sprintf("as-of read, a key of %d versions", versions), nanoseconds, func(*turn) int { return versions },
			func(n int) (string, []byte) { return "task", value(n) },
			func(t *turn, held table) (sample, error) {
				return t.each(func(n int) error { return held.(historian).getAt("task", 1+n*7919%versions) })
			}, theEngine, bboltDB, badgerDB, sqliteDB))
	}
	return append(all,
		tableRow("scope: the 1 % of 250,000 keys with a status", micros, amount(keys), spread, func(t *turn, held table) (sample, error) {
			return perList(t, held.(selector).late)
		}, theEngine, goMap, goMemdb, sqliteDB),
		tableRow("list by field: 20 of 250,000 keys", micros, amount(keys), spread, func(t *turn, held table) (sample, error) {
			return perList(t, held.(orderer).top)
		}, theEngine, goMap, sqliteDB),
		writeRow(1), writeRow(16), openRow(), heapRow())
}

// perList measures listings.
func perList(t *turn, list func() (int, error)) (sample, error) {
	var took []float64
	for begin := time.Now(); len(took) < 3 || time.Since(begin) < t.span; {
		start := time.Now()
		n, err := list()
		if err != nil || n == 0 {
			return sample{}, errors.Join(err, fmt.Errorf("%d values were listed", n))
		}
		took = append(took, float64(time.Since(start))/1e3)
	}
	return sample{Value: median(took), Latency: quantiles(took)}, nil
}

// writeRow returns a row in which goroutines give keys new values.
func writeRow(goroutines int) row {
	name := fmt.Sprintf("write, %d goroutines", goroutines)
	if goroutines == 1 {
		name = "write, 1 goroutine"
	}
	r := row{section: "Engine", name: name, unit: perSecond}
	for _, c := range []tableContender{theEngine, goMap, goMemdb, bboltDB, badgerDB, sqliteDB} {
		r.entries = append(r.entries, entry{name: c.name, promise: c.promise, kind: c.kind, run: func(t *turn) (s sample, err error) {
			held, err := open(t, c.open)
			if err != nil {
				return s, err
			}
			defer closing(held.close, &err)
			return t.drive(goroutines, 1, func(_, n int) error { return held.put(n+1, key(n*7919), value(n)) })
		}})
	}
	return r
}

// openRow returns a row of the time until the values of a million records can be read.
func openRow() row {
	r := row{section: "Engine", name: "open a million records", unit: seconds}
	engines := entry{name: "igniter engine", promise: "on a log in files: every version, checked", kind: ours,
		prepare: func(t *turn) error {
			return fill(contender{open: openFile(file.SyncNever)}, t.dir, t.scaled(million))
		},
		run: func(t *turn) (s sample, err error) {
			start := time.Now()
			e, err := over(openFile(file.SyncNever))(t.dir)
			if err != nil {
				return s, err
			}
			took := time.Since(start)
			return sample{Value: took.Seconds()}, closeAll(func() error { return e.(*factEngine).look(key(1)) }, e.close)
		}}
	lines := entry{name: "Go map", promise: "of a file of JSON lines, with encoding/json; current values only", kind: peer,
		prepare: func(t *turn) error { return fill(contender{open: openPlain}, t.dir, t.scaled(million)) },
		run: func(t *turn) (s sample, err error) {
			start := time.Now()
			tasks := map[string]json.RawMessage{}
			f, err := os.Open(inDir(t.dir, "plain"))
			if err != nil {
				return s, err
			}
			defer f.Close()
			for d := json.NewDecoder(bufio.NewReaderSize(f, 1<<20)); d.More(); {
				var line struct {
					Key   string          `json:"key"`
					Value json.RawMessage `json:"value"`
				}
				if err := d.Decode(&line); err != nil {
					return s, err
				}
				tasks[line.Key] = line.Value
			}
			return sample{Value: time.Since(start).Seconds()}, found(tasks[key(1)])
		}}
	r.entries = []entry{engines, lines}
	return r
}

// heapRow returns a row of what a million records of a million keys take of the heap.
func heapRow() row {
	r := row{section: "Engine", name: "heap, a million keys of one record", unit: bytesEach}
	fileEngine := theEngine
	fileEngine.promise = "on a log in files, whose indexes are counted; packed"
	fileEngine.open = func(dir string) (table, error) {
		l, err := openFile(file.SyncNever)(dir)
		if err != nil {
			return nil, err
		}
		return engineOver(l.(factLog).Log)
	}
	for _, c := range []tableContender{fileEngine, goMap, goMemdb} {
		r.entries = append(r.entries, entry{name: c.name, promise: c.promise, kind: c.kind, run: func(t *turn) (s sample, err error) {
			before := heapNow()
			held, err := open(t, c.open)
			if err != nil {
				return s, err
			}
			defer closing(held.close, &err)
			n := t.scaled(million)
			err = fillAll(held, n, func(n int) (string, []byte) {
				return fmt.Sprintf("task-%07d", n), append([]byte(nil), value(n)...) // as read from a request
			})
			if err != nil {
				return s, err
			}
			s.Value = float64(heapNow()-before) / float64(n)
			runtime.KeepAlive(held)
			return s, nil
		}})
	}
	return r
}

func heapNow() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
