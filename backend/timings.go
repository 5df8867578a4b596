// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"math"
	"math/bits"
	"time"
)

// TimingBuckets is how many buckets Timings have. They end at 1 µs, 2 µs, 4 µs and so on, up to some 34 s, and the last one has
// all that took longer.
const TimingBuckets = 27

// Timings count how long something took. The zero Timings have counted nothing.
type Timings struct {
	Buckets [TimingBuckets]uint64 // the i-th counts what took at most 2^i µs and more than the bucket before; the last one counts the rest
	Count   uint64
	Sum     time.Duration
}

// Bound returns the upper bound of the i-th bucket. The last bucket has none.
func (Timings) Bound(i int) time.Duration { return time.Microsecond << i }

// Add counts what took d.
func (t *Timings) Add(d time.Duration) {
	t.Buckets[TimingBucket(d)]++
	t.Count++
	t.Sum += d
}

// Quantile returns an upper bound of what the given part of all, such as 0.99, took at most; 0 if nothing was counted.
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

// TimingBucket returns the index of the bucket that counts what took d.
func TimingBucket(d time.Duration) int {
	return min(bits.Len64(uint64(max(d-1, 0)/time.Microsecond)), TimingBuckets-1)
}
