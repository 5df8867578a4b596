// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"math"
	"math/bits"
	"time"
)

// TimingBuckets is the number of buckets of Timings. They end at 1 µs, 2 µs, 4 µs and so on, up to some 34 s; the last one
// has no upper bound.
const TimingBuckets = 27

// Timings are a histogram of durations. The zero Timings are empty.
type Timings struct {
	Buckets [TimingBuckets]uint64 // the i-th counts durations of at most 2^i µs, and more than the bound of the bucket before; the last one counts the rest
	Count   uint64
	Sum     time.Duration
}

// Bound returns the upper bound of the i-th bucket. The last bucket has none.
func (Timings) Bound(i int) time.Duration { return time.Microsecond << i }

// Add counts d.
func (t *Timings) Add(d time.Duration) {
	t.Buckets[TimingBucket(d)]++
	t.Count++
	t.Sum += d
}

// Quantile returns an upper bound for the given part of the durations, such as 0.99; 0 if there are none.
func (t *Timings) Quantile(part float64) time.Duration {
	left := uint64(math.Ceil(part * float64(t.Count)))
	for i, n := range t.Buckets {
		if n >= left {
			return t.Bound(i)
		}
		left -= n
	}
	return t.Bound(TimingBuckets - 1)
}

// TimingBucket returns the index of the bucket that counts d.
func TimingBucket(d time.Duration) int {
	return min(bits.Len64(uint64(max(d-1, 0)/time.Microsecond)), TimingBuckets-1)
}
