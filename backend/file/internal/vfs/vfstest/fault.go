// SPDX-License-Identifier: Apache-2.0

package vfstest

import (
	"io/fs"
	"iter"
	"math/rand/v2"
	"strings"
	"syscall"
)

// A Kind is a kind of failure.
type Kind int

// A failed Sync behaves as on Linux: the changes stay readable, and no later Sync makes them durable.
const (
	NotDone Kind = iota // nothing happens
	Done                // the operation happens, but reports an error
	Short               // N bytes of a write happen, and nothing of any other operation
)

// A Fault says how an operation fails.
type Fault struct {
	Kind Kind
	N    int
	Err  error // nil means syscall.ENOSPC for Short, and syscall.EIO otherwise
}

func (f *Fault) error() error {
	switch {
	case f.Err != nil:
		return f.Err
	case f.Kind == Short:
		return syscall.ENOSPC
	}
	return syscall.EIO
}

// A Hook returns the fault of an operation, or nil; n is the number of the step. The disk is not locked during the call, so
// that a Hook may block or use the disk. A Hook must be safe for concurrent use if the disk is used concurrently.
type Hook func(op, name string, n int) *Fault

func (h Hook) ask(op, name string, n int) func() *Fault {
	return func() *Fault {
		if h == nil {
			return nil
		}
		return h(op, name, n)
	}
}

// An op is a step, or a read, which does not count as a step.
type op struct {
	name, file, args string
	read             bool

	do     func() error
	failed func(*Fault) // the effect of the operation with a fault other than Done; may be nil
	torn   func()       // the partial effect of the operation in a crash; may be nil
}

func (d *Disk) run(o op) error {
	ask, err := d.begin(o)
	if err != nil {
		return err
	}
	f := ask()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.dead:
		return ErrCrashed
	case f == nil:
		return o.wrap(o.do())
	case f.Kind == Done:
		if err := o.do(); err != nil {
			return o.wrap(err)
		}
	case o.failed != nil:
		o.failed(f)
	}
	return o.wrap(f.error())
}

func (o op) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: o.name, Path: o.file, Err: err}
}

// begin counts and records a step, and crashes at step CrashAt. It returns a function that gets the step's fault; call this
// with the disk unlocked.
func (d *Disk) begin(o op) (func() *Fault, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	file := clean(o.file)
	switch {
	case d.dead:
		return nil, ErrCrashed
	case o.read:
		return d.ReadFault.ask(o.name, file, 0), nil
	}
	d.log = append(d.log, strings.TrimSpace(o.name+" "+file+" "+o.args))
	if len(d.log) == d.CrashAt {
		if o.torn != nil {
			o.torn()
		}
		d.dead = true
		return nil, ErrCrashed
	}
	return d.Fault.ask(o.name, file, len(d.log)), nil
}

// sectors splits a write at the borders of sectors.
func sectors(off int64, p []byte) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		for len(p) > 0 {
			n := min(len(p), sectorSize-int(off%sectorSize))
			if !yield(off, p[:n]) {
				return
			}
			off, p = off+int64(n), p[n:]
		}
	}
}

// tornAt returns the number of bytes of a write that are written when the disk crashes at it: none, some sectors or all.
func (d *Disk) tornAt(off int64, p []byte) int {
	ends := []int{0}
	for _, sector := range sectors(off, p) {
		ends = append(ends, ends[len(ends)-1]+len(sector))
	}
	return ends[rand.New(rand.NewPCG(d.CrashSeed, uint64(d.CrashAt))).IntN(len(ends))]
}
