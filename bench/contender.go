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
	// append keeps count records from the given number on, as one batch. g is the number of the calling goroutine;
	// contenders over a network give each goroutine its own connection.
	append(g, from, count int) error

	close() error
}

// A scanner is a store that can be read back.
type scanner interface {
	// scan reads all records that were kept, in order, and returns how many. It looks at each one's first byte.
	scan() (int, error)
}

// A piper is a store that sends records without waiting for earlier answers.
type piper interface {
	// pipe keeps single records, with up to window of them in flight, until next ends.
	pipe(window int, next func() (n int, ok bool)) error
}

// A follower is a store whose records reach subscribers.
type follower interface {
	// follow subscribes over its own connection, and calls got with the number of records received so far, until the
	// store is closed. It returns once the subscription exists.
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

// servers are the servers that this program can run in a child process, by name. Each prints its address with ready,
// and serves dir until its standard input ends.
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

// untilParentEnds returns once the parent process has ended or closed this process's input.
func untilParentEnds() { _, _ = io.Copy(io.Discard, os.Stdin) }

// A child is a server's process.
type child struct {
	address string
	cmd     *exec.Cmd
	in      io.Closer
}

// serve starts a server of this program in a child process.
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

// closeAll calls the functions that are not nil.
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
