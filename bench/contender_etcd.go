// SPDX-License-Identifier: Apache-2.0

//go:build !lean

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// An etcdLog is the write-ahead log of etcd.
type etcdLog struct {
	mu   sync.Mutex
	dir  string
	wal  *wal.WAL
	next uint64
}

func openEtcdWAL(durable bool) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		l := &etcdLog{dir: inDir(dir, "wal"), next: 1}
		if wal.Exist(l.dir) {
			return l, nil // it can be read
		}
		var err error
		if l.wal, err = wal.Create(zap.NewNop(), l.dir, nil); err == nil && !durable {
			l.wal.SetUnsafeNoFsync()
		}
		return l, err
	}
}

func (l *etcdLog) append(_, from, count int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := make([]*raftpb.Entry, count)
	for i := range entries {
		entries[i] = &raftpb.Entry{Term: new(uint64(1)), Index: new(l.next), Data: raw(from + i)}
		l.next++
	}
	return l.wal.Save(&raftpb.HardState{}, entries)
}

// scan reads all into memory at once, as etcd does when it starts.
func (l *etcdLog) scan() (int, error) {
	w, err := wal.OpenForRead(zap.NewNop(), l.dir, &walpb.Snapshot{})
	if err != nil {
		return 0, err
	}
	defer w.Close()
	_, _, entries, err := w.ReadAll()
	if err != nil {
		return 0, err
	}
	for i := range entries {
		if err := looked(entries[i].Data); err != nil {
			return i, err
		}
	}
	return len(entries), nil
}

func (l *etcdLog) close() error {
	if l.wal == nil {
		return nil
	}
	return l.wal.Close()
}

func init() {
	servers["etcd"] = func(dir string, ready func(string)) error {
		c := embed.NewConfig()
		c.Dir, c.LogLevel, c.Logger = inDir(dir, "etcd"), "panic", "zap"
		c.QuotaBackendBytes = 8 << 30
		for _, urls := range []*[]url.URL{&c.ListenClientUrls, &c.ListenPeerUrls} {
			port, err := freePort()
			if err != nil {
				return err
			}
			*urls = []url.URL{{Scheme: "http", Host: fmt.Sprint("127.0.0.1:", port)}}
		}
		c.AdvertiseClientUrls, c.AdvertisePeerUrls = c.ListenClientUrls, c.ListenPeerUrls
		c.InitialCluster = c.InitialClusterFromName(c.Name)
		e, err := embed.StartEtcd(c)
		if err != nil {
			return err
		}
		select {
		case <-e.Server.ReadyNotify():
		case <-time.After(time.Minute):
			return errors.New("etcd is not ready after a minute")
		}
		ready(c.ListenClientUrls[0].Host)
		untilParentEnds()
		e.Close()
		return nil
	}
}

// An etcdClients is clients of an etcd server, each with its own connection.
type etcdClients struct {
	server  *child
	clients []*clientv3.Client
	next    atomic.Int64
}

func dialEtcd(connections int) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		s, err := serve("etcd", dir)
		if err != nil {
			return nil, err
		}
		c := &etcdClients{server: s}
		for range connections {
			client, err := clientv3.New(clientv3.Config{Endpoints: []string{s.address}, Logger: zap.NewNop(), DialTimeout: time.Minute})
			if err != nil {
				return nil, closeAll(func() error { return err }, c.close)
			}
			c.clients = append(c.clients, client)
		}
		return c, nil
	}
}

// append puts a record under its own key. A batch is one transaction.
func (c *etcdClients) append(g, from, count int) error {
	at := int(c.next.Add(int64(count))) - count
	ops := make([]clientv3.Op, count)
	for i := range ops {
		ops[i] = clientv3.OpPut(string(sequence(at+i)), string(raw(from+i)))
	}
	if count == 1 {
		_, err := c.clients[g].Do(context.Background(), ops[0])
		return err
	}
	_, err := c.clients[g].Txn(context.Background()).Then(ops...).Commit()
	return err
}

func (c *etcdClients) close() error {
	for _, client := range c.clients {
		_ = client.Close()
	}
	return c.server.close()
}
