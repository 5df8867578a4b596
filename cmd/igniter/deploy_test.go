// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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
}

// TestInstallable requires that go install takes the command's module, which it does not if a module is replaced.
func TestInstallable(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	require.NotRegexp(t, `(?m)^(replace|exclude)\b`, string(text))
}

// TestDashboard requires that the metrics of the dashboard and of the page for operators exist.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "grafana.json"))
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	used := 0
	for _, p := range dashboard.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			used += requireMetrics(t, target.Expr)
		}
	}
	require.Greater(t, used, 20)

	page, err := os.ReadFile("../../docs/operating.md")
	require.NoError(t, err)
	require.GreaterOrEqual(t, requireMetrics(t, string(page)), 7)
}

// TestAlerts has Prometheus check and try the alerts, if it is installed, and requires that their metrics exist.
func TestAlerts(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "alerts.yml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, requireMetrics(t, string(text)), 12)
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (package prometheus)")
	}
	for _, args := range [][]string{{"check", "rules", filepath.Join(deploy, "alerts.yml")}, {"test", "rules", "testdata/alerts_test.yml"}} {
		out, err := exec.Command(promtool, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// TestUnit requires that the unit has nothing that systemd 252 does not know.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "igniter.service"))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^Type=notify$`, string(text))
	require.Regexp(t, `(?m)^ExecReload=/bin/kill -HUP \$MAINPID$`, string(text))
	require.NotRegexp(t, `(?m)^(MemoryPressureWatch|RestartSteps|RestartMaxDelaySec|SurviveFinalKillSignal|ImportCredential|ReloadSignal)=`, string(text), "of systemd 253 and later")
}

// requireMetrics requires that the metrics in a text exist, and returns how many there are.
func requireMetrics(t *testing.T, text string) int {
	collector, err := os.ReadFile("internal/metrics/collector.go")
	require.NoError(t, err)
	process, err := os.ReadFile("serve_http.go")
	require.NoError(t, err)
	mirror, err := os.ReadFile("mirror.go")
	require.NoError(t, err)
	source := string(collector) + strings.ReplaceAll(string(process)+string(mirror), `Name: "igniter_`, `("`)
	names := regexp.MustCompile(`igniter_[a-z_]+`).FindAllString(text, -1)
	for _, name := range names {
		require.Contains(t, source, `("`+strings.TrimSuffix(strings.TrimPrefix(name, "igniter_"), "_bucket")+`", `)
	}
	return len(names)
}
