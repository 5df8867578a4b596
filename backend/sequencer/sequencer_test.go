// SPDX-License-Identifier: Apache-2.0

package sequencer

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
)

// A mapLog is a log as a map.
type mapLog map[uint64]backend.Fact

func (l mapLog) Fact(seq uint64) (backend.Fact, bool, error) {
	f, ok := l[seq]
	return f, ok, nil
}

// latest returns the latest fact of each key, by going through the log.
func (l mapLog) latest() map[[2]string]backend.Fact {
	all := map[[2]string]backend.Fact{}
	for _, f := range l {
		if f.Seq >= all[[2]string{f.Store, f.Key}].Seq {
			all[[2]string{f.Store, f.Key}] = f
		}
	}
	return all
}

// TestAgainstModel assigns, rolls back, commits and prunes at random, with hashes that clash and names
// that fill their block, and compares each answer with one computed from the whole log.
func TestAgainstModel(t *testing.T) {
	ids := []string{
		"a", "b", "c", "0197c0de-8c1a-7055-9dd2-e6a1ec8aa76b", "0197c0de-8c1a-7055-9dd2-e6a1ec8aa76c",
		"0197C0DE-8c1a-7055-9dd2-e6a1ec8aa76b", "0197c0de-8c1a-7055-9dd2-e6a1ec8aa76", "0197c0de_8c1a-7055-9dd2-e6a1ec8aa76b",
		"f8", "f9", "f10", "f11", "f12", "f13",
	}
	rapid.Check(t, func(t *rapid.T) {
		log := mapLog{}
		s := New(log.Fact)
		bits := rapid.SampledFrom([]uint64{0, 3 << 60, 1<<64 - 1}).Draw(t, "hash bits")
		hash := s.ids.hash
		s.ids.hash = func(store string, id ID) uint64 { return hash(store, id) & bits }
		s.keys.hash = func(store, key string) uint64 { return uint64(len(key)) << 24 }
		if room := rapid.IntRange(0, 3).Draw(t, "room"); room < 3 {
			s.keys.names.blocks = [][]byte{make([]byte, nameBlock-room, nameBlock)}
		}
		staged := mapLog{} // log and the assigned facts, as the sequencer should see them
		next, nextCommitted := uint64(1), uint64(1)
		var last, lastCommitted time.Time
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				s.Rollback()
				staged = maps.Clone(log)
				next, last = nextCommitted, lastCommitted
			case 1:
				maps.Copy(log, staged)
				s.Commit()
				nextCommitted, lastCommitted = next, last
			case 2:
				if len(log) != len(staged) || len(log) == 0 {
					continue
				}
				gone := uint64(rapid.IntRange(1, int(next)).Draw(t, "pruned"))
				f, ok := log[gone]
				if !ok {
					continue
				}
				latest := log.latest()[[2]string{f.Store, f.Key}].Seq
				require.Equal(t, latest, s.Latest(f.Store, f.Key))
				delete(log, gone)
				delete(staged, gone)
				for step := range ForgetSteps {
					s.Forget(step, func(seq uint64) bool { return seq == gone })
				}
				if latest == gone {
					var left *backend.Fact
					if g, ok := log.latest()[[2]string{f.Store, f.Key}]; ok {
						left = &g
					}
					s.Pruned(f.Store, f.Key, gone, left)
				} else {
					s.Pruned(f.Store, f.Key, gone, nil) // changes nothing
				}
			default:
				facts := make([]backend.Fact, rapid.IntRange(0, 3).Draw(t, "batch"))
				for i := range facts {
					facts[i] = backend.Fact{
						ID:        rapid.SampledFrom(ids).Draw(t, "id"),
						Store:     rapid.SampledFrom([]string{"s", "t"}).Draw(t, "store"),
						Key:       rapid.SampledFrom([]string{"", "k", "l"}).Draw(t, "key"),
						ValueHash: rapid.SampledFrom([]string{"h", "h", "h", "i"}).Draw(t, "hash"),
						Causation: rapid.SampledFrom([]string{"", "", "given"}).Draw(t, "causation"),
					}
					if n := rapid.IntRange(0, 30).Draw(t, "time"); n > 20 {
						facts[i].TransactionTime = time.Unix(int64(n), 0)
					}
				}
				var expect []backend.Expect
				if rapid.Bool().Draw(t, "expecting") {
					expect = append(expect, backend.Expect{Store: "s", Key: "k", ID: rapid.SampledFrom(append(ids, "")).Draw(t, "expected")})
				}
				now := time.Unix(int64(rapid.IntRange(0, 25).Draw(t, "now")), 0)
				want, after, lastAfter, wantErr := model(staged, next, last, facts, expect, now)
				fresh, err := s.Assign(facts, expect, now)
				if wantErr != nil {
					require.ErrorIs(t, err, wantErr)
					require.Zero(t, fresh)
				} else {
					require.NoError(t, err)
					require.Equal(t, want, facts)
					require.Equal(t, len(after)-len(staged), fresh)
					next += uint64(fresh)
					staged, last = after, lastAfter
				}
			}
			require.Equal(t, next, s.Next())
			latest := staged.latest()
			require.Equal(t, len(latest), s.keys.live)
			for name, f := range latest {
				require.Equal(t, f.Seq, s.Latest(name[0], name[1]))
				require.Equal(t, f.ID, s.keys.latest(name[0], name[1]))
			}
		}
	})
}

// model returns the expected results of Assign.
func model(log mapLog, next uint64, last time.Time, facts []backend.Fact, expect []backend.Expect, now time.Time) (want []backend.Fact, after mapLog, lastAfter time.Time, err error) {
	after, lastAfter = maps.Clone(log), last
	var conflict error
	for _, e := range expect {
		if log.latest()[[2]string{e.Store, e.Key}].ID != e.ID {
			conflict = backend.ErrConflict
		}
	}
	byID := map[[2]string]backend.Fact{}
	for _, f := range log {
		byID[[2]string{f.Store, f.ID}] = f
	}
	for _, f := range facts {
		if held, ok := byID[[2]string{f.Store, f.ID}]; ok {
			if held.Key != f.Key || held.ValueHash != f.ValueHash {
				return nil, nil, last, backend.ErrIDReused
			}
			want = append(want, held)
			continue
		}
		if conflict != nil {
			return nil, nil, last, conflict
		}
		f.Seq = next
		next++
		if f.Causation == "" {
			f.Causation = after.latest()[[2]string{f.Store, f.Key}].ID
		}
		if f.TransactionTime.IsZero() {
			f.TransactionTime = now.UTC()
			if lastAfter.After(now) {
				f.TransactionTime = lastAfter.Add(1)
			}
		}
		if f.TransactionTime.After(lastAfter) {
			lastAfter = f.TransactionTime
		}
		after[f.Seq], byID[[2]string{f.Store, f.ID}] = f, f
		want = append(want, f)
	}
	if len(facts) == 0 {
		want, err = facts, conflict
	}
	return want, after, lastAfter, err
}

// TestAllIDsAreRemembered loads many facts: the ID of each is known, and takes at most 12 bytes at any time. Forgetting IDs
// frees their memory.
func TestAllIDsAreRemembered(t *testing.T) {
	const count = 300_000
	s := New(mapLog{}.Fact)
	of := func(seq uint64) (id ID) {
		binary.BigEndian.PutUint64(id.UUID[8:], seq)
		return id
	}
	known := func(seq uint64) bool {
		return slices.Contains(slices.Collect(s.ids.find("s", of(seq), s.ids.hash("s", of(seq)))), seq)
	}
	bytes := func() (n int) {
		for i := range s.ids.tables {
			for j := range s.ids.tables[i].parts {
				n += 8 * cap(s.ids.tables[i].parts[j].slots)
			}
		}
		return n
	}
	facts := make([]Loaded, 0, 1000)
	for seq := uint64(1); seq <= count; seq++ {
		if facts = append(facts, Loaded{Store: "s", Seq: seq, ID: of(seq)}); len(facts) == cap(facts) {
			s.LoadIDs(facts)
			facts = facts[:0]
		}
		if seq > 20_000 && len(facts) == 0 {
			require.LessOrEqual(t, bytes(), 12*int(seq))
		}
	}
	for seq := uint64(1); seq <= count; seq++ {
		require.True(t, known(seq), seq)
	}
	require.False(t, known(count+1))
	for step := range ForgetSteps {
		s.Forget(step, func(seq uint64) bool { return seq%10 > 0 })
	}
	for seq := uint64(1); seq <= count; seq++ {
		require.Equal(t, seq%10 == 0, known(seq), seq)
	}
	require.LessOrEqual(t, bytes(), 12*count/10)
}

// Looking up an ID that many stores have reads no facts of other stores.
func TestIDInManyStores(t *testing.T) {
	log, reads := mapLog{}, 0
	s := New(func(seq uint64) (backend.Fact, bool, error) {
		reads++
		return log.Fact(seq)
	})
	loaded := New(log.Fact)
	for n := range 20_000 {
		facts := []backend.Fact{{ID: "same", Store: fmt.Sprint("s", n), Key: "k"}}
		fresh, err := s.Assign(facts, nil, time.Unix(1, 0))
		require.NoError(t, err)
		require.Equal(t, 1, fresh)
		log[facts[0].Seq] = facts[0]
		s.Commit()
		loaded.LoadIDs([]Loaded{{Store: facts[0].Store, ID: IDOf("same"), Seq: facts[0].Seq}})
	}
	loaded.Skip(s.Next())
	require.Less(t, reads, 100, "only facts whose hash is the same by chance are read")
	for _, s := range []*Sequencer{s, loaded} {
		again := []backend.Fact{{ID: "same", Store: "s7", Key: "k"}}
		fresh, err := s.Assign(again, nil, time.Unix(1, 0))
		require.NoError(t, err)
		require.Zero(t, fresh)
		require.Equal(t, uint64(8), again[0].Seq)
	}
}

// A refused batch changes nothing, and removes nothing.
func TestRefusedFacts(t *testing.T) {
	log := mapLog{}
	s := New(log.Fact)
	write := func(id string) backend.Fact {
		facts := []backend.Fact{{ID: id, Store: "s", Key: id}}
		fresh, err := s.Assign(facts, nil, time.Unix(1, 0))
		require.NoError(t, err)
		if fresh == 1 {
			log[facts[0].Seq] = facts[0]
			s.Commit()
		}
		return facts[0]
	}
	first := write("first")
	for round := range 50 {
		facts := make([]backend.Fact, 200)
		for i := range facts {
			id := fmt.Sprint(round, "-", i)
			facts[i] = backend.Fact{ID: id, Store: "s" + id, Key: strings.Repeat(id, 20)}
		}
		facts[199] = backend.Fact{ID: "first", Store: "s", Key: "other"}
		_, err := s.Assign(facts, nil, time.Unix(1, 0))
		require.ErrorIs(t, err, backend.ErrIDReused)
		write(fmt.Sprint("between", round))
	}
	require.Equal(t, first, write("first"), "it is still known")
	require.Equal(t, 51, s.keys.count)
	require.Equal(t, 51, s.keys.table.used)
	require.Len(t, s.keys.stores, 1)
	require.Len(t, s.ids.tables, 1)
	require.Equal(t, 51, s.ids.tables[0].used)
	names := 0
	for _, block := range s.keys.names.blocks {
		names += len(block)
	}
	require.Less(t, names, 1000)
}

// A refused batch changes nothing, not even in a block of names that is full to its last byte, where there is still room
// for the empty key.
func TestRefusedEmptyKey(t *testing.T) {
	for size := 8; size <= backend.MaxKeyLen; size *= 2 {
		log := mapLog{}
		s := New(log.Fact)
		id := 0
		write := func(key string) backend.Fact {
			id++
			facts := []backend.Fact{{ID: fmt.Sprint(id), Store: "s", Key: key}}
			_, err := s.Assign(facts, nil, time.Unix(1, 0))
			require.NoError(t, err)
			log[facts[0].Seq] = facts[0]
			s.Commit()
			return facts[0]
		}
		latest := map[string]string{}
		for names := 0; names <= 2*nameBlock; names += size {
			key := fmt.Sprintf("%0*d", size, names/size)
			latest[key] = write(key).ID
			refused := []backend.Fact{{ID: "new", Store: "s"}, {ID: "1", Store: "s", Key: "other"}}
			_, err := s.Assign(refused, nil, time.Unix(1, 0))
			require.ErrorIs(t, err, backend.ErrIDReused)
		}
		for key, want := range latest {
			require.Equal(t, want, s.keys.latest("s", key))
		}
		require.Empty(t, write("").Causation)
		require.Equal(t, fmt.Sprint(id), s.keys.latest("s", ""))
		for key, want := range latest {
			require.Equal(t, want, write(key).Causation)
		}
	}
}

func TestIDsOfDistantSeqs(t *testing.T) {
	x := newIDIndex()
	seqs := []uint64{1, 1 << 32, 1<<33 + 5, 1 << 62, 1<<62 + 1}
	for _, seq := range seqs {
		x.add("s", x.hash("s", IDOf(fmt.Sprint(seq))), seq)
	}
	for _, seq := range seqs {
		var found []uint64
		for at := range x.find("s", IDOf(fmt.Sprint(seq)), x.hash("s", IDOf(fmt.Sprint(seq)))) {
			found = append(found, at)
		}
		require.Contains(t, found, seq)
	}
	x.remove("s", IDOf(fmt.Sprint(uint64(1<<62))), 1<<62)
	for at := range x.find("s", IDOf(fmt.Sprint(uint64(1<<62))), x.hash("s", IDOf(fmt.Sprint(uint64(1<<62))))) {
		require.NotEqual(t, uint64(1<<62), at)
	}
}

// IDs are restored exactly, whether they are kept as a UUID's bytes or as text.
func TestIDs(t *testing.T) {
	const id = "0197c0de-8c1a-7055-9dd2-e6a1ec8aa76b"
	require.Empty(t, IDOf(id).Text)
	require.Equal(t, id, IDOf(id).String())
	for _, odd := range []string{"x", strings.ToUpper(id), id[:35] + "g", "urn:uuid:" + id, "{" + id + "}", strings.ReplaceAll(id, "-", "")} {
		require.Equal(t, ID{Text: odd}, IDOf(odd))
		require.Equal(t, odd, IDOf(odd).String())
	}
}

func TestLoad(t *testing.T) {
	log := mapLog{
		3: {Seq: 3, ID: "a", Store: "s", Key: "k", ValueHash: "h", TransactionTime: time.Unix(9, 0)},
		7: {Seq: 7, ID: "b", Store: "s", Key: "k", ValueHash: "h", TransactionTime: time.Unix(8, 0)},
	}
	s := New(log.Fact)
	for _, seq := range []uint64{3, 7} {
		f := log[seq]
		s.Load(&f)
	}
	require.Equal(t, uint64(8), s.Next())
	s.Skip(5)
	require.Equal(t, uint64(8), s.Next())
	s.Skip(20)
	facts := []backend.Fact{{ID: "a", Store: "s", Key: "k", ValueHash: "h"}, {ID: "c", Store: "s", Key: "k"}}
	fresh, err := s.Assign(facts, nil, time.Unix(1, 0))
	require.NoError(t, err)
	require.Equal(t, 1, fresh)
	require.Equal(t, log[3], facts[0])
	require.Equal(t, uint64(20), facts[1].Seq)
	require.Equal(t, "b", facts[1].Causation)
	require.Equal(t, time.Unix(9, 1), facts[1].TransactionTime, "times never run backwards")
}
