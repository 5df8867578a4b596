// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
)

// A rawFile is the limit: records written to a file, with an fdatasync after each write or without. It is not a log;
// group writers share each write.
type rawFile struct {
	file    *os.File
	durable bool
	group   int   // records in a write, as if that many writers shared it
	size    int64 // where it begins again
	mu      sync.Mutex
	at      int64
	buf     []byte
}

// rawSize is the size of the file. It is filled with zeros first, and then written to repeatedly, since a sync is
// faster than in a file that grows.
const rawSize = 64 << 20

// openRaw returns a function that opens such a file.
func openRaw(durable bool, group int) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		f, err := os.Create(inDir(dir, "raw"))
		if err != nil {
			return nil, err
		}
		zeros := make([]byte, 1<<20)
		for at := int64(0); at < rawSize; at += int64(len(zeros)) {
			if _, err := f.WriteAt(zeros, at); err != nil {
				return nil, err
			}
		}
		return &rawFile{file: f, durable: durable, group: group, size: rawSize}, f.Sync()
	}
}

// openPlain opens a file that grows.
func openPlain(dir string) (store, error) {
	f, err := os.OpenFile(inDir(dir, "plain"), os.O_RDWR|os.O_CREATE, 0o600)
	return &rawFile{file: f, group: 1, size: math.MaxInt64}, err
}

func (r *rawFile) append(_, from, count int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf = r.buf[:0]
	for i := range count * r.group {
		r.buf = append(r.buf, raw(from+i)...)
	}
	if r.at+int64(len(r.buf)) > r.size {
		r.at = 0
	}
	if _, err := r.file.WriteAt(r.buf, r.at); err != nil {
		return err
	}
	r.at += int64(len(r.buf))
	if r.durable {
		return syscall.Fdatasync(int(r.file.Fd()))
	}
	return nil
}

// scan reads the file as it lies, in blocks of 256 KiB.
func (r *rawFile) scan() (int, error) {
	buf := make([]byte, 256<<10/recordSize*recordSize)
	n := 0
	for at := int64(0); ; at += int64(len(buf)) {
		read, err := r.file.ReadAt(buf, at)
		for i := 0; i+recordSize <= read; i += recordSize {
			if buf[i] == '{' {
				n++
			}
		}
		if err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}

func (r *rawFile) close() error { return r.file.Close() }

func init() {
	servers["echo"] = func(_ string, ready func(string)) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		ready(l.Addr().String())
		go func() {
			untilParentEnds()
			_ = l.Close()
		}()
		for {
			c, err := l.Accept()
			if err != nil {
				return nil // its end
			}
			go func() {
				_, _ = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 64<<10))
				_ = c.Close()
			}()
		}
	}
}

// An echo is the limit of a network: records go to another process, which sends them back and keeps nothing.
type echo struct {
	server *child
	conns  []net.Conn
}

func dialEcho(connections int) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		s, err := serve("echo", dir)
		if err != nil {
			return nil, err
		}
		e := &echo{server: s}
		for range connections {
			c, err := net.Dial("tcp", s.address)
			if err != nil {
				return nil, closeAll(func() error { return err }, e.close)
			}
			e.conns = append(e.conns, c)
		}
		return e, nil
	}
}

func (e *echo) append(g, from, count int) error {
	buf := make([]byte, 0, recordSize*count)
	for i := range count {
		buf = append(buf, raw(from+i)...)
	}
	if _, err := e.conns[g].Write(buf); err != nil {
		return err
	}
	_, err := io.ReadFull(e.conns[g], buf)
	return err
}

// pipe writes 16 KiB at a time.
func (e *echo) pipe(window int, next func() (int, bool)) error {
	room := make(chan struct{}, window)
	failed := make(chan error, 1)
	counts := make(chan int, window)
	go func() {
		buf := make([]byte, 64<<10)
		for n := range counts {
			for want := n * recordSize; want > 0; {
				read, err := e.conns[0].Read(buf[:min(want, len(buf))])
				if err != nil {
					failed <- err
					return
				}
				want -= read
			}
			for range n {
				<-room
			}
		}
		failed <- nil
	}()
	var buf []byte
	some := min(38, window) // some 16 KiB
	for more := true; more; {
		buf = buf[:0]
		for range some {
			n, ok := next()
			if more = ok; !ok {
				break
			}
			room <- struct{}{}
			buf = append(buf, raw(n)...)
		}
		if _, err := e.conns[0].Write(buf); err != nil {
			return err
		}
		counts <- len(buf) / recordSize
	}
	close(counts)
	return <-failed
}

func (e *echo) close() error {
	for _, c := range e.conns {
		_ = c.Close()
	}
	return e.server.close()
}
