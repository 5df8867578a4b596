// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
	engine "github.com/igniter-store/igniter/store"
)

// A factLog is a log of this project.
type factLog struct{ backend.Log }

func openMemory(string) (store, error) { return factLog{memory.New(memory.Options{})}, nil }

// openFile returns a function that opens a log in files with a sync policy.
func openFile(sync file.Sync) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		l, err := file.Open(context.Background(), file.Options{Path: inDir(dir, "log"), Sync: sync})
		return factLog{l}, err
	}
}

func (l factLog) append(_, from, count int) error { return appendFacts(l.Log, from, count) }

func appendFacts(l backend.Log, from, count int) error {
	if count == 1 {
		_, err := l.WriteFact(context.Background(), fact(from))
		return err
	}
	return l.Write(context.Background(), backend.Batch{Facts: facts(from, count)})[0].Err
}

// scan reads facts, decoded.
func (l factLog) scan() (n int, err error) {
	for p, err := range l.Replay(context.Background(), backend.Range{}) {
		if err != nil {
			return n, err
		}
		for i := range p.Facts {
			if err := looked(p.Facts[i].Value); err != nil {
				return n, err
			}
		}
		n += len(p.Facts)
	}
	return n, nil
}

func (l factLog) close() error { return l.Close() }

// A factEngine is the engine over a log: it makes IDs, and each write is shown to readers when it returns.
type factEngine struct {
	*engine.Engine
	log backend.Log
}

// over returns a function that opens an engine over a log.
func over(open func(dir string) (store, error)) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		l, err := open(dir)
		if err != nil {
			return nil, err
		}
		return openEngine(l.(factLog).Log)
	}
}

func openEngine(l backend.Log) (*factEngine, error) {
	e, err := engine.Open(context.Background(), l, engine.Options{Logger: zap.NewNop()})
	if err != nil {
		return nil, closeAll(func() error { return err }, l.Close)
	}
	return &factEngine{e, l}, nil
}

func (e *factEngine) append(_, from, count int) error {
	if count == 1 {
		_, err := e.Write(context.Background(), records()[from%recordRing].fact)
		return err
	}
	all := make([]backend.Fact, count)
	for i := range all {
		all[i] = records()[(from+i)%recordRing].fact
	}
	_, err := e.WriteBatch(context.Background(), backend.Batch{Facts: all})
	return err
}

func (e *factEngine) scan() (int, error) { return factLog{e.log}.scan() }

func (e *factEngine) close() error { return closeAll(e.Engine.Close, e.log.Close) }

func init() {
	for name, open := range map[string]func(dir string) (store, error){
		"igniter-memory": openMemory, "igniter-file": openFile(file.SyncInterval), "igniter-durable": openFile(file.SyncAlways),
	} {
		servers[name] = func(dir string, ready func(string)) error {
			l, err := open(dir)
			if err != nil {
				return err
			}
			listener, err := server.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			s := server.New(l.(factLog).Log, server.Options{})
			done := make(chan error, 1)
			go func() { done <- s.Serve(listener) }()
			ready(listener.Addr().String())
			untilParentEnds()
			return closeAll(s.Close, func() error { return <-done }, l.close)
		}
	}
}

// A factClients is clients of a server of this project, each with its own connection.
type factClients struct {
	server  *child
	clients []backend.Log
	ctx     context.Context // of the subscriptions
	cancel  context.CancelFunc
	follows sync.WaitGroup
}

// dialIgniter returns a function that serves a log in another process, and connects a number of clients to it.
func dialIgniter(name string, connections int) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		s, err := serve(name, dir)
		if err != nil {
			return nil, err
		}
		c := &factClients{server: s, clients: make([]backend.Log, 0, connections)}
		c.ctx, c.cancel = context.WithCancel(context.Background())
		for range connections {
			client, err := c.dial()
			if err != nil {
				return nil, closeAll(func() error { return err }, c.close)
			}
			c.clients = append(c.clients, client)
		}
		return c, nil
	}
}

func (c *factClients) dial() (backend.Log, error) {
	return network.Dial(c.ctx, network.Options{Address: c.server.address})
}

func (c *factClients) append(g, from, count int) error { return appendFacts(c.clients[g], from, count) }

// pipe shares the window among the connections.
func (c *factClients) pipe(window int, next func() (int, bool)) error {
	errs := make([]error, len(c.clients))
	var all sync.WaitGroup
	for g, client := range c.clients {
		all.Go(func() { errs[g] = c.pipeOne(client, max(window/len(c.clients), 1), next) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (c *factClients) pipeOne(client backend.Log, window int, next func() (int, bool)) error {
	a := backend.NewAsync(c.ctx, client.Write)
	defer a.Close()
	pending := make([]backend.Pending, 0, window)
	for at := 0; ; at = (at + 1) % window {
		if len(pending) == window {
			if w := pending[at].Wait(c.ctx); w.Err != nil {
				return w.Err
			}
		}
		n, ok := next()
		if !ok {
			break
		}
		p, err := a.Write(c.ctx, backend.Batch{Facts: []backend.Fact{fact(n)}})
		if err != nil {
			return err
		}
		if len(pending) < window {
			pending = append(pending, p)
		} else {
			pending[at] = p
		}
	}
	for _, p := range pending {
		if w := p.Wait(c.ctx); w.Err != nil {
			return w.Err
		}
	}
	return nil
}

func (c *factClients) scan() (int, error) { return factLog{c.clients[0]}.scan() }

func (c *factClients) follow(got func(int)) error {
	client, err := c.dial()
	if err != nil {
		return err
	}
	begun := make(chan error, 1)
	c.follows.Go(func() {
		defer client.Close()
		first := true
		for p, err := range client.Follow(c.ctx, backend.Range{}) {
			if first {
				begun <- err
				first = false
			}
			if err != nil {
				if c.ctx.Err() == nil {
					panic(fmt.Sprint("a subscription ended: ", err))
				}
				return
			}
			got(len(p.Facts))
		}
	})
	return <-begun
}

func (c *factClients) close() error {
	c.cancel()
	c.follows.Wait()
	all := make([]func() error, 0, len(c.clients)+1)
	for _, client := range c.clients {
		all = append(all, client.Close)
	}
	return closeAll(append(all, c.server.close)...) // the server in any case
}
