package store_test

import (
	"context"
	"errors"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
)

// modelBackends are the backends that the model drives the engine over. Each opens the log of a
// directory. A log that keeps nothing on disk can't be reopened, and stays open.
var modelBackends = []struct {
	name   string
	open   func(dir string) (backend.Backend, error)
	reopen bool
}{
	{"memory", func(string) (backend.Backend, error) { return memory.New(memory.Options{}), nil }, false},
	{"file", func(dir string) (backend.Backend, error) {
		return file.Open(context.Background(), file.Options{Path: dir, Sync: file.SyncNever})
	}, true},
	{"network", serve, true},
	{"four methods", func(dir string) (backend.Backend, error) {
		l, err := file.Open(context.Background(), file.Options{Path: dir, Sync: file.SyncNever})
		return struct{ backend.Backend }{l}, err
	}, true},
}

// served is a client of a server of a log on disk, both of this process.
type served struct {
	*network.Client
	log    backend.Backend
	server *server.Server
	done   chan error
}

func serve(dir string) (backend.Backend, error) {
	log, err := file.Open(context.Background(), file.Options{Path: dir, Sync: file.SyncNever})
	if err != nil {
		return nil, err
	}
	l, err := server.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	s := &served{log: log, server: server.New(log, server.Options{}), done: make(chan error, 1)}
	go func() { s.done <- s.server.Serve(l) }()
	s.Client, err = network.Dial(context.Background(), network.Options{Address: l.Addr().String()})
	if err != nil {
		return nil, errors.Join(err, s.server.Close(), <-s.done, log.Close())
	}
	return s, nil
}

func (s *served) Close() error {
	return errors.Join(s.Client.Close(), s.server.Close(), <-s.done, s.log.Close())
}
