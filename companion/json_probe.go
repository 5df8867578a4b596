// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"encoding/json"
	"reflect"
	"sync"
	"time"

	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// To learn what a type with its own methods means, the functions in this file let it read and write a few texts.

// isNumeric reports whether a type has an order, a method Cmp or Compare, that is the order of the numbers in its JSON,
// as big.Float and decimals have. A type in which 1.10 differs from 1.1, such as a version, is not numeric.
func isNumeric(t reflect.Type) bool {
	read := func(text string) reflect.Value {
		v := reflect.New(t)
		if json.Unmarshal([]byte(text), v.Interface()) != nil && json.Unmarshal([]byte(`"`+text+`"`), v.Interface()) != nil {
			return reflect.Value{}
		}
		return v
	}
	compare := func(a, b string) (c int, ok bool) {
		_ = safely(func() error {
			x, y := read(a), read(b)
			if !x.IsValid() || !y.IsValid() {
				return nil
			}
			// With constant names, the linker can leave out all other methods, which makes a program a third smaller.
			for _, m := range []reflect.Value{x.MethodByName("Cmp"), x.MethodByName("Compare")} {
				if !m.IsValid() || m.Type().NumIn() != 1 || m.Type().NumOut() != 1 || m.Type().Out(0).Kind() != reflect.Int {
					continue
				}
				switch m.Type().In(0) {
				case t:
					c, ok = int(m.Call([]reflect.Value{y.Elem()})[0].Int()), true
				case y.Type():
					c, ok = int(m.Call([]reflect.Value{y})[0].Int()), true
				}
			}
			return nil
		})
		return c, ok
	}
	if c, ok := compare("9", "10"); !ok || c >= 0 {
		return false
	}
	c, ok := compare("1.10", "1.1")
	return !ok || c == 0
}

// rewritten returns the JSON that a type writes after it has read text as a JSON string, or else as JSON.
func rewritten(t reflect.Type, text string) (written []byte, ok bool) {
	v := reflect.New(t)
	err := safely(func() (err error) {
		if err = json.Unmarshal([]byte(`"`+text+`"`), v.Interface()); err != nil {
			v = reflect.New(t)
			err = json.Unmarshal([]byte(text), v.Interface())
		}
		if err == nil {
			written, err = json.Marshal(v.Interface())
		}
		return err
	})
	return written, err == nil
}

// isTextual reports whether a type keeps a text that is neither a time nor a number, or the zeros before a number.
func isTextual(t reflect.Type) bool {
	for _, text := range []string{"x", "007"} {
		if written, ok := rewritten(t, text); ok && string(written) == `"`+text+`"` {
			return true
		}
	}
	return false
}

var timely, numeric sync.Map // bool by reflect.Type

func remember(known *sync.Map, t reflect.Type, is func() bool) bool {
	found, ok := known.Load(t)
	if !ok {
		found, _ = known.LoadOrStore(t, writesItself(t) && readsItself(t) && is())
	}
	return found.(bool)
}

// readsTimes reports whether a type reads and writes times as [time.Time] does, in any zone, and keeps no other text.
func readsTimes(t reflect.Type) bool {
	return remember(&timely, t, func() bool {
		for _, zone := range []string{"2026-01-02T10:00:00Z", "2026-01-02T05:00:00-05:00"} {
			written, ok := rewritten(t, zone)
			if at, isTime := timeIn(written); !ok || !isTime || !at.Equal(time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)) {
				return false
			}
		}
		return !isTextual(t)
	})
}

// readsNumbers reports whether a type reads and writes numbers in strings, and keeps no other text. A type in which
// 1.10 differs from 1.1 does not.
func readsNumbers(t reflect.Type) bool {
	return remember(&numeric, t, func() bool {
		for _, text := range []string{"9", "10"} {
			written, ok := rewritten(t, text)
			if n := unquoted(written); !ok || jsonvalue.Check(n, 0) != nil || n[0] < '0' || n[0] > '9' || !sameNumber(n, []byte(text)) {
				return false
			}
		}
		a, okA := rewritten(t, "1.10")
		b, okB := rewritten(t, "1.1")
		return !isTextual(t) && (!okA || !okB || string(a) == string(b))
	})
}

func sameNumber(a, b []byte) bool {
	return jsonvalue.ParseNumber(a, nil).Compare(jsonvalue.ParseNumber(b, nil)) == 0
}
