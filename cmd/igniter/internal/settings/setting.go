// Package settings says what the igniter command can be told, and reads it from flags, variables and a file.
package settings

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
)

// A Size is a number of bytes, written as 1048576 or 1MiB.
type Size int

// A Setting is one thing that the command can be told. Its name in a file is Key, where dots nest; the flag and
// the variable follow from it: tls.client_ca is --tls-client-ca and IGNITER_TLS_CLIENT_CA.
type Setting struct {
	Key     string
	Default any // of its type: string, bool, int, Size, time.Duration, []string
	Usage   string
	Secret  bool // shown masked
	Max     Size // of a Size; 0: none
}

// Flag returns the name of the setting's flag, without dashes.
func (s Setting) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key) }

// Variable returns the name of the setting's environment variable.
func (s Setting) Variable() string {
	return Prefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s.Key))
}

// Prefix is what the names of all variables begin with.
const Prefix = "IGNITER_"

// add makes the setting's flag.
func (s Setting) add(flags *pflag.FlagSet) {
	switch d := s.Default.(type) {
	case string:
		flags.String(s.Flag(), d, s.Usage)
	case bool:
		flags.Bool(s.Flag(), d, s.Usage)
	case int:
		flags.Int(s.Flag(), d, s.Usage)
	case Size:
		flags.Var(&sizeValue{d}, s.Flag(), s.Usage)
	case time.Duration:
		flags.Duration(s.Flag(), d, s.Usage)
	case []string:
		flags.StringSlice(s.Flag(), d, s.Usage)
	}
}

// parse returns what text says of the setting, in its type.
func (s Setting) parse(text string) (any, error) {
	switch s.Default.(type) {
	case bool:
		return wanted(strconv.ParseBool(text))("true or false", text)
	case int:
		return wanted(strconv.Atoi(text))("a whole number", text)
	case Size:
		return parseSize(text)
	case time.Duration:
		return wanted(time.ParseDuration(text))("a duration such as 500ms or 2m", text)
	case []string:
		var list []string
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		return list, nil
	}
	return text, nil
}

// wanted makes an error in the words of this package of one that a parser returned.
func wanted[T any](v T, err error) func(what, text string) (any, error) {
	return func(what, text string) (any, error) {
		if err != nil {
			return nil, fmt.Errorf("%q is not %s", text, what)
		}
		return v, nil
	}
}

func parseSize(text string) (Size, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > 1<<31-1 {
		return 0, fmt.Errorf("%q is not a size such as 1048576 or 16MiB, up to 2GiB", text)
	}
	return Size(n), nil
}

// convert returns a value of a file, in the setting's type.
func (s Setting) convert(v any) (any, error) {
	list, isList := v.([]any)
	if _, ok := s.Default.([]string); ok && isList {
		items := []string{}
		for _, item := range list {
			items = append(items, fmt.Sprint(item))
		}
		return items, nil
	}
	switch v.(type) {
	case string, bool, int, int64, uint64, float64:
		return s.parse(fmt.Sprint(v))
	}
	return nil, errors.New("one value is wanted, and not a list or a mapping")
}

// check returns an error for what the setting can't be: numbers and durations are not below 0, sizes not above Max, and addresses
// have no user, since what is secret there would be shown.
func (s Setting) check(v any) error {
	switch v := v.(type) {
	case string:
		if withUser.MatchString(v) {
			return errors.New("an address has no user@ in it: clients show a token (--token-file, IGNITER_TOKEN)")
		}
	case []string:
		for _, item := range v {
			if err := s.check(item); err != nil {
				return err
			}
		}
	case int:
		if v < 0 {
			return fmt.Errorf("%d is below 0", v)
		}
	case time.Duration:
		if v < 0 {
			return fmt.Errorf("%v is below 0", v)
		}
	case Size:
		if s.Max > 0 && v > s.Max {
			return fmt.Errorf("%s is above %s", humanize.IBytes(uint64(v)), humanize.IBytes(uint64(s.Max)))
		}
	}
	return nil
}

// withUser is an address with somebody in it, and maybe their secret.
var withUser = regexp.MustCompile(`^[a-z]+://[^/]*@`)

// sizeValue is a flag's Size.
type sizeValue struct{ Size }

func (v *sizeValue) String() string { return humanize.IBytes(uint64(v.Size)) }
func (v *sizeValue) Type() string   { return "size" }
func (v *sizeValue) Set(text string) (err error) {
	v.Size, err = parseSize(text)
	return err
}

// find returns the setting that is named, by a function of Setting.
func find(name string, by func(Setting) string) (Setting, bool) {
	i := slices.IndexFunc(All(), func(s Setting) bool { return by(s) == name })
	if i < 0 {
		return Setting{}, false
	}
	return All()[i], true
}
