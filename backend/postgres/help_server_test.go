package postgres

import (
	"bytes"
	"context"
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
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// A server is a PostgreSQL server of the tests' own, on a Unix socket in a directory of its own.
type server struct {
	dir     string
	socket  string // the directory of its socket
	command *exec.Cmd
	ended   chan struct{}
	output  lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// program returns the path of a program of PostgreSQL, or an error that says what to install.
func program(name string) (string, error) {
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

// owner returns the user who runs servers: 0, 0 for the one who runs the tests. A server does not run as root.
func owner() (uid, gid uint32, err error) {
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

// run runs a program of PostgreSQL as the owner of servers.
func run(name string, args ...string) error {
	path, err := program(name)
	if err != nil {
		return err
	}
	uid, gid, err := owner()
	if err != nil {
		return err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.SysProcAttr = "/", attributes(uid, gid)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// newDir makes a directory for servers, with a short name, since sockets are in it.
func newDir() (string, error) {
	dir, err := os.MkdirTemp(os.Getenv("IGNITER_POSTGRES_DIR"), "ig-pg")
	if err != nil {
		return "", err
	}
	uid, gid, err := owner()
	if err == nil && uid != 0 {
		err = os.Chown(dir, int(uid), int(gid))
	}
	return dir, err
}

// newServer makes a cluster and starts its server, with settings such as "max_connections=20".
func newServer(settings ...string) (*server, error) {
	if runtime.GOOS == "windows" {
		return nil, errors.New("the tests start no server on Windows")
	}
	dir, err := newDir()
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, socket: dir}
	err = run("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-N", "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8")
	if err == nil {
		err = s.start(settings...)
	}
	if err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// address returns the address of a database for a user.
func (s *server) address(user, database string) string {
	return fmt.Sprintf("host=%s port=5432 user=%s dbname=%s", s.socket, user, database)
}

// start starts the server, and waits until it answers. A server that was killed may leave processes that end a little later.
func (s *server) start(settings ...string) error {
	path, err := program("postgres")
	if err != nil {
		return err
	}
	uid, gid, err := owner()
	if err != nil {
		return err
	}
	settings = append([]string{
		"listen_addresses=", "unix_socket_directories=" + s.socket, "port=5432", "max_connections=60", "shared_buffers=16MB", "max_wal_size=256MB", "checkpoint_timeout=1h", "autovacuum=off", "log_min_messages=fatal",
		"fsync=" + os.Getenv("IGNITER_POSTGRES_FSYNC"), "dynamic_shared_memory_type=mmap", "lc_messages=C",
	}, settings...)
	args := []string{"-D", s.data()}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	for {
		s.command = exec.Command(path, args...)
		s.command.Dir, s.command.SysProcAttr = "/", attributes(uid, gid)
		s.command.Stdout, s.command.Stderr = &s.output, &s.output
		ended, err := spawn(s.command)
		if err != nil {
			return err
		}
		s.ended = ended
		for {
			conn, err := pgx.Connect(context.Background(), s.address("postgres", "postgres"))
			if err == nil {
				return conn.Close(context.Background())
			}
			select {
			case <-ended:
				if strings.Contains(s.output.String(), "still in use") || strings.Contains(s.output.String(), "lock file") {
					s.output = lockedBuffer{}
					break
				}
				return fmt.Errorf("the server ended: %s", s.output.String())
			case <-time.After(2 * minWait):
				continue
			}
			break
		}
	}
}

// spawn starts a process that ends with the tests, and returns a channel that is closed once it has ended. The thread that starts it must
// not end before it.
func spawn(cmd *exec.Cmd) (ended chan struct{}, err error) {
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

// stop ends the server: SIGINT in order, SIGQUIT as in a crash, SIGKILL without a chance.
func (s *server) stop(signal syscall.Signal) {
	_ = s.command.Process.Signal(signal)
	<-s.ended
}

func (s *server) remove() {
	if s.command != nil && s.command.Process != nil {
		s.stop(syscall.SIGQUIT)
	}
	_ = os.RemoveAll(s.dir)
}

// shared is the server of most tests; the processes that tests start use it too.
var shared struct {
	address string
	missing error // why there is none
}

const sharedAddress = "IGNITER_POSTGRES_ADDRESS"

// address returns the shared server's database, or skips the test if PostgreSQL is not installed.
func address(t testing.TB) string {
	t.Helper()
	if shared.missing != nil {
		t.Skipf("no server: %v", shared.missing)
	}
	return shared.address
}

// start returns a server that the test alone has.
func start(t testing.TB, settings ...string) *server {
	t.Helper()
	address(t)
	s, err := newServer(settings...)
	require.NoError(t, err)
	t.Cleanup(s.remove)
	return s
}

// connect returns a connection of the test's own.
func connect(t testing.TB, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec1(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func one[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&v))
	return v
}
