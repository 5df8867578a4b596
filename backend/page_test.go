// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
)

var someLog = backend.LogID{0x01, 0x97, 0xc0, 0xde, 4: 1, 6: 0x70, 8: 0x80, 15: 0xff}

func TestCursorText(t *testing.T) {
	for text, c := range map[string]backend.Cursor{
		"0":                                      {},
		"51233":                                  {Seq: 51233},
		"18446744073709551615":                   {Seq: math.MaxUint64},
		"7@0197c0de-0100-7000-8000-0000000000ff": {Log: someLog, Seq: 7},
		"0@0197c0de-0100-7000-8000-0000000000ff": {Log: someLog},
	} {
		require.Equal(t, text, c.String())
		got, err := backend.ParseCursor(text)
		require.NoError(t, err)
		require.Equal(t, c, got)
	}
	for _, text := range []string{
		"", "@", "x", "-1", "+1", "01", " 1", "1 ", "1.0", "0x1", "1_0", "18446744073709551616", "1@", "1@x", "@0197c0de-0100-7000-8000-0000000000ff",
		"1@0197c0de-0100-7000-8000-0000000000f", "1@0197c0de01007000800000000000000ff", "1@0197C0DE-0100-7000-8000-0000000000FF",
		"1@0197c0de-0100-7000-8000-0000000000ff ", "1@0197c0de-0100-7000-8000-0000000000ff@1", "1@00000000-0000-0000-0000-000000000000",
	} {
		got, err := backend.ParseCursor(text)
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid, "%q", text)
		require.Equal(t, "cursor", invalid.Field)
		require.Zero(t, got)
	}
	_, err := backend.ParseCursor(strings.Repeat("9", 1<<20))
	require.Less(t, len(err.Error()), 300, "an error does not repeat a long text")
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"", "0", "51233", "18446744073709551615", "7@0197c0de-0100-7000-8000-0000000000ff", "1@00000000-0000-0000-0000-000000000000", "01@", "@@"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := backend.ParseCursor(text)
		switch {
		case err != nil && (!errors.Is(err, backend.ErrInvalid) || c != backend.Cursor{}):
			t.Fatalf("%q: cursor %v, error %v", text, c, err)
		case err == nil && c.String() != text:
			t.Fatalf("%q is parsed as %q", text, c)
		}
	})
}

func TestLogID(t *testing.T) {
	require.Empty(t, backend.LogID{}.String())
	require.Equal(t, "0197c0de-0100-7000-8000-0000000000ff", someLog.String())
}

func TestRangeHas(t *testing.T) {
	for _, c := range []struct {
		stores []string
		want   bool
	}{{nil, true}, {[]string{}, false}, {[]string{"a"}, true}, {[]string{"b", "a"}, true}, {[]string{"b"}, false}, {[]string{""}, false}} {
		require.Equal(t, c.want, (&backend.Range{Stores: c.stores}).Has("a"), "%q", c.stores)
	}
}

func TestFacts(t *testing.T) {
	failed := errors.New("failed")
	pages := func(yield func(backend.Page, error) bool) {
		for _, seqs := range [][]uint64{{1, 2}, {}, {3}} {
			var p backend.Page
			for _, seq := range seqs {
				p.Facts = append(p.Facts, backend.Fact{Seq: seq})
			}
			if !yield(p, nil) {
				return
			}
		}
		yield(backend.Page{}, failed)
	}
	var seqs []uint64
	var errs []error
	for f, err := range backend.Facts(pages) {
		seqs, errs = append(seqs, f.Seq), append(errs, err)
	}
	require.Equal(t, []uint64{1, 2, 3, 0}, seqs)
	require.Equal(t, []error{nil, nil, nil, failed}, errs)
	for n := 1; n <= 4; n++ { // left at any fact
		seen := 0
		for range backend.Facts(pages) {
			if seen++; seen == n {
				break
			}
		}
		require.Equal(t, n, seen)
	}
}

// collect returns the pages of a loop and the error that ended it.
func collect(pages iter.Seq2[backend.Page, error]) (all []backend.Page, end error) {
	for p, err := range pages {
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
	return all, nil
}

// pageText returns pages as texts such as "1 2 <=3".
func pageText(pages []backend.Page) []string {
	all := []string{}
	for _, p := range pages {
		text := ""
		for _, f := range p.Facts {
			text += fmt.Sprint(f.Seq, " ")
		}
		all = append(all, text+"<="+p.Through.String())
	}
	return all
}

func TestPager(t *testing.T) {
	sized := func(seq uint64, size int) backend.Fact {
		return backend.Fact{Seq: seq, Store: "s", Value: []byte(strings.Repeat("1", size))}
	}
	half := backend.PageSize / 2
	for _, c := range []struct {
		what    string
		r       backend.Range
		batches [][]backend.Fact
		last    uint64
		want    []string
	}{
		{"an empty log", backend.Range{}, nil, 0, []string{"<=0"}},
		{"nothing new", backend.Range{After: backend.Cursor{Seq: 3}}, nil, 3, []string{"<=3"}},
		{"a pruned tail", backend.Range{}, [][]backend.Fact{{sized(1, 1)}, {sized(2, 1)}}, 9, []string{"1 2 <=9"}},
		{"only pruned facts", backend.Range{}, nil, 9, []string{"<=9"}},
		{"a page's size", backend.Range{}, [][]backend.Fact{{sized(1, half)}, {sized(2, half)}, {sized(3, half)}, {sized(4, 1)}}, 4, []string{"1 2 <=2", "3 4 <=4"}},
		{"a full page at the end", backend.Range{}, [][]backend.Fact{{sized(1, half), sized(2, half)}}, 2, []string{"1 2 <=2"}},
		{"a full page before a pruned tail", backend.Range{}, [][]backend.Fact{{sized(1, half), sized(2, half)}}, 5, []string{"1 2 <=2", "<=5"}},
		{"a large batch", backend.Range{}, [][]backend.Fact{{sized(1, 1)}, {sized(2, half), sized(3, half), sized(4, half), sized(5, half)}, {sized(6, 1)}}, 6, []string{"1 2 3 4 5 <=5", "6 <=6"}},
		{"an After inside a batch", backend.Range{After: backend.Cursor{Seq: 2}}, [][]backend.Fact{{sized(1, 1), sized(2, 1), sized(3, 1)}, {sized(4, 1)}}, 4, []string{"3 4 <=4"}},
		{"a Through inside a batch", backend.Range{Through: 2}, [][]backend.Fact{{sized(1, 1), sized(2, 1), sized(3, 1)}, {sized(4, 1)}}, 4, []string{"1 2 <=2"}},
		{"a Through in a gap", backend.Range{Through: 5}, [][]backend.Fact{{sized(1, 1)}, {sized(8, 1)}}, 8, []string{"1 <=5"}},
		{"a Through beyond the end", backend.Range{Through: 50}, [][]backend.Fact{{sized(1, 1)}, {sized(8, 1)}}, 8, []string{"1 8 <=8"}},
		{"a Through before After", backend.Range{After: backend.Cursor{Seq: 4}, Through: 2}, [][]backend.Fact{{sized(5, 1)}}, 5, []string{"<=4"}},
		{"other stores", backend.Range{Stores: []string{"t"}}, [][]backend.Fact{{sized(1, half)}, {sized(2, half)}, {sized(3, half)}}, 3, []string{"<=3"}},
		{"no stores", backend.Range{Stores: []string{}}, [][]backend.Fact{{sized(1, 1)}}, 1, []string{"<=1"}},
		{"small facts count too", backend.Range{}, slices.Collect(func(yield func([]backend.Fact) bool) {
			for seq := range uint64(1100) {
				_ = yield([]backend.Fact{sized(seq+1, 0)})
			}
		}), 1100, nil},
	} {
		replay := func(yield func(backend.Page, error) bool) {
			p := backend.NewPager(someLog, c.r, yield)
			for _, batch := range c.batches {
				if !p.Add(batch...) {
					return
				}
			}
			p.Flush(c.last)
		}
		pages, err := collect(replay)
		require.NoError(t, err, c.what)
		for _, p := range pages {
			require.Equal(t, someLog, p.Through.Log)
		}
		if c.want == nil {
			require.Greater(t, len(pages), 1, c.what)
			continue
		}
		for i := range c.want {
			c.want[i] += "@" + someLog.String()
		}
		require.Equal(t, c.want, pageText(pages), c.what)
		for n := range pages { // left at any page
			seen := 0
			for range replay {
				if seen++; seen > n {
					break
				}
			}
			require.Equal(t, n+1, seen, c.what)
		}
	}
}

// TestPagerFlush checks a loop that goes on after it has reached the log's end.
func TestPagerFlush(t *testing.T) {
	pages, err := collect(func(yield func(backend.Page, error) bool) {
		p := backend.NewPager(backend.LogID{}, backend.Range{Through: 9, Stores: []string{"s"}}, yield)
		require.True(t, p.Flush(0), "the first page comes, even if it is empty")
		require.True(t, p.Flush(0), "and no second one")
		require.True(t, p.Add(backend.Fact{Seq: 1, Store: "s"}, backend.Fact{Seq: 2, Store: "t"}))
		require.True(t, p.Flush(2))
		require.True(t, p.Add(backend.Fact{Seq: 3, Store: "t"}))
		require.True(t, p.Flush(1), "Through does not go back")
		require.True(t, p.Flush(5))
		require.False(t, p.Flush(20), "Range.Through ends the loop")
		require.False(t, p.Flush(30))
		require.False(t, p.Add(backend.Fact{Seq: 31, Store: "s"}))
		p.Fail(errors.New("too late"))
	})
	require.NoError(t, err)
	require.Equal(t, []string{"<=0", "1 <=2", "<=3", "<=5", "<=9"}, pageText(pages))
}

func TestPagerFail(t *testing.T) {
	failed := errors.New("failed")
	pages, err := collect(func(yield func(backend.Page, error) bool) {
		p := backend.NewPager(backend.LogID{}, backend.Range{}, yield)
		p.Add(backend.Fact{Seq: 1})
		p.Fail(failed)
		p.Fail(errors.New("once more"))
		require.False(t, p.Flush(2))
	})
	require.ErrorIs(t, err, failed)
	require.Equal(t, []string{"1 <=1"}, pageText(pages), "facts that were read before an error come before it")
	pages, err = collect(func(yield func(backend.Page, error) bool) {
		backend.NewPager(backend.LogID{}, backend.Range{}, yield).Fail(failed)
	})
	require.ErrorIs(t, err, failed)
	require.Empty(t, pages)
	for range func(yield func(backend.Page, error) bool) { // a body that leaves sees no error
		p := backend.NewPager(backend.LogID{}, backend.Range{}, func(page backend.Page, err error) bool {
			require.NoError(t, err)
			return yield(page, err)
		})
		p.Add(backend.Fact{Seq: 1})
		p.Fail(failed)
	} {
		break
	}
}

// TestPagerModel compares pages with the rules of pages.
func TestPagerModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := new(list)
		seq := uint64(0)
		number := map[uint64]int{}
		for i := range rapid.IntRange(0, 12).Draw(t, "batches") {
			var batch []backend.Fact
			for range rapid.IntRange(1, 4).Draw(t, "facts") {
				seq += uint64(rapid.IntRange(1, 3).Draw(t, "gap"))
				number[seq] = i
				batch = append(batch, backend.Fact{Seq: seq, Store: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "store"),
					Value: make([]byte, rapid.SampledFrom([]int{1, backend.PageSize / 3, backend.PageSize}).Draw(t, "size"))})
			}
			l.batches = append(l.batches, batch)
		}
		r := backend.Range{
			After:   backend.Cursor{Seq: rapid.Uint64Range(0, seq).Draw(t, "after")},
			Through: rapid.Uint64Range(0, seq+3).Draw(t, "through"),
		}
		if rapid.Bool().Draw(t, "filtered") {
			r.Stores = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 2).Draw(t, "stores")
		}
		var want []uint64
		for _, batch := range l.batches {
			for _, f := range batch {
				if f.Seq > r.After.Seq && (r.Through == 0 || f.Seq <= r.Through) && r.Has(f.Store) {
					want = append(want, f.Seq)
				}
			}
		}
		pages, err := collect(l.Replay(context.Background(), r))
		if err != nil || len(pages) == 0 {
			t.Fatalf("%d pages, error %v", len(pages), err)
		}
		var got []uint64
		through := r.After.Seq
		for i, p := range pages {
			size := 0
			for j, f := range p.Facts {
				if j == 0 && len(got) > 0 && number[f.Seq] == number[got[len(got)-1]] {
					t.Fatalf("page %d begins inside a batch, with seq %d", i, f.Seq)
				}
				if number[f.Seq] != number[p.Facts[len(p.Facts)-1].Seq] {
					size += len(f.Value)
				}
				got = append(got, f.Seq)
			}
			if size >= backend.PageSize {
				t.Fatalf("page %d has %d bytes before its last batch", i, size)
			}
			if i > 0 && p.Through.Seq <= through {
				t.Fatalf("page %d is through %d, as the one before it", i, p.Through.Seq)
			}
			through = p.Through.Seq
			if len(got) > 0 && through < got[len(got)-1] {
				t.Fatalf("page %d is through %d, and has seq %d", i, through, got[len(got)-1])
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %d, want %d", got, want)
		}
		end := seq
		if r.Through != 0 {
			end = min(end, r.Through)
		}
		if through != max(end, r.After.Seq) {
			t.Fatalf("the last page is through %d, want %d", through, max(end, r.After.Seq))
		}
	})
}

// TestPagerTell: each page has the horizons that are news to its loop.
func TestPagerTell(t *testing.T) {
	h := func(seq uint64) backend.Horizon { return backend.Horizon{Seq: seq, Time: time.Unix(int64(seq), 0)} }
	type horizons = map[string]backend.Horizon
	pages, err := collect(func(yield func(backend.Page, error) bool) {
		p := backend.NewPager(backend.LogID{}, backend.Range{Stores: []string{"s", "u"}}, yield)
		p.Tell(nil)
		require.True(t, p.Flush(1))
		p.Tell(horizons{"s": h(2), "t": h(3), backend.AllStores: h(1)})
		require.True(t, p.Flush(1), "a horizon alone makes no page")
		p.Tell(horizons{"s": h(2), "t": h(3), "u": h(4), backend.AllStores: h(1)})
		require.True(t, p.Add(backend.Fact{Seq: 5, Store: "s"}))
		require.True(t, p.Flush(5))
		p.Tell(horizons{"s": {Seq: 2, Time: time.Unix(2, 0).UTC()}, "t": h(7), "u": h(4), backend.AllStores: h(1)})
		require.True(t, p.Flush(6))
		p.Tell(horizons{"s": h(2), "t": h(7), "u": h(8), backend.AllStores: h(1)})
		p.Fail(backend.ErrClosed)
	})
	require.ErrorIs(t, err, backend.ErrClosed)
	require.Equal(t, []string{"<=1", "5 <=5", "<=6"}, pageText(pages))
	require.Nil(t, pages[0].Horizons)
	require.Equal(t, horizons{"s": h(2), "u": h(4), backend.AllStores: h(1)}, pages[1].Horizons)
	require.Nil(t, pages[2].Horizons, "horizons of other stores are not told")

	require.NoError(t, pages[0].Whole(0))
	require.ErrorContains(t, pages[1].Whole(3), `the past of store "u" before seq 4`)
	require.NoError(t, pages[1].Whole(4))
}
