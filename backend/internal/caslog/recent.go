// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"sort"

	"github.com/igniter-store/igniter/wire"
)

// recentBytes is the number of bytes of the log's last units that a process keeps for loops that follow the log.
const recentBytes = 2 << 20

// A recent keeps the log's last units as frames.
type recent struct {
	units []recentUnit // without a gap
	bytes int
}

type recentUnit struct {
	first, last uint64
	frame       []byte
}

func (r *recent) add(first, last uint64, body []byte) {
	frame := wire.AppendFrame(make([]byte, 0, len(body)+wire.FrameOverhead), body)
	r.units = append(r.units, recentUnit{first, last, frame})
	r.bytes += len(frame)
	drop := 0
	for ; r.bytes > recentBytes && drop < len(r.units); drop++ {
		r.bytes -= len(r.units[drop].frame)
		r.units[drop].frame = nil
	}
	r.units = r.units[drop:]
}

// after returns about size bytes of units with facts after a seq. ok is false if some of these facts are not kept.
func (r *recent) after(seq uint64, size int) (units []recentUnit, ok bool) {
	if len(r.units) == 0 || seq+1 < r.units[0].first {
		return nil, false
	}
	from := sort.Search(len(r.units), func(i int) bool { return r.units[i].last > seq })
	to := from
	for bytes := 0; to < len(r.units) && (bytes == 0 || bytes+len(r.units[to].frame) <= size); to++ {
		bytes += len(r.units[to].frame)
	}
	return r.units[from:to], true
}

// body returns the body of the unit that has a seq, nil if it is not kept.
func (r *recent) body(seq uint64) []byte {
	i := sort.Search(len(r.units), func(i int) bool { return r.units[i].last >= seq })
	if i == len(r.units) || r.units[i].first > seq {
		return nil
	}
	body, _, _ := wire.CutFrame(r.units[i].frame)
	return append([]byte(nil), body...)
}

// after returns the index of the first place after a seq.
func after(places []place, seq uint64) int {
	return sort.Search(len(places), func(i int) bool { return places[i].seq > seq })
}
