// SPDX-License-Identifier: Apache-2.0

// Package pgserver is for tests. It starts servers of PostgreSQL, where that is installed.
package pgserver

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Server is a PostgreSQL server of the tests' own, on a Unix socket in a directory of its own.
type Server struct {
	Dir     string
	Socket  string // the directory of its socket
	command *exec.Cmd
	ended   chan struct{}
	output  Output
}

// An Output keeps what a process prints.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Output) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written.
func (b *Output) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Program returns the path of a program of PostgreSQL, or an error that says what to install.
func Program(name string) (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for i := len(dirs) - 1; i >= 0; i-- {
		if path := filepath.Join(dirs[i], name); exec.Command("test", "-x", path).Run() == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("PostgreSQL is not installed: %w", err)
	}
	return path, nil
}

// Owner returns the user that runs servers; 0, 0 is the user of the tests. A server does not run as root.
func Owner() (uid, gid uint32, err error) {
	if os.Getuid() != 0 {
		return 0, 0, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return 0, 0, err
	}
	id, err1 := strconv.ParseUint(u.Uid, 10, 32)
	group, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(id), uint32(group), errors.Join(err1, err2)
}

// Run runs a program of PostgreSQL as the owner of servers.
func Run(name string, args ...string) error {
	path, err := Program(name)
	if err != nil {
		return err
	}
	uid, gid, err := Owner()
	if err != nil {
		return err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.SysProcAttr = "/", Attributes(uid, gid)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// NewDir makes a directory for servers, with a short name, since sockets are in it.
func NewDir() (string, error) {
	dir, err := os.MkdirTemp(os.Getenv("IGNITER_POSTGRES_DIR"), "ig-pg")
	if err != nil {
		return "", err
	}
	uid, gid, err := Owner()
	if err == nil && uid != 0 {
		err = os.Chown(dir, int(uid), int(gid))
	}
	return dir, err
}

// New starts the server of a cluster, with settings such as "max_connections=20". All servers that one process makes with
// New have the same system identifier: New copies a template, which takes a tenth of the time of NewCluster.
func New(settings ...string) (*Server, error) {
	from, err := template()
	if err != nil {
		return nil, err
	}
	return begin(settings, func(data string) error {
		if out, err := exec.Command("cp", "-a", from, data).CombinedOutput(); err != nil {
			return fmt.Errorf("copy %s: %w: %s", from, err, out)
		}
		return nil
	})
}

// NewCluster starts the server of a cluster with a system identifier of its own.
func NewCluster(settings ...string) (*Server, error) { return begin(settings, initdb) }

func begin(settings []string, fill func(data string) error) (*Server, error) {
	if runtime.GOOS == "windows" {
		return nil, errors.New("the tests start no server on Windows")
	}
	dir, err := NewDir()
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir, Socket: dir}
	if err = fill(s.Data()); err == nil {
		err = s.Start(settings...)
	}
	if err != nil {
		s.Remove()
		return nil, err
	}
	return s, nil
}

func initdb(data string) error {
	return Run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8")
}

// template is the directory of a new cluster, which New copies.
var template = sync.OnceValues(func() (string, error) {
	if runtime.GOOS == "windows" {
		return "", errors.New("the tests start no server on Windows")
	}
	dir, err := NewDir()
	if err != nil {
		return "", err
	}
	templateDir = dir
	data := filepath.Join(dir, "data")
	return data, initdb(data)
})

var templateDir string

// Clean removes the template of servers. Call it when the tests have ended.
func Clean() {
	if templateDir != "" {
		_ = os.RemoveAll(templateDir)
	}
}

// Data returns the directory of the server's data.
func (s *Server) Data() string { return filepath.Join(s.Dir, "data") }

// Address returns the address of a database for a user.
func (s *Server) Address(user, database string) string {
	return fmt.Sprintf("host=%s port=5432 user=%s dbname=%s", s.Socket, user, database)
}

// Start starts the server, and waits until it answers. A server that was killed may leave processes that end a little later.
func (s *Server) Start(settings ...string) error {
	path, err := Program("postgres")
	if err != nil {
		return err
	}
	uid, gid, err := Owner()
	if err != nil {
		return err
	}
	settings = append([]string{
		"listen_addresses=", "unix_socket_directories=" + s.Socket, "port=5432", "max_connections=60", "shared_buffers=16MB", "max_wal_size=256MB", "checkpoint_timeout=1h", "autovacuum=off", "log_min_messages=fatal",
		"fsync=" + cmp.Or(os.Getenv("IGNITER_POSTGRES_FSYNC"), "off"), "dynamic_shared_memory_type=mmap", "lc_messages=C",
	}, settings...)
	args := []string{"-D", s.Data()}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	for {
		s.command = exec.Command(path, args...)
		s.command.Dir, s.command.SysProcAttr = "/", Attributes(uid, gid)
		s.command.Stdout, s.command.Stderr = &s.output, &s.output
		ended, err := Spawn(s.command)
		if err != nil {
			return err
		}
		s.ended = ended
		for {
			if pid, _ := os.ReadFile(filepath.Join(s.Data(), "postmaster.pid")); s.isReady(string(pid)) {
				return nil
			}
			select {
			case <-ended:
				if strings.Contains(s.output.String(), "still in use") || strings.Contains(s.output.String(), "lock file") {
					s.output = Output{}
					break
				}
				return fmt.Errorf("the server ended: %s", s.output.String())
			case <-time.After(2 * time.Millisecond):
				continue
			}
			break
		}
	}
}

// isReady reports whether the server that was started has written into its file that it takes connections.
func (s *Server) isReady(file string) bool {
	lines := strings.Split(file, "\n")
	return len(lines) > 7 && lines[0] == strconv.Itoa(s.command.Process.Pid) && strings.TrimSpace(lines[7]) == "ready"
}

// Spawn starts a process that ends with the tests, and returns a channel that is closed once it has ended. The thread that
// starts it must not end before it.
func Spawn(cmd *exec.Cmd) (ended chan struct{}, err error) {
	ended = make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		failed <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(ended)
	}()
	return ended, <-failed
}

// Stop ends the server by a signal: SIGINT shuts it down in order, SIGQUIT ends it as a crash does, SIGKILL at once.
func (s *Server) Stop(signal syscall.Signal) {
	_ = s.command.Process.Signal(signal)
	<-s.ended
}

// Remove ends the server and removes its directory.
func (s *Server) Remove() {
	if s.command != nil && s.command.Process != nil {
		s.Stop(syscall.SIGQUIT)
	}
	_ = os.RemoveAll(s.Dir)
}
