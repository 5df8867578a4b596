// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"igniter": func() { os.Exit(Main()) }})
}

// TestScripts runs the command in a shell. Each script in testdata/script is a test.
func TestScripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the scripts need a shell and signals")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			repository, err := filepath.Abs(filepath.Join("..", ".."))
			e.Setenv("REPOSITORY", repository)
			e.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise each process under the race detector ends a second late
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await": await, "exits": exits, "setfrom": setFrom, "damage": damage, "fetch": fetch, "exposed": exposed,
			"certificates": certificates, "systemd": systemd, "hostile": hostile, "postgres": postgres,
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "mounts":
			case "postgres":
				return hasPostgres(), nil
			default:
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return os.Getuid() == 0 && exec.Command("unshare", "-m", "true").Run() == nil, nil
		},
	})
}

// patience is how long a test waits for a condition. It is not a limit for how fast things must be.
const patience = time.Minute

// await FILE [TEXT]... waits until a file exists and holds all the texts.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: await FILE [TEXT]...")
	}
	path := ts.MkAbs(args[0])
	deadline := time.Now().Add(patience)
	for {
		text, err := os.ReadFile(path)
		has := err == nil
		for _, want := range args[1:] {
			has = has && strings.Contains(string(text), want)
		}
		if has {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("await %v: %v, holds %s", args, err, text)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// exits CODE COMMAND... runs a command that must end with an exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	script := `"$@"; code=$?; [ $code = ` + args[0] + ` ] || { echo "exit code $code" >&2; exit 1; }`
	ts.Check(ts.Exec("sh", append([]string{"-c", script, "sh"}, args[1:]...)...))
}

// setfrom NAME FILE [PREFIX] sets a variable to the first word of a file or, once PREFIX is in the file, to the word after
// PREFIX. A word ends at white space or a quote.
func setFrom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: setfrom NAME FILE [PREFIX]")
	}
	if len(args) > 2 {
		await(ts, false, args[1:])
	}
	text := ts.ReadFile(args[1])
	if len(args) > 2 {
		_, text, _ = strings.Cut(text, args[2])
	}
	text = strings.TrimLeft(text, " ")
	if i := strings.IndexAny(text, "\" \t\r\n"); i >= 0 {
		text = text[:i]
	}
	ts.Setenv(args[0], text)
}

// damage FILE TEXT changes the first byte of a text in a file.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: damage FILE TEXT")
	}
	path := ts.MkAbs(args[0])
	text := []byte(ts.ReadFile(path))
	i := strings.Index(string(text), args[1])
	if i < 0 {
		ts.Fatalf("damage: %s does not hold %q", args[0], args[1])
	}
	text[i] ^= 0x20
	ts.Check(os.WriteFile(path, text, 0o644))
}
