// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A store is a contender that keeps records in order. Append may be called concurrently.
type store interface {
	// append keeps records, count of them from the given number, as one batch. Goroutine g calls; contenders over a
	// network give each a connection of its own.
	append(g, from, count int) error

	close() error
}

// A scanner is a store that is read back.
type scanner interface {
	// scan reads all records that were kept, in order, and returns how many. It looks at each one's first byte.
	scan() (int, error)
}

// A piper is a store that keeps records without waiting for one before it sends the next.
type piper interface {
	// pipe keeps single records, with up to window of them on their way, until next ends.
	pipe(window int, next func() (n int, ok bool)) error
}

// A follower is a store whose records reach subscribers.
type follower interface {
	// follow subscribes, over a connection of its own, and calls got with how many records have come, until the store is
	// closed. It returns once the subscription is made.
	follow(got func(records int)) error
}

var errRecord = errors.New("a record came back that is none")

// looked returns an error if raw can't be a record.
func looked(raw []byte) error {
	if len(raw) == 0 || raw[0] != '{' {
		return errRecord
	}
	return nil
}

// servers are what a process of this program can be for another one, by name: each serves dir until its standard input
// ends, after it has printed its address with ready.
var servers = map[string]func(dir string, ready func(address string)) error{}

// serveEnv makes a process a server.
const serveEnv = "IGNITER_BENCH_SERVE"

// beServer serves if the environment asks for it, and reports whether it did.
func beServer() bool {
	name, dir, ok := strings.Cut(os.Getenv(serveEnv), " ")
	if !ok {
		return false
	}
	err := servers[name](dir, func(address string) { fmt.Println(address) })
	if err != nil {
		fmt.Fprintln(os.Stderr, name, err)
		os.Exit(1)
	}
	return true
}

// untilParentEnds returns once the process that started this one has ended, or has no more use for it.
func untilParentEnds() { _, _ = io.Copy(io.Discard, os.Stdin) }

// A child is a server's process.
type child struct {
	address string
	cmd     *exec.Cmd
	in      io.Closer
}

// serve starts a server of this program in a process of its own.
func serve(name, dir string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), serveEnv+"="+name+" "+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, in: in}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("server %q did not start: %w", name, err), c.close())
	}
	c.address = strings.TrimSpace(line)
	return c, nil
}

// close stops the server and waits for its end.
func (c *child) close() error {
	_ = c.in.Close()
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		_ = c.cmd.Process.Kill()
		return errors.Join(errors.New("the server did not stop within a minute"), <-done)
	}
}

// freePort returns a port of loopback that is free now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// closeAll closes what is not nil.
func closeAll(closers ...func() error) error {
	errs := make([]error, 0, len(closers))
	for _, c := range closers {
		if c != nil {
			errs = append(errs, c())
		}
	}
	return errors.Join(errs...)
}

func inDir(dir, name string) string { return filepath.Join(dir, name) }
