// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/store"
)

// A Day is a time that has another JSON.
type Day time.Time

// A Stamp has the JSON of the time that it embeds.
type Stamp struct{ time.Time }

func (d Day) MarshalText() ([]byte, error) { return []byte(time.Time(d).Format("02.01.2006")), nil }
func (d *Day) UnmarshalText(b []byte) error {
	t, err := time.Parse("02.01.2006", string(b))
	*d = Day(t)
	return err
}

// A Moment hides a time, a Maybe has one or none, and a Serial hides a number: each writes its JSON with methods of its own.
type (
	Moment struct{ at time.Time }
	Maybe  struct {
		Time  time.Time
		Valid bool
	}
	Deep    struct{ Stamp }
	Serial  struct{ n int64 }
	Timeout struct{ time.Duration }
	Date    struct{ at time.Time }
	Fruit   struct{ number int } // by its name, in the order of names
)

func (t Timeout) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
func (t *Timeout) UnmarshalText(b []byte) (err error) {
	t.Duration, err = time.ParseDuration(string(b))
	return err
}
func (d Date) MarshalText() ([]byte, error)  { return Day(d.at).MarshalText() }
func (d *Date) UnmarshalText(b []byte) error { return (*Day)(&d.at).UnmarshalText(b) }

var fruit = []string{"cherry", "apple", "banana"}

func (f Fruit) MarshalText() ([]byte, error) { return []byte(fruit[f.number]), nil }
func (f *Fruit) UnmarshalText(b []byte) error {
	f.number = slices.Index(fruit, string(b))
	return nil
}

func (m Moment) MarshalJSON() ([]byte, error)  { return json.Marshal(m.at) }
func (m *Moment) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &m.at) }
func (m Maybe) MarshalJSON() ([]byte, error) {
	if !m.Valid {
		return []byte("null"), nil
	}
	return json.Marshal(m.Time)
}
func (m *Maybe) UnmarshalJSON(b []byte) error {
	m.Valid = string(b) != "null"
	return json.Unmarshal(b, &m.Time)
}
func (s Serial) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, s.n, 10), nil }
func (s *Serial) UnmarshalText(b []byte) (err error) {
	s.n, err = strconv.ParseInt(string(b), 10, 64)
	return err
}

// A Postcode is digits, and no number: 01234 comes before 9.
type Postcode struct{ digits string }

func (p Postcode) MarshalText() ([]byte, error) { return []byte(p.digits), nil }
func (p *Postcode) UnmarshalText(b []byte) error {
	if p.digits = string(b); strings.Trim(p.digits, "0123456789") != "" {
		return errors.New("not digits")
	}
	return nil
}

// An ordered has a field of each type whose order is tested. Its JSON has the fields that are not set, too.
type ordered struct {
	Time     time.Time  `json:"time,string"`     //lint:ignore SA5008 encoding/json heeds the option if the field is a number
	Pointer  *time.Time `json:"pointer,string"`  //lint:ignore SA5008 as above
	Embedded Stamp      `json:"embedded,string"` //lint:ignore SA5008 as above
	Day      Day        `json:"day,string"`      //lint:ignore SA5008 as above
	Int      int        `json:"int,string"`
	Float    float64    `json:"float,string"`
	BigFloat *big.Float `json:"bigfloat,string"` //lint:ignore SA5008 as above
	BigInt   *big.Int   `json:"bigint,string"`   //lint:ignore SA5008 as above
	Bytes    []byte     `json:"bytes,string"`    //lint:ignore SA5008 as above
	Level    Level      `json:"level"`
	Addr     netip.Addr `json:"addr,string"`   //lint:ignore SA5008 as above
	BigRat   *big.Rat   `json:"bigrat,string"` //lint:ignore SA5008 as above

	Moment   Moment         `json:"moment"`
	Maybe    Maybe          `json:"maybe"`
	Deep     Deep           `json:"deep"`
	Serial   Serial         `json:"serial"`
	Postcode Postcode       `json:"postcode"`
	Timeout  Timeout        `json:"timeout"`
	Date     Date           `json:"date"`
	Fruit    Fruit          `json:"fruit"`
	IP       net.IP         `json:"ip"`
	AddrPort netip.AddrPort `json:"addrport"`
	Prefix   netip.Prefix   `json:"prefix"`
}

// ordersBy puts values of the field of their type in their order, and returns the order in which queries list them, all at
// once and page by page.
func ordersBy[F any](t *testing.T, values ...F) {
	field := slices.IndexFunc(reflect.VisibleFields(reflect.TypeFor[ordered]()), func(f reflect.StructField) bool { return f.Type == reflect.TypeFor[F]() })
	given := make([]any, len(values))
	for i, v := range values {
		given[i] = v
	}
	ordersByField(t, field, given)
}

func ordersByField(t *testing.T, field int, values []any) {
	name, _, _ := strings.Cut(reflect.TypeFor[ordered]().Field(field).Tag.Get("json"), ",")
	s := openStore(t)
	records, err := companion.NewRecords[ordered](s, "s")
	require.NoError(t, err)
	scope, err := records.Scope("all", companion.Filter[ordered]{})
	require.NoError(t, err)
	var want []string
	for i := range values {
		n := (i*7 + 3) % len(values)
		if len(values)%7 == 0 {
			n = len(values) - 1 - i
		}
		var o ordered
		reflect.ValueOf(&o).Elem().Field(field).Set(reflect.ValueOf(values[n]))
		_, err := records.Put(t.Context(), fmt.Sprintf("%02d", n), o)
		require.NoError(t, err)
		want = append(want, fmt.Sprintf("%02d", i))
	}
	for _, list := range []func(q companion.Query) []companion.Record[ordered]{
		func(q companion.Query) []companion.Record[ordered] { return collect(t, records.List(t.Context(), q)) },
		func(q companion.Query) []companion.Record[ordered] { return collect(t, scope.List(t.Context(), q)) },
		func(q companion.Query) (all []companion.Record[ordered]) {
			for q.Limit = 2; ; {
				page, err := scope.Query(t.Context(), q)
				require.NoError(t, err)
				all = append(all, page.Records...)
				if q.Cursor = page.Next; q.Cursor == "" {
					return all
				}
			}
		},
	} {
		var keys []string
		for _, r := range list(companion.Query{OrderBy: store.Field(name)}) {
			keys = append(keys, r.Key)
		}
		require.Equal(t, want, keys, name)
	}
	for _, v := range values {
		same, err := records.Scope("same", companion.Filter[ordered]{Where: map[string]any{name: v}})
		require.NoError(t, err)
		require.Equal(t, 1, same.Count(), v)
		same.Close()
	}
}

// Queries order the values of a field as their Go type does.
func TestOrderByWhatATypeMeans(t *testing.T) {
	at := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	west, east := time.FixedZone("", -5*3600), time.FixedZone("", 9*3600)
	times := []time.Time{
		time.Unix(-2, 5e8).In(east), time.Unix(-1, 0).UTC(), time.Unix(-1, 3e8).UTC(), time.Unix(-1, 7e8).In(west), time.Unix(0, 0).UTC(), time.Unix(0, 5).In(west),
		at, at.Add(time.Nanosecond).In(west), at.Add(100 * time.Millisecond).In(east), at.Add(500 * time.Millisecond), at.Add(time.Second), at.Add(time.Hour).In(west),
		at.Add(2 * time.Hour),
	}
	pointers := []*time.Time{nil}
	var embedded []Stamp
	var moments []Moment
	maybes := []Maybe{{}}
	var deep []Deep
	for i := range times {
		pointers = append(pointers, &times[i])
		embedded = append(embedded, Stamp{times[i]})
		moments = append(moments, Moment{times[i]})
		maybes = append(maybes, Maybe{times[i], true})
		deep = append(deep, Deep{Stamp{times[i]}})
	}
	ordersBy(t, moments...)
	ordersBy(t, maybes...)
	ordersBy(t, deep...)
	ordersBy(t, Serial{-10}, Serial{-9}, Serial{0}, Serial{9}, Serial{10}, Serial{100})
	ordersBy(t, Timeout{-time.Second}, Timeout{9 * time.Second}, Timeout{10 * time.Second}, Timeout{time.Minute})
	ordersBy(t, Date{at.AddDate(-1, 1, 5)}, Date{at}, Date{at.AddDate(0, 0, 1)}, Date{at.AddDate(0, 1, 0)})
	ordersBy(t, Fruit{1}, Fruit{2}, Fruit{0})
	ordersBy(t, Postcode{"01234"}, Postcode{"100"}, Postcode{"9"})
	ordersBy(t, net.IPv4(9, 0, 0, 1), net.IPv4(10, 0, 0, 1), net.ParseIP("fe80::1"))
	ordersBy(t, netip.MustParseAddrPort("9.0.0.1:80"), netip.MustParseAddrPort("10.0.0.1:9"), netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("[::1]:1"))
	ordersBy(t, netip.MustParsePrefix("9.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/9"), netip.MustParsePrefix("::/0"))
	ordersBy(t, times...)
	ordersBy(t, pointers...)
	ordersBy(t, embedded...)
	ordersBy(t, Day(at.AddDate(-1, 1, 5)), Day(at), Day(at.AddDate(0, 0, 1)), Day(at.AddDate(0, 1, 0)))
	ordersBy(t, -10, -9, 0, 9, 10, 100)
	ordersBy(t, -1.5, 9.25, 10, 1e21)
	ordersBy(t, big.NewFloat(math.Inf(-1)), big.NewFloat(-2), big.NewFloat(9.5), big.NewFloat(10), big.NewFloat(1e30), big.NewFloat(math.Inf(1)))
	ordersBy(t, big.NewInt(-2), big.NewInt(9), big.NewInt(10))
	ordersBy(t, big.NewRat(-5, 3), big.NewRat(1, 3), big.NewRat(1, 2), big.NewRat(2, 1), big.NewRat(7, 3), big.NewRat(10, 1))
	ordersBy(t, []byte{}, []byte{0}, []byte{0, 1}, []byte{9}, []byte{250, 7}, []byte{255})
	ordersBy(t, netip.MustParseAddr("9.0.0.1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("fe80::1%eth0"))
}

// A Version is texts of numbers with points between them, and no number: 1.10 is not 1.1.
type Version struct{ text string }

func (v Version) MarshalText() ([]byte, error)  { return []byte(v.text), nil }
func (v *Version) UnmarshalText(b []byte) error { v.text = string(b); return nil }
func (v Version) Compare(o Version) int {
	a, b := strings.Split(v.text, "."), strings.Split(o.text, ".")
	return slices.CompareFunc(a, b, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
}

// Filters compare by what the type of a field reads, also where several texts are one value, or one text looks like another's
// number.
func TestEqualByWhatATypeReads(t *testing.T) {
	type span struct {
		From time.Time
		Days map[string]*time.Time `json:"days,omitempty"`
		N    json.Number           `json:"n,omitempty"`
	}
	type times struct {
		At time.Time `json:"at"`
	}
	type within struct { // embeds a struct that is not exported
		times
		N int `json:"n"`
	}
	type holder struct {
		Version Version          `json:"version"`
		ID      uuid.UUID        `json:"id"`
		Span    span             `json:"span"`
		Times   [][1]time.Time   `json:"times"`
		Stamps  map[string]Stamp `json:"stamps"`
		Any     []any            `json:"any"`
		Moments []Moment         `json:"moments"`
		Within  within           `json:"within"`
	}
	at := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	there := at.In(time.FixedZone("", 9*3600))
	id := uuid.MustParse("0197c0de-0000-7000-8000-00000000abcd")
	s := openStore(t)
	records, err := companion.NewRecords[holder](s, "s")
	require.NoError(t, err)
	events, err := companion.NewEvents[holder](s, "s")
	require.NoError(t, err)
	raw, err := companion.NewRecords[json.RawMessage](s, "s")
	require.NoError(t, err)
	_, err = records.Put(t.Context(), "go", holder{Version{"1.1"}, id, span{there, map[string]*time.Time{"a": &there}, "7"}, [][1]time.Time{{there}}, map[string]Stamp{"a": {at}}, nil, []Moment{{there}}, within{times{there}, 1}})
	require.NoError(t, err)
	for key, text := range map[string]string{
		"other": `{"version":"1.1","id":"0197C0DE-0000-7000-8000-00000000ABCD","SPAN":{"n":7,"Days":{"a":"2026-01-01T10:00:00.0Z"},"FROM":"2026-01-01T10:00:00Z","more":1},
			"times":[["2026-01-01T05:00:00-05:00"]],"stamps":{"a":"2026-01-01T10:00:00.000Z"},"moments":["2026-01-01T05:00:00-05:00"],"within":{"at":"2026-01-01T05:00:00-05:00","n":1}}`,
		"not": `{"version":"1.10","id":"0197c0de-0000-7000-8000-00000000abce","span":{"From":"2026-01-01T10:00:00.1Z"},"times":[],"stamps":{},"any":[12345678901234567890]}`,
	} {
		_, err = raw.Put(t.Context(), key, json.RawMessage(text))
		require.NoError(t, err)
	}
	for field, v := range map[string]any{
		"version": "1.1", "id": id, "times": [][1]time.Time{{at}}, "stamps": map[string]Stamp{"a": {there}}, "span": span{at, map[string]*time.Time{"a": &at}, "7"},
		"moments": []Moment{{at}}, "within": within{times{at}, 1},
	} {
		scope, err := records.Scope(field, companion.Filter[holder]{Where: map[string]any{field: v}})
		require.NoError(t, err, field)
		require.Equal(t, 2, scope.Count(), field)
		partition, err := events.Partition(field)
		require.NoError(t, err, field)
		require.Len(t, collect(t, partition.Since(t.Context(), v, 0)), 2, field)
	}
	for n, want := range map[uint64]int{12345678901234567890: 1, 12345678901234567891: 0} {
		scope, err := records.Scope(fmt.Sprint(n), companion.Filter[holder]{Where: map[string]any{"any": []any{n}}})
		require.NoError(t, err)
		require.Equal(t, want, scope.Count())
	}
}

// Words are numbers in Go, and ordered as these.
func TestOrderByWords(t *testing.T) {
	s := openStore(t)
	records, err := companion.NewRecords[ordered](s, "s")
	require.NoError(t, err)
	for _, l := range []Level{1, 0} {
		_, err := records.Put(t.Context(), fmt.Sprint(l), ordered{Level: l})
		require.NoError(t, err)
	}
	all := collect(t, records.List(t.Context(), companion.Query{OrderBy: "level"}))
	require.Equal(t, "0 1", all[0].Key+" "+all[1].Key)
}

// Filters, partitions and relations find what encoding/json reads: an instant in any zone, a name in any case.
func TestFieldsAreWhatIsRead(t *testing.T) {
	type meeting struct {
		Start time.Time         `json:"start"`
		Room  int64             `json:"room,string"`
		Notes map[string]string `json:"notes,omitempty"`
		At    struct {
			Day Day `json:"day"`
		} `json:"at"`
	}
	s := openStore(t)
	events, err := companion.NewEvents[meeting](s, "meetings")
	require.NoError(t, err)
	records, err := companion.NewRecords[meeting](s, "meetings")
	require.NoError(t, err)
	raw, err := companion.NewRecords[json.RawMessage](s, "meetings")
	require.NoError(t, err)
	for key, text := range map[string]string{
		"now":     `{"start":"2026-01-01T10:00:00Z","room":"7","notes":{"a.b/c":"x"},"at":{"day":"01.02.2026"}}`,
		"before":  `{"Start":"2026-01-01T05:00:00.000-05:00","ROOM":"7","Notes":{"a.b/c":"x"},"At":{"Day":"01.02.2026"}}`,
		"another": `{"start":"2026-01-01T10:00:00.001Z","room":"8","notes":{"a":"x"},"at":{"day":"02.02.2026"}}`,
		"invalid": `{"start":"soon","room":"9x","notes":1,"at":null}`,
		"both":    `{"Start":"2026-01-01T10:00:00Z","start":null,"ROOM":"8","room":"7","Notes":{"a.b/c":"x"},"notes":{"a":"x"},"AT":{"day":"01.02.2026"},"at":{}}`,
	} {
		_, err := raw.Put(t.Context(), key, json.RawMessage(text))
		require.NoError(t, err)
	}
	at := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	for field, v := range map[string]any{
		"start": at.In(time.FixedZone("", 3600)), "room": 7, "notes.a.b/c": "x", "at.day": "01.02.2026",
	} {
		scope, err := records.Scope(field, companion.Filter[meeting]{Where: map[string]any{field: v}})
		require.NoError(t, err, field)
		require.Equal(t, 3, scope.Count(), field)
		partition, err := events.Partition(field)
		require.NoError(t, err)
		n := 0
		for r := range partition.Since(t.Context(), v, 0) {
			if r.Key != "" {
				n++
			}
		}
		require.Equal(t, 3, n, field)
	}
	for field, v := range map[string]any{"start": "soon", "at.day": 7, "notes.a": 7} {
		_, err := records.Scope(field, companion.Filter[meeting]{Where: map[string]any{field: v}})
		require.ErrorIs(t, err, backend.ErrInvalid, field)
	}
	rooms, err := companion.NewRecords[string](s, "rooms")
	require.NoError(t, err)
	relation, err := companion.NewRelation(rooms, records, "room")
	require.NoError(t, err)
	var keys []string
	for r := range relation.Many(t.Context(), "7", companion.Moment{}) {
		keys = append(keys, r.Key)
	}
	require.Contains(t, strings.Join(keys, " "), "before")

	loose, err := companion.NewRecords[map[string]any](s, "loose")
	require.NoError(t, err)
	_, err = loose.Put(t.Context(), "k", map[string]any{"labels": map[string]any{"app.kubernetes.io/name": "db"}, "a.b": map[string]any{"c": 1}})
	require.NoError(t, err)
	for field, v := range map[string]any{"labels.app.kubernetes.io/name": "db", "a.b.c": 1} {
		scope, err := loose.Scope(field, companion.Filter[map[string]any]{Where: map[string]any{field: v}})
		require.NoError(t, err)
		require.Equal(t, 1, scope.Count(), field)
	}
}
