// SPDX-License-Identifier: Apache-2.0

package uitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store/reader"
)

// A site is a server with the facts of a shop, for a test to control.
type site struct {
	*testing.T
	log    backend.Log
	writer backend.Log // writes facts for scripts
	url    string
	tcp    string            // the address for the command
	tokens map[string]string // by name

	server *http.Server
	served sync.WaitGroup
	gates  sync.Map // by their address
}

// A gate is a listener whose connections a test cuts.
type gate struct {
	net.Listener
	mu     sync.Mutex
	closed bool
	open   map[net.Conn]bool
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.mu.Lock()
		shut := g.closed
		if !shut {
			g.open[c] = true
		}
		g.mu.Unlock()
		if !shut {
			return c, nil
		}
		_ = c.Close()
	}
}

// shut cuts all connections, and accepts no more until it is opened again.
func (g *gate) shut(closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = closed
	for c := range g.open {
		if closed {
			_ = c.Close()
			delete(g.open, c)
		}
	}
}

// newSite serves the facts of a shop, and more, to tokens: ops, an administrator; ana-ro, which reads four stores; and none, which
// reads a store that does not exist.
func newSite(t *testing.T, log backend.Log, orders int, memoryLimit int64, more ...backend.Fact) *site {
	s := &site{T: t, log: log, writer: log, tokens: map[string]string{}}
	write(t, s.log, newShop(time.Now()).fill(orders))
	for _, f := range more {
		write(t, s.log, []backend.Fact{f})
	}
	var entries []auth.TokenEntry
	for name, read := range map[string][]string{"ops": {"*"}, "ana-ro": {"orders", "users", "prices", "stock"}, "none": {"nothing"}} {
		token, entry := auth.NewToken(name)
		entry.Read = read
		if name == "ops" {
			entry.Write, entry.Admin = []string{"*"}, true
		}
		entries = append(entries, entry)
		s.tokens[name] = token
	}
	text, err := json.Marshal(entries)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	tokens, err := auth.LoadTokens(path)
	require.NoError(t, err)
	srv := server.New(s.log, server.Options{Tokens: tokens})
	read := reader.New(s.log, reader.Options{Memory: memoryLimit})
	h := web.New(web.Options{Heartbeat: time.Second, About: func() web.About {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return web.About{Version: "1.4.0", LogName: "shop", DiskFree: 75 << 30, Memory: web.Memory{Used: m.Sys}}
	}})
	h.Attach(srv, s.log, read)
	s.server = web.NewServer(h, nil, 0)
	s.url = s.newGate()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.tcp = l.Addr().String()
	s.served.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		require.NoError(t, s.server.Close())
		s.served.Wait()
		require.NoError(t, read.Close())
		require.NoError(t, s.log.Close())
	})
	return s
}

// newGate serves the site at another address, and returns it.
func (s *site) newGate() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s, err)
	url := "http://" + l.Addr().String()
	g := &gate{Listener: l, open: map[net.Conn]bool{}}
	s.gates.Store(url, g)
	s.served.Go(func() { _ = s.server.Serve(g) })
	return url
}

// control serves the requests of scripts: to write facts, to get a separate address, and to cut the connections to it.
func (s *site) control() string {
	var n atomic.Int64
	c := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/write":
			q := r.URL.Query()
			producer, _ := json.Marshal(q.Get("by"))
			f := backend.Fact{ID: fmt.Sprint("live-", n.Add(1)), Store: q.Get("store"), Key: q.Get("key"), Value: json.RawMessage(q.Get("value")), Producer: producer}
			if err := s.writer.Write(r.Context(), backend.Batch{Facts: []backend.Fact{f}})[0].Err; err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		case "/gate":
			_, _ = io.WriteString(w, s.newGate())
		case "/cut", "/mend":
			if g, ok := s.gates.Load(r.URL.Query().Get("site")); ok {
				g.(*gate).shut(r.URL.Path == "/cut")
			}
		}
	}))
	s.Cleanup(c.Close)
	return c.URL
}

// browser returns the path of a browser, or skips the test.
func browser(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no browser")
	}
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			if _, err := exec.LookPath("node"); err != nil {
				t.Skip("there is no node, which drives the browser: apt-get install nodejs npm")
			}
			if _, err := os.Stat("node_modules/playwright-core"); err != nil {
				t.Skip("there is no playwright-core: run npm ci in server/web/uitest")
			}
			return path
		}
	}
	t.Skip("there is no browser: apt-get install chromium-headless-shell")
	return ""
}

// script runs a script of this folder, and returns what it printed.
func (s *site) script(name string, more ...string) string {
	s.Helper()
	chromium := browser(s.T)
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Minute)
	defer cancel()
	tokens, err := json.Marshal(s.tokens)
	require.NoError(s, err)
	cmd := exec.CommandContext(ctx, "node", name)
	cmd.Env = append(append(os.Environ(), "CHROMIUM="+chromium, "SITE="+s.url, "CONTROL="+s.control(), "TOKENS="+string(tokens)), more...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	s.Log("\n" + out.String())
	require.NoError(s, err)
	return out.String()
}

// requireCommands requires that the commands that the inspector shows are valid.
func (s *site) requireCommands(out string) {
	dir := s.T.TempDir()
	build, err := exec.Command("go", "build", "-o", dir, "github.com/igniter-store/igniter/cmd/igniter").CombinedOutput()
	require.NoError(s, err, "%s", build)
	lines := regexp.MustCompile(`(?m)^command (igniter .*)$`).FindAllStringSubmatch(out, -1)
	require.Greater(s, len(lines), 10)
	for _, line := range lines {
		if strings.HasPrefix(line[1], "igniter follow") {
			line[1] += " --limit 1"
		}
		cmd := exec.CommandContext(s.Context(), "sh", "-c", line[1])
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "IGNITER_ADDRESS="+s.tcp, "IGNITER_TOKEN="+s.tokens["ops"])
		if text, err := cmd.CombinedOutput(); err != nil { // 1: nothing is there
			require.Equal(s, 1, cmd.ProcessState.ExitCode(), "%s: %s", line[1], text)
			require.Contains(s, string(text), "no facts", line[1])
		}
	}
}

// TestInspector opens every screen as a user does.
func TestInspector(t *testing.T) {
	browser(t)
	s := newSite(t, memory.New(memory.Options{}), 160, 0, hostile()...)
	s.requireCommands(s.script("inspector.mjs"))
}

func onDisk(t *testing.T) backend.Log {
	log, err := file.Open(t.Context(), file.Options{Path: t.TempDir(), Sync: file.SyncNever})
	require.NoError(t, err)
	return log
}

// TestMillion uses the inspector with a million facts.
func TestMillion(t *testing.T) {
	if os.Getenv("IGNITER_SOAK") == "" {
		t.Skip("set IGNITER_SOAK=1 to look at a million facts")
	}
	browser(t)
	newSite(t, onDisk(t), 110_000, 4<<30).script("million.mjs")
}

// TestScreenshots takes the screenshots of docs/img: see screenshots.sh.
func TestScreenshots(t *testing.T) {
	to := os.Getenv("SCREENSHOTS")
	if to == "" {
		t.Skip("set SCREENSHOTS to a directory to take screenshots")
	}
	browser(t)
	log, err := file.Open(t.Context(), file.Options{Path: t.TempDir()})
	require.NoError(t, err)
	s := newSite(t, log, 400, 0)
	app, err := network.Dial(t.Context(), network.Options{Address: s.tcp, Token: s.tokens["ops"]}) // so that the server has work to show
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	s.writer = app
	s.script("screenshots.mjs", "SCREENSHOTS="+to)
}
