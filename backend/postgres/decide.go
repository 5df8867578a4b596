// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/uuidtext"
	"github.com/igniter-store/igniter/wire"
)

// A decision has the IDs and keys that some batches look up, the facts that the log holds under them, and the new rows.
type decision struct {
	ids    [][]byte
	stores [][]byte // of ids
	keys   [][]byte
	names  []name // of keys
	asked  map[sourced]bool
	index  map[name]int
	held   []backend.Fact     // the log's facts under ids
	latest []sequencer.Loaded // the latest facts of keys

	seq   *sequencer.Sequencer
	clock time.Time
	rows  rows
}

type name struct{ store, key string }

// A sourced is an ID with its store.
type sourced struct{ store, id string }

// rows are the columns of new facts.
type rows struct {
	seqs, secs             []int64
	nsecs, rest            []int32
	keys, ids, stores, all [][]byte
}

func newDecision() *decision {
	return &decision{asked: map[sourced]bool{}, index: map[name]int{}}
}

// ask adds the IDs and keys that a batch looks up.
func (d *decision) ask(facts []backend.Fact, expect []backend.Expect) {
	for i := range facts {
		f := &facts[i]
		if n := (sourced{f.Store, f.ID}); !d.asked[n] {
			d.asked[n] = true
			d.ids, d.stores = append(d.ids, idBytes(f.ID)), append(d.stores, []byte(f.Store))
		}
		d.askKey(name{f.Store, f.Key})
	}
	for i := range expect {
		d.askKey(name{expect[i].Store, expect[i].Key})
	}
}

func (d *decision) askKey(n name) {
	if _, ok := d.index[n]; !ok {
		d.index[n] = len(d.names)
		d.names = append(d.names, n)
		d.keys = append(d.keys, keyHash(n.store, n.key))
	}
}

// statements look up the IDs and keys. The log's row must be locked.
func (d *decision) statements(number int32) []statement {
	var all []statement
	if len(d.ids) > 0 {
		all = append(all, statement{sql: byID, args: []any{number, d.ids, d.stores}, row: func(scan func(...any) error) error {
			var seq int64
			var body []byte
			if err := scan(&seq, &body); err != nil {
				return err
			}
			f, err := parse(seq, body)
			d.held = append(d.held, f)
			return err
		}})
	}
	if len(d.keys) > 0 {
		all = append(all, statement{sql: byKey, args: []any{number, d.keys}, row: func(scan func(...any) error) error {
			var n, seq int64
			var id []byte
			if err := scan(&n, &seq, &id); err != nil {
				return err
			}
			key := d.names[n-1]
			d.latest = append(d.latest, sequencer.Loaded{Store: key.store, Key: key.key, Seq: uint64(seq), ID: idOf(id)})
			return nil
		}})
	}
	return all
}

// begin prepares the decision for assign, after the statements have run. p has the end of the log.
func (d *decision) begin(p *place) {
	slices.SortFunc(d.held, func(x, y backend.Fact) int { return cmp.Compare(x.Seq, y.Seq) })
	ids := make([]sequencer.Loaded, len(d.held))
	for i := range d.held {
		ids[i] = sequencer.Loaded{Store: d.held[i].Store, Seq: d.held[i].Seq, ID: sequencer.IDOf(d.held[i].ID)}
	}
	d.seq, d.clock = sequencer.New(d.fact), p.last.clock
	d.seq.LoadIDs(ids)
	d.seq.LoadKeys(d.latest)
	d.seq.LoadTime(p.last.clock)
	d.seq.Skip(p.last.seq + 1)
}

// fact returns a fact that the log holds, for the sequencer.
func (d *decision) fact(seq uint64) (backend.Fact, bool, error) {
	i, ok := slices.BinarySearchFunc(d.held, seq, func(f backend.Fact, seq uint64) int { return cmp.Compare(f.Seq, seq) })
	if !ok {
		return backend.Fact{}, false, nil
	}
	return d.held[i].Clone(), true, nil
}

// assign gives the new facts of a batch their seqs, and returns the seq of the first one, or 0 if all were held. After an
// error the batch has no rows.
func (d *decision) assign(facts []backend.Fact, encoded []wire.EncodedFact, expect []backend.Expect, now time.Time, limit int) (first uint64, err error) {
	next := d.seq.Next()
	fresh, err := d.seq.Assign(facts, expect, now)
	if err != nil || fresh == 0 {
		return 0, err
	}
	bodies := make([][]byte, 0, fresh)
	size := 0
	if fresh > 1 {
		size = len("[\n\n]") + (fresh-1)*len(",\n")
	}
	seq := next
	for i := range facts {
		if facts[i].Seq != seq {
			continue // the log already held it, or the batch has it twice
		}
		seq++
		bodies = append(bodies, encoded[i].Append(nil, &facts[i]))
		size += len(bodies[len(bodies)-1])
	}
	if size > limit {
		d.seq.Undo(fresh)
		return 0, sequencer.TooLarge(limit)
	}
	r := &d.rows
	seq = next
	for i := range facts {
		f := &facts[i]
		if f.Seq != seq {
			continue
		}
		n := int(seq - next)
		seq++
		if f.TransactionTime.After(d.clock) {
			d.clock = f.TransactionTime
		}
		r.seqs, r.rest = append(r.seqs, int64(f.Seq)), append(r.rest, int32(fresh-1-n))
		r.secs, r.nsecs = append(r.secs, d.clock.Unix()), append(r.nsecs, int32(d.clock.Nanosecond()))
		r.keys = append(r.keys, d.keys[d.index[name{f.Store, f.Key}]])
		r.ids, r.stores, r.all = append(r.ids, idBytes(f.ID)), append(r.stores, []byte(f.Store)), append(r.all, bodies[n])
	}
	return next, nil
}

// insert returns the statement that inserts the new rows.
func (r *rows) insert(number int32) statement {
	n := int64(len(r.seqs))
	return statement{sql: insert, args: []any{number, r.seqs, r.secs, r.nsecs, r.rest, r.keys, r.ids, r.stores, r.all}, done: func(_ string, affected int64) error {
		if affected != n {
			return fmt.Errorf("%w: %d of %d rows were inserted into igniter.fact: remove its triggers and rules", backend.ErrInvalid, affected, n)
		}
		return nil
	}}
}

// parse returns the fact in a row. It shares the body's memory.
func parse(seq int64, body []byte) (backend.Fact, error) {
	f, err := wire.ParseFact(body)
	if err == nil && f.Seq != uint64(seq) {
		err = fmt.Errorf("its body has seq %d", f.Seq)
	}
	if err != nil {
		return f, &backend.CorruptError{Path: "igniter.fact", Reason: fmt.Sprintf("the fact at seq %d: %v", seq, err)}
	}
	return f, nil
}

// keyHash returns the hash that identifies a key in the table. The byte 0xFF never occurs in UTF-8.
func keyHash(store, key string) []byte {
	b := make([]byte, 0, len(store)+1+len(key))
	b = append(append(append(b, store...), 0xFF), key...)
	sum := sha256.Sum256(b)
	return sum[:16]
}

// idBytes returns the form of an ID in the table. idOf is its inverse.
func idBytes(id string) []byte {
	if u, ok := uuidtext.Parse(id); ok {
		return append([]byte{0}, u[:]...)
	}
	return append([]byte{1}, id...)
}

func idOf(b []byte) sequencer.ID {
	if len(b) == 17 && b[0] == 0 {
		return sequencer.ID{UUID: [16]byte(b[1:])}
	}
	if len(b) == 0 {
		return sequencer.ID{}
	}
	return sequencer.ID{Text: string(b[1:])}
}
