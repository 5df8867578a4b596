// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is the program that Debian's package redis-server installs.
const redisServer = "redis-server"

// redisStream is the key of the stream.
const redisStream = "records"

func init() {
	for name, fsync := range map[string]string{"redis-everysec": "everysec", "redis-always": "always"} {
		servers[name] = func(dir string, ready func(string)) error { return serveRedis(dir, fsync, ready) }
	}
}

// serveRedis starts Redis with an append-only file and without snapshots, and stops it in the end.
func serveRedis(dir, fsync string, ready func(string)) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	cmd := exec.Command(redisServer, "--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--dir", dir, "--daemonize", "no", "--logfile", os.DevNull,
		"--save", "", "--appendonly", "yes", "--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	address := fmt.Sprint("127.0.0.1:", port)
	for tries := 0; ; tries++ {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			break
		}
		if tries == 1000 {
			return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		}
		time.Sleep(10 * time.Millisecond)
	}
	c := redis.NewClient(&redis.Options{Addr: address})
	defer c.Close()
	ready(address)
	untilParentEnds()
	_ = c.ShutdownNoSave(context.Background())
	return cmd.Wait()
}

// A redisClients is clients of a Redis stream, each with its own connection.
type redisClients struct {
	server  *child
	clients []*redis.Client
	ctx     context.Context
	cancel  context.CancelFunc
	follows sync.WaitGroup
}

func dialRedis(name string, connections int) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		if _, err := exec.LookPath(redisServer); err != nil {
			return nil, skipf("%s is not installed: apt-get install redis-server", redisServer)
		}
		s, err := serve(name, dir)
		if err != nil {
			return nil, err
		}
		c := &redisClients{server: s}
		c.ctx, c.cancel = context.WithCancel(context.Background())
		for range connections {
			c.clients = append(c.clients, c.dial())
		}
		return c, nil
	}
}

func (c *redisClients) dial() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: c.server.address, PoolSize: 1, ReadTimeout: -1, WriteTimeout: -1, DisableIdentity: true})
}

func xadd(c redis.Cmdable, n int) *redis.StringCmd {
	return c.XAdd(context.Background(), &redis.XAddArgs{Stream: redisStream, Values: []any{"r", raw(n)}})
}

// append sends a batch as one pipeline: Redis does not promise that all of it is kept or nothing.
func (c *redisClients) append(g, from, count int) error {
	if count == 1 {
		return xadd(c.clients[g], from).Err()
	}
	p := c.clients[g].Pipeline()
	for i := range count {
		xadd(p, from+i)
	}
	_, err := p.Exec(context.Background())
	return err
}

// pipe shares the window among the connections. Each sends its part as one pipeline and waits for its answers.
func (c *redisClients) pipe(window int, next func() (int, bool)) error {
	errs := make([]error, len(c.clients))
	var all sync.WaitGroup
	for g, client := range c.clients {
		all.Go(func() {
			for more := true; more && errs[g] == nil; {
				p := client.Pipeline()
				for range max(window/len(c.clients), 1) {
					n, ok := next()
					if more = ok; !ok {
						break
					}
					xadd(p, n)
				}
				if p.Len() > 0 {
					_, errs[g] = p.Exec(context.Background())
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// scan reads the stream 1000 entries at a time.
func (c *redisClients) scan() (n int, err error) {
	for from := "-"; ; {
		page, err := c.clients[0].XRangeN(context.Background(), redisStream, from, "+", 1000).Result()
		if err != nil {
			return n, err
		}
		for _, m := range page {
			r, _ := m.Values["r"].(string)
			if r == "" || r[0] != '{' {
				return n, errRecord
			}
		}
		n += len(page)
		if len(page) < 1000 {
			return n, nil
		}
		from = "(" + page[len(page)-1].ID
	}
}

func (c *redisClients) follow(got func(int)) error {
	client := c.dial()
	if err := client.Ping(c.ctx).Err(); err != nil {
		return err
	}
	c.follows.Go(func() {
		defer client.Close()
		for after := "0"; c.ctx.Err() == nil; {
			streams, err := client.XRead(c.ctx, &redis.XReadArgs{Streams: []string{redisStream, after}, Count: 1000, Block: 100 * time.Millisecond}).Result()
			if errors.Is(err, redis.Nil) {
				continue
			}
			if err != nil {
				if c.ctx.Err() == nil && !errors.Is(err, io.EOF) {
					panic(fmt.Sprint("a subscription ended: ", err))
				}
				return
			}
			page := streams[0].Messages
			after = page[len(page)-1].ID
			got(len(page))
		}
	})
	return nil
}

func (c *redisClients) close() error {
	c.cancel()
	c.follows.Wait()
	for _, client := range c.clients {
		_ = client.Close()
	}
	return c.server.close()
}
