// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// postgresProgram returns the path of a program of PostgreSQL; "": it is not installed.
func postgresProgram(name string) string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for i := len(dirs) - 1; i >= 0; i-- {
		if path, err := exec.LookPath(filepath.Join(dirs[i], name)); err == nil {
			return path
		}
	}
	path, _ := exec.LookPath(name)
	return path
}

// hasPostgres reports whether a PostgreSQL server can be started here, which it refuses to root.
func hasPostgres() bool {
	if postgresProgram("initdb") == "" || postgresProgram("pg_ctl") == "" {
		return false
	}
	return os.Getuid() != 0 || exec.Command("runuser", "-u", "postgres", "--", "true").Run() == nil
}

// postgres NAME starts a PostgreSQL server of the script's own, and sets NAME to its address.
func postgres(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: postgres NAME")
	}
	dir, err := os.MkdirTemp("", "ig-pg") // a short name, since the socket is in it
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	ts.Check(os.Chmod(dir, 0o777))
	run := func(name string, args ...string) error {
		line := append([]string{postgresProgram(name)}, args...)
		if os.Getuid() == 0 {
			line = append([]string{"runuser", "-u", "postgres", "--"}, line...)
		}
		cmd := exec.Command(line[0], line[1:]...)
		cmd.Dir, cmd.Env = "/", append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
		log, err := os.CreateTemp("", "ig-pg-log") // a pipe would stay open in the server
		if err != nil {
			return err
		}
		defer os.Remove(log.Name())
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("%s: %w: %s", name, err, text)
		}
		return nil
	}
	data := filepath.Join(dir, "data")
	ts.Check(run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8"))
	settings := []string{"listen_addresses=", "unix_socket_directories=" + dir, "fsync=off", "shared_buffers=16MB", "dynamic_shared_memory_type=mmap", "autovacuum=off"}
	ts.Check(run("pg_ctl", "-D", data, "-w", "-t", "300", "-l", filepath.Join(dir, "log"), "-o", "-c "+strings.Join(settings, " -c "), "start"))
	ts.Defer(func() { _ = run("pg_ctl", "-D", data, "-m", "immediate", "stop") })
	ts.Setenv(args[0], "postgres:///postgres?user=postgres&host="+dir)
}
