// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// streamers returns the contenders that send records to subscribers.
func streamers() []contender {
	return []contender{
		{"igniter memory", "kept in the server's memory, in order, read by each from where it is", ours, dialIgniter("igniter-memory", 1)},
		{"Redis everysec", "a stream, XREAD BLOCK COUNT 1000; appendfsync everysec", peer, dialRedis("redis-everysec", 1)},
		{"JetStream", "file storage, an ordered consumer each", peer, dialNATS("jetstream", 1, 1000)},
		{"core NATS", "kept nowhere; a subscriber that is away misses it", peer, dialNATS("nats", 1, 1)},
	}
}

func streamRows() (all []row) {
	replay := streamers()[:3]
	replay[0].promise = "facts decoded, checksums checked"
	replay[1].promise = "raw strings, XRANGE COUNT 1000"
	replay[2].promise = "raw bytes, an ordered consumer"
	r := row{section: "Network replay", name: "a million records", unit: perSecond}
	for _, c := range replay {
		var l store
		r.entries = append(r.entries, entry{name: c.name, promise: c.promise, kind: c.kind,
			prepare: func(t *turn) (err error) {
				if l, err = c.open(t.dir); err == nil {
					err = appendAll(l, t.scaled(million))
				}
				return err
			},
			run: func(t *turn) (sample, error) { return scan(l, t.scaled(million), time.Now()) },
			cleanup: func() {
				if l != nil {
					_ = l.close()
				}
			}})
	}
	all = append(all, r)
	for _, subscribers := range []int{1, 10, 100} {
		all = append(all, fanOutRow(subscribers))
	}
	for _, subscribers := range []int{1, 10, 100} {
		all = append(all, deliveryRow(subscribers))
	}
	return all
}

// ahead is how many records the writer of a fan-out may be before its slowest subscriber.
const ahead = 50_000

// fanOutRow returns a row in which one client writes batches of 100 and others receive all of them.
func fanOutRow(subscribers int) row {
	r := row{section: "Fan-out", name: fmt.Sprintf("to %d subscribers, batches of 100", subscribers), unit: deliveries}
	for _, c := range streamers() {
		r.entries = append(r.entries, entry{name: c.name, promise: c.promise, kind: c.kind, run: func(t *turn) (s sample, err error) {
			l, err := open(t, c.open)
			if err != nil {
				return s, err
			}
			defer closing(l.close, &err)
			got, err := subscribe(l, subscribers, func() {})
			if err != nil {
				return s, err
			}
			const size = 100
			n := 0
			start := time.Now()
			for ; time.Since(start) < t.span; n += size {
				if err := l.append(0, n, size); err != nil {
					return s, err
				}
				if err := wait(got, n+size-ahead); err != nil {
					return s, err
				}
			}
			if err := wait(got, n); err != nil {
				return s, err
			}
			return sample{Value: float64(n) * float64(subscribers) / time.Since(start).Seconds()}, nil
		}})
	}
	return r
}

// subscribe makes subscribers, which count the records that they get and then call each.
func subscribe(l store, subscribers int, each func()) ([]atomic.Int64, error) {
	got := make([]atomic.Int64, subscribers)
	for i := range got {
		err := l.(follower).follow(func(records int) {
			got[i].Add(int64(records))
			each()
		})
		if err != nil {
			return nil, err
		}
	}
	return got, nil
}

// wait waits until all have got n records.
func wait(got []atomic.Int64, n int) error {
	deadline := time.Now().Add(time.Minute)
	for i := range got {
		for got[i].Load() < int64(n) {
			if time.Now().After(deadline) {
				return errors.New("a subscriber did not get everything within a minute")
			}
			time.Sleep(50 * time.Microsecond)
		}
	}
	return nil
}

// deliveryRow returns a row of the time from the start of a single write until every subscriber has the record.
func deliveryRow(subscribers int) row {
	r := row{section: "Publish to deliver", name: fmt.Sprintf("%d subscribers, median of all", subscribers), unit: micros}
	for _, c := range streamers() {
		r.entries = append(r.entries, entry{name: c.name, promise: c.promise, kind: c.kind, run: func(t *turn) (s sample, err error) {
			l, err := open(t, c.open)
			if err != nil {
				return s, err
			}
			defer closing(l.close, &err)
			arrived := make(chan time.Time, subscribers)
			if _, err := subscribe(l, subscribers, func() { arrived <- time.Now() }); err != nil {
				return s, err
			}
			var took []float64
			begin := time.Now()
			for n := 0; took == nil || time.Since(begin) < t.span+t.span/10; n++ {
				start := time.Now()
				if err := l.append(0, n, 1); err != nil {
					return s, err
				}
				for range subscribers {
					select {
					case at := <-arrived:
						if start.Sub(begin) > t.span/10 {
							took = append(took, float64(at.Sub(start))/1e3)
						}
					case <-time.After(time.Minute):
						return s, errors.New("a record did not arrive within a minute")
					}
				}
			}
			latency := quantiles(took)
			return sample{Value: latency[0], Latency: latency}, nil
		}})
	}
	return r
}
