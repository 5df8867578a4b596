//go:build !merged

package store_test

import (
	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

var modelBackends = []struct {
	name   string
	open   func(dir string) (backend.Backend, error)
	reopen bool
}{
	{"memory", func(string) (backend.Backend, error) { return memory.New(memory.Options{}), nil }, false},
	{"four methods", func(string) (backend.Backend, error) {
		return struct{ backend.Backend }{memory.New(memory.Options{})}, nil
	}, false},
}

func serve(string) (backend.Backend, error) { return memory.New(memory.Options{}), nil }
