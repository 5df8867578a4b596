// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const natsSubject = "records"

func init() {
	for name, change := range map[string]func(o *server.Options){
		"nats":             func(*server.Options) {},
		"jetstream":        func(o *server.Options) { o.JetStream = true },
		"jetstream-always": func(o *server.Options) { o.JetStream, o.SyncAlways = true, true },
	} {
		servers[name] = func(dir string, ready func(string)) error {
			o := &server.Options{ServerName: name, Host: "127.0.0.1", Port: server.RANDOM_PORT, StoreDir: dir, NoSigs: true, NoLog: true, MaxPending: 1 << 30}
			change(o)
			s, err := server.NewServer(o)
			if err != nil {
				return err
			}
			s.Start()
			if !s.ReadyForConnections(time.Minute) {
				return errors.New("NATS takes no connections")
			}
			ready(s.ClientURL())
			untilParentEnds()
			s.Shutdown()
			s.WaitForShutdown()
			return nil
		}
	}
}

// A natsClients is clients of a NATS server, each with its own connection: core NATS, which keeps nothing, or a stream
// of JetStream.
type natsClients struct {
	server    *child
	core      bool
	conns     []*nats.Conn
	streams   []jetstream.JetStream
	followers []*nats.Conn
}

func dialNATS(name string, connections, window int) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		s, err := serve(name, dir)
		if err != nil {
			return nil, err
		}
		c := &natsClients{server: s, core: name == "nats"}
		for range connections {
			nc, err := nats.Connect(s.address)
			if err != nil {
				return nil, closeAll(func() error { return err }, c.close)
			}
			c.conns = append(c.conns, nc)
			js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(window))
			if err == nil && !c.core && len(c.conns) == 1 {
				_, err = js.CreateOrUpdateStream(context.Background(), jetstream.StreamConfig{Name: natsSubject, Subjects: []string{natsSubject}, Storage: jetstream.FileStorage})
			}
			if err != nil {
				return nil, closeAll(func() error { return err }, c.close)
			}
			c.streams = append(c.streams, js)
		}
		return c, nil
	}
}

func (c *natsClients) append(g, from, count int) error {
	if c.core {
		for i := range count {
			if err := c.conns[g].Publish(natsSubject, raw(from+i)); err != nil {
				return err
			}
		}
		return c.conns[g].Flush()
	}
	if count == 1 {
		_, err := c.streams[g].Publish(context.Background(), natsSubject, raw(from))
		return err
	}
	futures := make([]jetstream.PubAckFuture, count)
	for i := range futures {
		var err error
		if futures[i], err = c.streams[g].PublishAsync(natsSubject, raw(from+i), jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return err
		}
	}
	return nil
}

// pipe publishes with as many messages in flight as the library allows.
func (c *natsClients) pipe(_ int, next func() (int, bool)) error {
	for n, ok := next(); ok; n, ok = next() {
		if _, err := c.streams[0].PublishAsync(natsSubject, raw(n), jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	<-c.streams[0].PublishAsyncComplete()
	return nil
}

// scan reads with an ordered consumer.
func (c *natsClients) scan() (n int, err error) {
	ctx := context.Background()
	s, err := c.streams[0].Stream(ctx, natsSubject)
	if err != nil {
		return 0, err
	}
	info, err := s.Info(ctx)
	if err != nil {
		return 0, err
	}
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return 0, err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(10_000))
	if err != nil {
		return 0, err
	}
	defer messages.Stop()
	for uint64(n) < info.State.Msgs {
		m, err := messages.Next()
		if err == nil {
			err = looked(m.Data())
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (c *natsClients) follow(got func(int)) error {
	nc, err := nats.Connect(c.server.address, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		panic(fmt.Sprint("a subscription ended: ", err))
	}))
	if err != nil {
		return err
	}
	c.followers = append(c.followers, nc)
	if c.core {
		s, err := nc.Subscribe(natsSubject, func(*nats.Msg) { got(1) })
		if err == nil {
			err = s.SetPendingLimits(-1, -1)
		}
		return errors.Join(err, nc.Flush())
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	consumer, err := js.OrderedConsumer(context.Background(), natsSubject, jetstream.OrderedConsumerConfig{})
	if err == nil {
		_, err = consumer.Consume(func(jetstream.Msg) { got(1) }, jetstream.PullMaxMessages(10_000))
	}
	return errors.Join(err, nc.Flush())
}

func (c *natsClients) close() error {
	for _, nc := range c.followers {
		nc.Close()
	}
	for _, nc := range c.conns {
		nc.Close()
	}
	return c.server.close()
}
