// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// TestEverySetting gives each setting by a flag, by a variable and by a file, with the same result.
func TestEverySetting(t *testing.T) {
	for _, s := range All() {
		text, want := "text", any("text")
		switch s.Type {
		case Bool:
			text, want = "true", true
		case Number:
			text, want = "7", 7
		case Size:
			text, want = "2KiB", 2048
		case Duration:
			text, want = "1m30s", 90*time.Second
		case List:
			text, want = "a,b", []string{"a", "b"}
		}
		indent, lines := "", ""
		for name := range strings.SplitSeq(s.Key, ".") {
			lines += indent + name + ":"
			indent += "  "
			if strings.HasSuffix(s.Key, name) {
				lines += " " + text
			}
			lines += "\n"
		}
		if _, ok := want.([]string); ok {
			lines = s.Key + ": [a, b]\n"
		}
		path := filepath.Join(t.TempDir(), "c.yaml")
		require.NoError(t, os.WriteFile(path, []byte(lines), 0o600))
		for _, from := range []struct {
			place   string
			args    []string
			environ []string
		}{
			{"flag --" + s.Flag(), []string{"--" + s.Flag() + "=" + text}, nil},
			{"variable " + s.Variable(), nil, []string{s.Variable() + "=" + text}},
			{"file " + path, []string{"--config", path}, nil},
			{"file " + path, nil, []string{"IGNITER_CONFIG=" + path}},
		} {
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			Add(flags, All()...)
			require.NoError(t, flags.Parse(from.args))
			v, err := Load(flags, from.environ)
			require.NoError(t, err, "%s in %q", s.Key, lines)
			require.Equal(t, want, v.sources[s.Key].Value, "%s from %s", s.Key, from.place)
			require.Empty(t, v.Unknown())
			for _, source := range v.Sources() {
				if source.Key == s.Key {
					require.Equal(t, from.place, source.From)
				} else {
					require.Equal(t, "default", source.From, source.Key)
				}
			}
		}
	}
}

// TestNames requires that no two settings have the same flag or variable.
func TestNames(t *testing.T) {
	flags, variables := map[string]bool{}, map[string]bool{"IGNITER_CONFIG": true}
	for _, s := range All() {
		require.False(t, flags[s.Flag()] || variables[s.Variable()], s.Key)
		flags[s.Flag()], variables[s.Variable()] = true, true
		require.NotEmpty(t, s.Usage)
	}
}

// TestStrongest finds the settings that flags give, or else variables, or else the file; empty ones do not count.
func TestStrongest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte("backend: file\npath: log\n"), 0o600))
	for _, c := range []struct {
		args, environ, want []string
	}{
		{[]string{"--path=p"}, []string{"IGNITER_ADDRESS=a"}, []string{"path"}},
		{[]string{"--path=p", "--address=a"}, nil, []string{"path", "address"}},
		{[]string{"--path="}, []string{"IGNITER_ADDRESS=a"}, []string{"address"}},
		{nil, []string{"IGNITER_ADDRESS="}, []string{"backend", "path"}},
		{nil, []string{"IGNITER_BACKEND=", "IGNITER_PATH="}, []string{}},
	} {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		Add(flags, Where()...)
		require.NoError(t, flags.Parse(append(c.args, "--config", path)))
		v, err := Load(flags, c.environ)
		require.NoError(t, err)
		require.Equal(t, c.want, v.Strongest("backend", "path", "address"), "%v", c)
		require.Equal(t, c.args != nil, v.Given("path"))
	}
}
