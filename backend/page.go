// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/igniter-store/igniter/internal/uuidtext"
)

// A Range is a part of a log. The zero Range is all of it.
type Range struct {
	After   Cursor   // the part begins after it; zero: at the beginning
	Through uint64   // it ends with this seq; 0: at the log's end
	Stores  []string // only facts of these stores; nil: all stores; empty: none

	// Known, if not nil, returns a seq through which the reader already has all facts, for example because it wrote them. A
	// log may leave these facts out of its pages, which saves decoding them. A log that ignores Known is correct too. The
	// loop's goroutine calls Known once for each page. A decorator that changes seqs must not pass it on.
	Known func() uint64 `json:"-"`
}

// Has reports whether r includes a store.
func (r *Range) Has(store string) bool { return r.Stores == nil || slices.Contains(r.Stores, store) }

// A Page is a run of consecutive facts of a log that are read together.
//
// The rules of pages, which hold for every loop over a log:
//
//  1. Facts ascend and are whole batches. The first page begins inside a batch only if After does, and the last page ends
//     inside a batch only if Range.Through does. A batch here means the facts that one writer passed together; a log may
//     join several, as a group commit does.
//  2. Through is at least the last fact's seq. Once a Through was yielded, no fact at or below it
//     appears later. Through moves over pruned facts, facts of other stores, and facts that the caller
//     may not read.
//  3. A Replay that ends without an error has yielded a page, perhaps empty, whose Through is at least
//     the last seq acknowledged before the loop began, or Range.Through.
//  4. Follow's first page comes at once, perhaps empty. Later empty pages come only when Through moved,
//     and promptly.
//  5. An error comes with the zero Page and ends the loop. Facts that were read before the error come in a page before it.
//  6. The loop's body may call any method but Close; no lock is held while it runs; memory does not grow
//     with the log.
//  7. A cursor belongs to the stores and the access with which it was read. If the access changes, Follow ends with
//     ErrAccessChanged.
//  8. If a fact was pruned before its page was read, that page or an earlier one of the loop has a horizon, of the fact's
//     store or of AllStores, whose Seq is at least the fact's seq. The first page has the horizons of all stores of the
//     range and of AllStores; a later page has the horizons that changed since. A changed horizon alone makes no page: it
//     comes with the next page.
type Page struct {
	Facts    []Fact             // whole batches, in order; about 256 KiB, or one larger batch; may be empty; the caller owns it
	Through  Cursor             // the log was read through here
	Horizons map[string]Horizon // by store: how far the past is incomplete; nil: as before this page; the caller owns it
}

// Whole checks that a loop misses none of the facts that were pruned according to p.Horizons. after is the seq through
// which the loop had read the log before p. Otherwise the error is a *CompactedError about the store with the latest
// horizon.
func (p *Page) Whole(after uint64) error {
	if p.Horizons == nil {
		return nil
	}
	s := Stats{Horizons: p.Horizons}
	return s.Whole(after, nil)
}

// PageSize is the approximate limit for the bytes of a page's facts, unless one batch has more.
const PageSize = 256 << 10

// A Cursor is a position in a log: the log was read through Seq. Loops resume only by cursors. The zero Cursor is the
// beginning of any log.
type Cursor struct {
	Log LogID  // zero: any log; only the end is checked
	Seq uint64 // 0: the beginning
}

// String returns the cursor as text: "51233", or "51233@0197c0de-..." if it names its log.
func (c Cursor) String() string {
	seq := strconv.FormatUint(c.Seq, 10)
	if c.Log == (LogID{}) {
		return seq
	}
	return seq + "@" + c.Log.String()
}

// MarshalText returns String.
func (c Cursor) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText sets c to the result of ParseCursor.
func (c *Cursor) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCursor(string(text))
	return err
}

// ParseCursor parses the text of a Cursor. Any other text is an *InvalidError.
func ParseCursor(text string) (Cursor, error) {
	seq, log, named := strings.Cut(text, "@")
	var c Cursor
	var err error
	ok := true
	if c.Seq, err = strconv.ParseUint(seq, 10, 64); err == nil && named {
		c.Log, ok = uuidtext.Parse(log)
		ok = ok && c.Log != (LogID{})
	}
	if err != nil || !ok || seq != strconv.FormatUint(c.Seq, 10) {
		return Cursor{}, &InvalidError{"cursor", fmt.Sprintf("%.100q is neither a seq such as 51233 nor a seq and a log such as 51233@0197c0de-…", text)}
	}
	return c, nil
}

// Facts yields the facts of pages one by one, for loops that do not need the borders of batches. An error comes with the
// zero Fact and ends the loop.
func Facts(pages iter.Seq2[Page, error]) iter.Seq2[Fact, error] {
	return func(yield func(Fact, error) bool) {
		for p, err := range pages {
			if err != nil {
				yield(Fact{}, err)
				return
			}
			for _, f := range p.Facts {
				if !yield(f, nil) {
					return
				}
			}
		}
	}
}

// A Pager makes pages of the facts that a backend reads from its log, in the body of a Replay or Follow:
//
//	p := backend.NewPager(log, r, yield)
//	for batch := range … {
//		if !p.Add(batch...) {
//			return
//		}
//	}
//	p.Flush(last)
//
// It leaves out facts of other stores and facts outside the Range. The reader of a page owns its facts, so added facts must
// share no memory with the log. A log that can be pruned calls Tell, too.
type Pager struct {
	r       Range
	yield   func(Page, error) bool
	page    Page
	size    int
	given   uint64 // the Through of the last page
	told    map[string]Horizon
	next    map[string]Horizon // of the log, for the next page
	begun   bool               // a page was yielded
	stopped bool
}

// NewPager returns a Pager for one loop over the range r of the log with the given identity. The caller must have checked
// r.After, see [Stats.Resume].
func NewPager(log LogID, r Range, yield func(Page, error) bool) *Pager {
	return &Pager{r: r, yield: yield, page: Page{Through: Cursor{log, r.After.Seq}}, given: r.After.Seq}
}

// Add adds the next whole batch of the log. It yields a page once it has enough facts. It returns false if the loop ends
// here: its body has left it, or r.Through is reached.
func (p *Pager) Add(batch ...Fact) bool {
	for i := range batch {
		f := &batch[i]
		if f.Seq <= p.page.Through.Seq {
			continue
		}
		if p.r.Through != 0 && f.Seq > p.r.Through {
			p.Flush(p.r.Through)
			return false
		}
		p.page.Through.Seq = f.Seq
		if p.r.Has(f.Store) {
			p.page.Facts = append(p.page.Facts, *f)
			p.size += len(f.Key) + len(f.Value) + len(f.Producer) + len(f.Derivation) + factOverhead
		}
	}
	if p.size >= PageSize {
		return p.Flush(0)
	}
	return !p.stopped
}

// factOverhead is about the number of bytes that a fact takes beside its key and values.
const factOverhead = 256

// Tell takes the log's horizons, read together with the facts that are added next, or later. The next page has the horizons
// that the loop has not yielded yet. Tell keeps the map, which must not change any more. Calling it again with the same
// horizons is cheap: the next page compares each of them.
func (p *Pager) Tell(horizons map[string]Horizon) { p.next = horizons }

// Flush yields the facts that were added and not yet yielded, in a page whose Through is at least the
// given seq (never beyond r.Through). Without facts it yields an empty page only if this is the loop's first page or
// Through moved. It reports whether the loop goes on.
func (p *Pager) Flush(through uint64) bool {
	if p.stopped {
		return false
	}
	if p.r.Through != 0 {
		through = min(through, p.r.Through)
	}
	p.page.Through.Seq = max(p.page.Through.Seq, through)
	page := p.page
	if len(page.Facts) > 0 || page.Through.Seq > p.given || !p.begun {
		p.given, p.begun, p.size = page.Through.Seq, true, 0
		p.page = Page{Through: page.Through}
		if p.next != nil {
			page.Horizons = p.r.News(p.next, p.told)
			p.told, p.next = p.next, nil
		}
		p.stopped = !p.yield(page, nil)
	}
	if p.r.Through != 0 && p.given >= p.r.Through {
		p.stopped = true
	}
	return !p.stopped
}

// Fail yields the facts that were added but not yet yielded, and then err, which ends the loop.
func (p *Pager) Fail(err error) {
	if len(p.page.Facts) > 0 && !p.Flush(0) || p.stopped {
		return
	}
	p.stopped = true
	p.yield(Page{}, err)
}
