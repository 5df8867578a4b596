// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// volatiles returns the contenders that take records over a network without a sync before the answer.
func volatiles(connections, window int) []contender {
	return []contender{
		{"echo", "limit: the record goes to another process and back", limit, dialEcho(connections)},
		{"igniter memory", "in the server's memory", ours, dialIgniter("igniter-memory", connections)},
		{"igniter file", "sync interval: the kernel has it, a sync every 100 ms", ours, dialIgniter("igniter-file", connections)},
		{"Redis everysec", "a stream; appendonly, appendfsync everysec: a sync every second", peer, dialRedis("redis-everysec", connections)},
		{"JetStream", "file storage; a sync every 2 minutes (its default)", peer, dialNATS("jetstream", connections, window)},
	}
}

// remotes returns the contenders that take records over a network and answer once they are durable.
func remotes(connections, window int) []contender {
	return []contender{
		{"igniter file durable", "sync always: fdatasync; " + groups, ours, dialIgniter("igniter-durable", connections)},
		{"Redis always", "a stream; appendonly, appendfsync always: fdatasync; " + groups, peer, dialRedis("redis-always", connections)},
		{"JetStream always", "file storage, sync_interval always", peer, dialNATS("jetstream-always", connections, window)},
		{"etcd", "put; one member, fdatasync; " + groups, peer, dialEtcd(connections)},
	}
}

func networkRows() (all []row) {
	for _, clients := range []int{1, 16, 64} {
		name := fmt.Sprintf("%d clients, each waits for each answer", clients)
		if clients == 1 {
			name = "1 client, waits for each answer"
		}
		all = append(all, appendRow("Network append", name, clients, 1, volatiles(clients, 1)),
			appendRow("Durable network append", name, clients, 1, remotes(clients, 1)))
	}
	for _, window := range []int{256, 4096} {
		name := fmt.Sprintf("1 client, pipelined, window of %d", window)
		four := func(name string, k kind, open func(dir string) (store, error)) contender {
			return contender{name + " 4 connections", "the same, the window shared by four", k, open}
		}
		all = append(all,
			pipedRow("Network append", name, window, append(volatiles(1, window),
				four("igniter memory", ours, dialIgniter("igniter-memory", 4)), four("Redis everysec", peer, dialRedis("redis-everysec", 4)))),
			pipedRow("Durable network append", name, window, append(remotes(1, window)[:3],
				four("igniter file durable", ours, dialIgniter("igniter-durable", 4)), four("Redis always", peer, dialRedis("redis-always", 4)))))
	}
	return append(all,
		appendRow("Network append", "1 client, batches of 1000, waits for each answer", 1, 1000, volatiles(1, 1000)),
		appendRow("Durable network append", "1 client, batches of 1000, waits for each answer", 1, 1000, remotes(1, 1000)[:3]))
}

// pipedRow returns a row in which a client sends single records with up to window of them in flight.
func pipedRow(section, name string, window int, contenders []contender) row {
	r := row{section: section, name: name, unit: perSecond}
	for _, c := range contenders {
		r.entries = append(r.entries, entry{name: c.name, promise: c.promise, kind: c.kind, run: func(t *turn) (s sample, err error) {
			l, err := open(t, c.open)
			if err != nil {
				return s, err
			}
			defer closing(l.close, &err)
			return t.pipe(l.(piper), window)
		}})
	}
	return r
}

// pipe measures how many records l keeps in the span, including records that were still in flight at its end.
func (t *turn) pipe(l piper, window int) (sample, error) {
	var next, warm atomic.Int64
	var over atomic.Bool
	begin := time.Now().Add(t.span / 10)
	end := begin.Add(t.span)
	err := l.pipe(window, func() (int, bool) {
		if over.Load() {
			return 0, false
		}
		n := next.Add(1) - 1
		if n%16 == 0 { // the clock costs more than the rest
			now := time.Now()
			if now.Before(begin) {
				warm.Store(n)
			}
			over.Store(now.After(end))
		}
		return int(n), true
	})
	return sample{Value: float64(next.Load()-warm.Load()) / time.Since(begin).Seconds()}, err
}
