// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

// Cents has its JSON from methods of the pointer.
type Cents struct{ n int64 }

func (m *Cents) MarshalJSON() ([]byte, error) { return json.Marshal(m.n) }
func (m *Cents) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &m.n) }

// Level is a number inside, and a word in JSON.
type Level int

func (l *Level) MarshalText() ([]byte, error) { return []byte([]string{"low", "high"}[*l]), nil }
func (l *Level) UnmarshalText(b []byte) error {
	*l = Level(strings.Index("low high", string(b)) / 4)
	return nil
}

type (
	Written  int                  // has MarshalText alone
	Shouted  string               // has MarshalJSON alone, which changes it
	Aliased  struct{ A, B int }   // has MarshalJSON alone, which writes it as encoding/json would
	Half     struct{ A, B int }   // has MarshalJSON alone, which leaves out B
	Deaf     struct{ N int }      // its UnmarshalJSON is not of the pointer
	Picky    struct{ s string }   // its zero value can be written, and is an error to read
	Reader   struct{ N int }      // has UnmarshalJSON alone, for another form
	Texted   struct{ N int }      // has UnmarshalText alone, which is for strings
	Lenient  struct{ N int }      // has UnmarshalJSON alone, which reads what encoding/json writes
	MapKey   struct{ s string }   // has both methods for texts
	PtrKey   int                  // has its MarshalText on the pointer
	secret   struct{ s string }   // encoding/json sees nothing of it
	audit    struct{ time.Time }  // is embedded
	hiddenIn struct{ Number int } // is embedded as a pointer
	Numbered struct{ Number int } // has the field of another one
	Nullable struct {             // embeds a writer, and has methods of its own
		time.Time
		Valid bool
	}
)

func (w Written) MarshalText() ([]byte, error) { return fmt.Append(nil, "w", int(w)), nil }
func (s Shouted) MarshalJSON() ([]byte, error) { return json.Marshal(strings.ToUpper(string(s))) }
func (a Aliased) MarshalJSON() ([]byte, error) { type plain Aliased; return json.Marshal(plain(a)) }
func (h Half) MarshalJSON() ([]byte, error)    { return fmt.Appendf(nil, `{"A":%d}`, h.A), nil }
func (d Deaf) MarshalJSON() ([]byte, error)    { return json.Marshal(d.N) }
func (d Deaf) UnmarshalJSON(b []byte) error    { return json.Unmarshal(b, &d.N) }
func (p Picky) MarshalText() ([]byte, error)   { return []byte(p.s), nil }
func (p *Picky) UnmarshalText(b []byte) error {
	if p.s = string(b); p.s == "" {
		return errors.New("empty")
	}
	return nil
}
func (r *Reader) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &r.N) }
func (r *Texted) UnmarshalText([]byte) error   { return nil }
func (r *Lenient) UnmarshalJSON(b []byte) error {
	type plain Lenient
	return json.Unmarshal(b, (*plain)(r))
}
func (k MapKey) MarshalText() ([]byte, error)  { return []byte(k.s), nil }
func (k *MapKey) UnmarshalText(b []byte) error { k.s = string(b); return nil }
func (k *PtrKey) MarshalText() ([]byte, error) { return fmt.Append(nil, "k", int(*k)), nil }
func (n Nullable) MarshalJSON() ([]byte, error) {
	if !n.Valid {
		return []byte("null"), nil
	}
	return n.Time.MarshalJSON()
}
func (n *Nullable) UnmarshalJSON(b []byte) error {
	n.Valid = string(b) != "null"
	return n.Time.UnmarshalJSON(b)
}

// declared returns the error of Records of T.
func declared[T any]() error { return companion.CheckType(reflect.TypeFor[T]()) }

// A type that can be written and not be read again, or of which a part is lost, is an error when it is declared.
func TestTypesThatCannotBeRead(t *testing.T) {
	for reason, errs := range map[string][]error{
		"is an interface":                          {declared[fmt.Stringer](), declared[struct{ Err error }](), declared[map[string][]encoding.TextMarshaler](), declared[struct{ fmt.Stringer }]()},
		"embedded pointer to an unexported struct": {declared[struct{ *hiddenIn }](), declared[[]struct{ Inner struct{ *hiddenIn } }]()},
		"no method that reads it":                  {declared[Written](), declared[Shouted](), declared[Half](), declared[struct{ L *Written }](), declared[map[string]Written]()},
		"so can't change the value": {declared[Deaf](), declared[struct{ *time.Time }](), declared[struct {
			*big.Int
			Name string
		}]()},
		"does not read what encoding/json writes": {declared[Reader](), declared[[]Texted]()},
		"which encoding/json does not call for values of maps": {declared[map[string]big.Int](), declared[map[string][1]Cents](),
			declared[map[string]struct{ L Level }]()},
		"would be lost": {declared[struct {
			time.Time
			Who string
		}](), declared[struct {
			json.RawMessage
			From string
		}](), declared[struct {
			audit
			Who string
		}](), declared[[]map[string]*struct {
			netip.Addr `json:"addr"`
			Name       *string
		}]()},
		"leaves out here": {declared[struct {
			time.Time
			big.Int
			Who string
		}]()},
		"since another field has that name": {declared[[]struct {
			hiddenIn
			Numbered
			Name string
		}](), declared[struct {
			Numbered
			M map[string]struct {
				A int `json:"B"`
				B int
			}
		}]()},
		"has no field in its JSON":               {declared[struct{ Balance secret }](), declared[[]secret](), declared[struct{ N atomic.Int64 }]()},
		"keys of struct { N int } can't be JSON": {declared[map[struct{ N int }]int]()},
		"keys of companion_test.Written have":    {declared[map[Written]int]()},
		"keys of companion_test.PtrKey are not":  {declared[map[PtrKey]int]()},
		`with the tag option "string"`: {declared[struct {
			L Level `json:",string"`
		}]()},
		"give the type a name":   {declared[struct{ At struct{ time.Time } }](), declared[[]struct{ Cents }]()},
		"chan int can't be JSON": {declared[[]chan int](), declared[struct{ F map[string]*chan int }]()},
	} {
		for i, err := range errs {
			require.ErrorIs(t, err, backend.ErrInvalid, "%s %d", reason, i)
			require.ErrorContains(t, err, reason, i)
		}
	}
	for i, err := range []error{
		declared[any](), declared[map[string]any](), declared[[]byte](), declared[time.Time](), declared[struct{ time.Time }](), declared[[]*struct{ Cents }](), declared[Nullable](),
		declared[struct{ At *time.Time }](), declared[json.RawMessage](), declared[json.Number](), declared[map[string]*big.Int](), declared[map[string][]big.Int](),
		declared[Picky](), declared[Lenient](), declared[Aliased](), declared[map[MapKey]int](), declared[map[time.Duration]bool](), declared[struct{ hiddenIn }](),
		declared[struct {
			Numbered
			Number int // hides the one in Numbered, as in Go
		}](), declared[struct{ *Task }](), declared[url.URL](), declared[big.Rat](), declared[netip.Prefix](),
		declared[struct {
			mu sync.Mutex
			N  int
		}](),
		declared[struct {
			*hiddenIn `json:"-"`
			N         int
		}](),
	} {
		require.NoError(t, err, i)
	}
}

// written puts a value, and returns what the log has of it.
func written[T any](t testing.TB, s *companion.Store, v T) (string, error) {
	records, err := companion.NewRecords[T](s, "s")
	require.NoError(t, err)
	_, err = records.Put(t.Context(), "k", v)
	if err != nil {
		return "", err
	}
	got, err := records.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, v, got.Value)
	return string(s.Engine().Latest("s", "k").Value()), nil
}

// Methods of pointers write values, wherever they are; what they can't write is an error.
func TestMethodsOfPointersWrite(t *testing.T) {
	s := openStore(t)
	type account struct {
		Owner   string
		Balance Cents
		Level   [1]Level
	}
	for want, write := range map[string]func() (string, error){
		`1234`: func() (string, error) { return written(t, s, Cents{1234}) },
		`{"Balance":7,"Level":["high"],"Owner":"ana"}`: func() (string, error) { return written(t, s, account{"ana", Cents{7}, [1]Level{1}}) },
		`[{"k":5}]`: func() (string, error) { return written(t, s, &[]map[string]*Cents{{"k": {5}}}) },
		`-8`:        func() (string, error) { return written(t, s, *big.NewInt(-8)) },
	} {
		got, err := write()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := companion.NewEvents[Cents](s, "events")
	require.NoError(t, err)

	anys, err := companion.NewRecords[any](s, "anys")
	require.NoError(t, err)
	_, err = anys.Put(t.Context(), "k", Cents{3})
	require.NoError(t, err)
	require.Equal(t, "3", string(s.Engine().Latest("anys", "k").Value()))
	loop := map[string]any{}
	loop["loop"] = loop
	for reason, v := range map[string]any{
		"use *companion_test.Cents": []any{1, map[string]any{"a": Cents{3}}},
		"has no field in its JSON":  map[string]any{"a": &secret{"x"}},
		"nested too deeply":         loop,
	} {
		_, err = anys.Put(t.Context(), "k", v)
		require.ErrorIs(t, err, backend.ErrInvalid)
		require.ErrorContains(t, err, reason)
	}
	links, err := companion.NewRecords[url.URL](s, "links")
	require.NoError(t, err)
	_, err = links.Put(t.Context(), "k", url.URL{Host: "example.org"})
	require.NoError(t, err)
	_, err = links.Put(t.Context(), "k", url.URL{Host: "example.org", User: url.User("ana")})
	require.ErrorContains(t, err, "url.Userinfo has no field in its JSON")

	// Producers, derivations and filters too.
	_, err = s.Write(companion.WithProducer(t.Context(), Cents{4}), anys.Change("p", 1).DerivedFrom(Cents{5}))
	require.NoError(t, err)
	p, err := anys.Get(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, "4 5", fmt.Sprintf("%s %s", p.Producer, p.Derivation))
	_, err = anys.Put(companion.WithProducer(t.Context(), map[string]any{"by": Cents{}}), "p", 1)
	require.ErrorContains(t, err, "invalid producer")
	accounts, err := companion.NewRecords[account](s, "s2")
	require.NoError(t, err)
	_, err = accounts.Put(t.Context(), "k", account{Balance: Cents{9}, Level: [1]Level{1}})
	require.NoError(t, err)
	scope, err := accounts.Scope("nine", companion.Filter[account]{Where: map[string]any{"Balance": Cents{9}}})
	require.NoError(t, err)
	require.Equal(t, 1, scope.Count())
}

// A Keeper keeps the JSON that it is given, and changes it later.
type Keeper struct{ text []byte }

func (k Keeper) MarshalJSON() ([]byte, error) { return k.text, nil }
func (k *Keeper) UnmarshalJSON(b []byte) error {
	k.text = b
	return nil
}

// KeptText is as Keeper, for texts.
type KeptText struct{ text []byte }

func (k KeptText) MarshalText() ([]byte, error) { return k.text, nil }
func (k *KeptText) UnmarshalText(b []byte) error {
	k.text = b
	return nil
}

// Code of the app gets memory of its own: it can't change what the store holds.
func TestMemoryIsTheAppsOwn(t *testing.T) {
	s := openStore(t)
	type holder struct {
		K Keeper
		T []KeptText
		M map[string]*Keeper
	}
	records, err := companion.NewRecords[holder](s, "s")
	require.NoError(t, err)
	_, err = records.Put(t.Context(), "k", holder{Keeper{[]byte(`"one"`)}, []KeptText{{[]byte("two")}}, map[string]*Keeper{"a": {[]byte(`"three"`)}}})
	require.NoError(t, err)
	before := string(s.Engine().Latest("s", "k").Value())
	spoil := func(h holder) bool {
		for _, text := range [][]byte{h.K.text, h.T[0].text, h.M["a"].text} {
			for i := range text {
				text[i] = 'x'
			}
		}
		return true
	}
	got, err := records.Get(t.Context(), "k")
	require.NoError(t, err)
	spoil(got.Value)
	scope, err := records.Scope("s", companion.Filter[holder]{Match: func(_ string, h holder) bool { return spoil(h) }})
	require.NoError(t, err)
	require.Equal(t, 1, scope.Count())
	fold := companion.NewFold(records, 0, func(n int, _, r companion.Record[holder]) int { spoil(r.Value); return n })
	require.NoError(t, fold.Read(t.Context(), func(int, uint64) {}))
	require.Equal(t, before, string(s.Engine().Latest("s", "k").Value()))

	template := []byte(`"upcast"`)
	texts, err := companion.NewRecords[string](s, "texts")
	require.NoError(t, err)
	_, err = texts.Put(context.Background(), "k", "text")
	require.NoError(t, err)
	require.NoError(t, texts.Upcast(func(value json.RawMessage) (json.RawMessage, error) {
		value[1] = 'x'
		return template, nil
	}))
	for range 2 {
		got, err := texts.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "upcast", got.Value)
		template[1] = 'x'
	}
	require.Equal(t, `"text"`, string(s.Engine().Latest("texts", "k").Value()))
}
