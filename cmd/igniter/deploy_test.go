// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
)

const deploy = "../../deploy"

// TestExampleConfig reads the example configuration as serve does.
func TestExampleConfig(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	settings.Add(flags, settings.All()...)
	require.NoError(t, flags.Parse([]string{"--config", filepath.Join(deploy, "igniter.yaml")}))
	v, err := settings.Load(flags, nil)
	require.NoError(t, err)
	require.Equal(t, "/var/lib/igniter/log", v.String("path"))
	require.Len(t, v.Strings("listen"), 2)
	require.Equal(t, 16<<20, v.Int("max_frame"))

	flags = pflag.NewFlagSet("", pflag.ContinueOnError)
	settings.Add(flags, settings.All()...)
	require.NoError(t, flags.Parse([]string{"--config", filepath.Join(deploy, "mirror.yaml")}))
	v, err = settings.Load(flags, nil)
	require.NoError(t, err)
	require.Equal(t, "db1:7400", v.String("from"))
	require.Equal(t, "/etc/igniter/standby.token", v.String("token_file"))
}

// TestInstallable requires that go install takes the command's module, which it does not if a module is replaced.
func TestInstallable(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	require.NotRegexp(t, `(?m)^(replace|exclude)\b`, string(text))
}

// TestDashboard requires that each panel of the dashboard asks for something, and that none lies over another.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "grafana.json"))
	require.NoError(t, err)
	type area struct{ X, Y, W, H int }
	var dashboard struct {
		Panels []struct {
			Title   string
			GridPos area
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	for i, p := range dashboard.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
		for _, q := range dashboard.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			require.False(t, a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H, "%s lies over %s", p.Title, q.Title)
		}
	}
}

// TestAlerts has Prometheus check and try the alerts, if it is installed.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (package prometheus)")
	}
	for _, args := range [][]string{{"check", "rules", filepath.Join(deploy, "alerts.yml")}, {"test", "rules", "testdata/alerts_test.yml"}} {
		out, err := exec.Command(promtool, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// TestUnit requires that the units have nothing that systemd 252, or the one that is installed, does not know.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "igniter.service"))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^Type=notify$`, string(text))
	require.Regexp(t, `(?m)^ExecReload=/bin/kill -HUP \$MAINPID$`, string(text))
	require.NotRegexp(t, `(?m)^(MemoryPressureWatch|RestartSteps|RestartMaxDelaySec|SurviveFinalKillSignal|ImportCredential|ReloadSignal)=`, string(text), "of systemd 253 and later")
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed (package systemd)")
	}
	dir := t.TempDir() // where the program of the units is one that exists
	require.NoError(t, os.CopyFS(dir, os.DirFS(deploy)))
	for _, name := range []string{"igniter.service", "igniter.service.d/mirror.conf"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), bytes.ReplaceAll(text, []byte("/usr/local/bin/igniter"), []byte("/bin/true")), 0o644))
	}
	verify := exec.Command(analyze, "verify", "--man=no", "igniter.service")
	verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":", "SYSTEMD_LOG_LEVEL=warning")
	verify.Dir = dir
	out, err := verify.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out), "what systemd does not know")
}

// exposed TOKEN URL... waits until servers that are asked for their metrics have all that the dashboard, the alerts and the pages
// for operators name.
func exposed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exposed TOKEN URL...")
	}
	wanted := map[string]bool{}
	for path, least := range map[string]int{deploy + "/grafana.json": 40, deploy + "/alerts.yml": 16, "../../docs/operating.md": 16, "../../docs/http.md": 1} {
		text, err := os.ReadFile(path)
		ts.Check(err)
		names := regexp.MustCompile(`\b(igniter|go|process)_[a-z_]+`).FindAllString(string(text), -1)
		if len(names) < least {
			ts.Fatalf("%s names %d metrics", path, len(names))
		}
		for _, name := range names {
			wanted[name] = true
		}
	}
	deadline := time.Now().Add(patience)
	for {
		for _, url := range args[1:] {
			_, body := request(ts, http.MethodGet, url, "Authorization: Bearer "+args[0])
			for name := range wanted {
				if regexp.MustCompile(`(?m)^(# TYPE )?` + name + `[{ ]`).Match(body) {
					delete(wanted, name)
				}
			}
		}
		if len(wanted) == 0 {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nothing has the metrics %v", slices.Sorted(maps.Keys(wanted)))
		}
	}
}
