// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/model"
	"github.com/igniter-store/igniter/store"
)

// TestModel runs the model over the backends that have no server of another system.
func TestModel(t *testing.T) {
	t.Cleanup(store.SetMinSurplus(4))
	model.Run(t, 1,
		model.Backend{Name: "memory", Place: newMemoryPlace, Volatile: true},
		model.Backend{Name: "file, always", Place: filePlaceOf(file.SyncAlways)},
		model.Backend{Name: "file, interval", Place: filePlaceOf(file.SyncInterval)},
		model.Backend{Name: "file, never", Place: filePlaceOf(file.SyncNever)},
		model.Backend{Name: "network over memory", Place: newMemoryPlace, Served: true, Volatile: true},
		model.Backend{Name: "network over file", Place: filePlaceOf(file.SyncNever), Served: true},
		model.Backend{Name: "four methods", Place: filePlaceOf(file.SyncNever), Four: true},
	)
}

// A memoryPlace has a log in memory, which stays open until it is removed.
type memoryPlace struct {
	now func() time.Time
	log *memory.Log
}

func newMemoryPlace(string) model.Place { return new(memoryPlace) }

func (p *memoryPlace) Open(_ context.Context, now func() time.Time) (backend.Log, error) {
	if p.log == nil {
		p.now, p.log = now, memory.New(memory.Options{Now: now})
	}
	return p.log, nil
}

func (p *memoryPlace) Close(backend.Log) error { return nil }
func (p *memoryPlace) Remove() error           { return p.log.Close() }

func (p *memoryPlace) Restore(ctx context.Context, _ backend.Stats, pages iter.Seq2[backend.Page, error], _ uint64) error {
	next := memory.New(memory.Options{Now: p.now})
	for f, err := range backend.Facts(pages) {
		if err != nil {
			return err
		}
		if written, err := next.WriteFact(ctx, f); err != nil || written.Seq != f.Seq {
			return errors.Join(err, errors.New("it is not as it was"))
		}
	}
	old := p.log
	p.log = next
	return old.Close()
}

// A filePlace has a log in a directory, and another one once it is restored.
type filePlace struct {
	opts file.Options
	dir  string
	made int
}

func filePlaceOf(sync file.Sync) func(dir string) model.Place {
	return func(dir string) model.Place {
		p := &filePlace{opts: file.Options{Sync: sync, SegmentSize: 4 << 10}, dir: dir}
		p.next()
		return p
	}
}

func (p *filePlace) next() {
	p.opts.Path = filepath.Join(p.dir, "log"+strconv.Itoa(p.made))
	p.made++
}

func (p *filePlace) Open(ctx context.Context, now func() time.Time) (backend.Log, error) {
	p.opts.Now = now
	return file.Open(ctx, p.opts)
}

func (p *filePlace) Close(log backend.Log) error { return log.Close() }
func (p *filePlace) Remove() error               { return nil }

func (p *filePlace) Restore(ctx context.Context, source backend.Stats, pages iter.Seq2[backend.Page, error], _ uint64) error {
	p.next()
	_, err := file.Restore(ctx, p.opts, func(context.Context) (backend.Stats, error) { return source, nil }, pages)
	return err
}
