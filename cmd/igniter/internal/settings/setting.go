// SPDX-License-Identifier: Apache-2.0

// Package settings has the settings of the igniter command, and reads them from flags, variables and a file.
package settings

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
)

// A Setting is one setting. Its name in a file is Key, where a dot means nesting. Key also determines the flag and the
// variable: tls.client_ca is --tls-client-ca and IGNITER_TLS_CLIENT_CA.
type Setting struct {
	Key     string
	Type    Type
	Default string
	Usage   string
	Secret  bool     // shown masked
	Max     int      // of a Size; 0: no limit
	Of      []string // the backends that use it; nil: it does not depend on the backend
}

// A Type is the type of a setting's values. Help shows it.
type Type string

// The types.
const (
	Text     Type = "string"      // a string
	Bool     Type = "bool"        // a bool
	Number   Type = "int"         // an int
	Size     Type = "size"        // an int, written as 1048576 or 1MiB
	Duration Type = "duration"    // a time.Duration
	List     Type = "stringSlice" // a []string; a comma separates its items
)

// Flag returns the name of the setting's flag, without dashes.
func (s Setting) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key) }

// Variable returns the name of the setting's environment variable.
func (s Setting) Variable() string {
	return prefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

const (
	prefix     = "IGNITER_" // of all variables
	configFlag = "config"
)

// Add defines the flags of some settings, and --config.
func Add(flags *pflag.FlagSet, settings ...Setting) {
	if flags.Lookup(configFlag) == nil {
		flags.String(configFlag, "", "YAML file with the settings that neither flags nor variables give")
	}
	for _, s := range settings {
		if f := flags.VarPF(&flagValue{Setting: s}, s.Flag(), "", s.Usage); s.Type == Bool {
			f.NoOptDefVal = "true"
		}
	}
}

// A flagValue implements pflag.Value. It keeps the flag's text, which Load parses like the text of variables and files.
type flagValue struct {
	Setting
	given any // a text or, of a List, a []any of texts
}

func (f *flagValue) String() string   { return f.Default }
func (f *flagValue) Type() string     { return string(f.Setting.Type) }
func (f *flagValue) IsBoolFlag() bool { return f.Setting.Type == Bool }

func (f *flagValue) Set(text string) error {
	if before, _ := f.given.([]any); f.Setting.Type == List {
		f.given = append(before, text)
	} else {
		f.given = text
	}
	return nil
}

// forms describes how values of a type are written.
var forms = map[Type]string{
	Bool: "true or false", Number: "a whole number", Duration: "a duration such as 500ms or 2m", Size: "a size such as 1048576 or 16MiB",
}

// parse returns a value in the setting's type, from a text, a scalar of a YAML file, or a list of those. It rejects
// addresses with a user, since they may hold a password and would be shown.
func (s Setting) parse(value any) (v any, err error) {
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	} else if s.Type != List {
		return nil, errors.New("it must be one value, not a list")
	}
	text, texts := fmt.Sprint(value), []string{}
	for _, item := range list {
		for part := range strings.SplitSeq(fmt.Sprint(item), ",") {
			if part = strings.TrimSpace(part); part != "" {
				texts = append(texts, part)
			}
		}
	}
	switch s.Type {
	case Text:
		if _, ok := value.(string); !ok { // 0660 has become 432
			return nil, errors.New("it must be a string: put it in quotes")
		}
		v = text
	case List:
		v = texts
	case Bool:
		v, err = strconv.ParseBool(text)
	case Number:
		v, err = strconv.Atoi(text)
	case Duration:
		v, err = time.ParseDuration(text)
	case Size:
		n, malformed := humanize.ParseBytes(text)
		if v, err = int(n), malformed; n > math.MaxInt {
			err = strconv.ErrRange
		} else if s.Max > 0 && n > uint64(s.Max) {
			return nil, fmt.Errorf("%s is above %s", humanize.IBytes(n), humanize.IBytes(uint64(s.Max)))
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is not %s", text, forms[s.Type])
	case forms[s.Type] != "" && strings.HasPrefix(text, "-"):
		return nil, fmt.Errorf("%s is below 0", text)
	case slices.ContainsFunc(append(texts, text), withUser.MatchString):
		return nil, errors.New("an address must not contain user@: clients show a token (--token-file, IGNITER_TOKEN)")
	}
	return v, nil
}

var withUser = regexp.MustCompile(`^[a-z]+://[^/]*@`)
