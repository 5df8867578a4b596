// SPDX-License-Identifier: Apache-2.0

package uitest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// A shop makes the facts of a shop: orders, users, prices, stock, mails and events over most of a year up to now. They are
// the same in every run, except for the times.
type shop struct {
	random *rand.Rand
	begin  time.Time
	end    time.Time
	facts  []backend.Fact
}

func newShop(now time.Time) *shop {
	end := now.UTC().Truncate(time.Millisecond)
	return &shop{random: rand.New(rand.NewPCG(1, 2)), begin: end.AddDate(0, 0, -330), end: end}
}

// put adds a fact, and returns its ID.
func (s *shop) put(at time.Time, store, key string, value any, by string, change ...func(*backend.Fact)) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	producer, _ := json.Marshal(by)
	f := backend.Fact{
		ID:    fmt.Sprintf("%08x-%04x-7%03x-8%03x-%012x", at.UnixMilli()>>16, at.UnixMilli()&0xffff, len(s.facts)&0xfff, s.random.IntN(1<<12), s.random.Int64N(1<<48)),
		Store: store, Key: key, Value: text, Producer: producer, TransactionTime: at,
	}
	for _, c := range change {
		c(&f)
	}
	s.facts = append(s.facts, f)
	return f.ID
}

func trueSince(t time.Time) func(*backend.Fact) { return func(f *backend.Fact) { f.ValidTime = t } }

func causedBy(id string) func(*backend.Fact) { return func(f *backend.Fact) { f.Causation = id } }

func derived(rule string, version int, sources ...string) func(*backend.Fact) {
	return func(f *backend.Fact) {
		f.Derivation, _ = json.Marshal(map[string]any{"rule": rule, "version": version, "sources": sources})
	}
}

type object = map[string]any

// fill makes the facts: orders orders and what belongs to them.
func (s *shop) fill(orders int) []backend.Fact {
	r, span := s.random, s.end.Sub(s.begin)
	at := func(from time.Time, days float64) time.Time { // some time after from
		return from.Add(time.Duration(r.ExpFloat64() * days * float64(24*time.Hour))).Truncate(time.Millisecond)
	}
	people, countries := []string{"ana", "bo", "cy", "web", "web", "billing"}, []string{"PT", "DE", "FR", "SE", "JP"}
	users, prices := map[string]string{}, map[string]string{}
	for i := range max(orders/4, 4) {
		key := fmt.Sprintf("u%05d", 10007+i*37)
		users[key] = s.put(s.begin.Add(time.Duration(r.Int64N(int64(span/20)))), "users", key, object{"name": fmt.Sprintf("Customer %d", i+1), "country": countries[i%5], "newsletter": i%3 == 0}, "web")
	}
	for i := range 24 {
		key, net, t := fmt.Sprintf("p-%02d", i+1), 200+r.IntN(4000), s.begin
		prices[key] = s.put(t, "prices", key, object{"net": net, "currency": "EUR"}, "import-job")
		for range 6 {
			if t = t.Add(span / 7).Add(time.Duration(r.Int64N(int64(48 * time.Hour)))); t.Before(s.end) {
				net += r.IntN(400) - 150
				s.put(t, "prices", key, object{"net": net, "currency": "EUR"}, "import-job", trueSince(t.AddDate(0, 0, -r.IntN(20)).Truncate(24*time.Hour)))
			}
		}
	}
	userKeys, priceKeys := keysOf(users), keysOf(prices)
	for i := range orders {
		key, versions := fmt.Sprintf("order-%06d", i+1), 2+r.IntN(7)
		t := s.begin.Add(time.Duration(float64(span) * (0.06 + 0.93*float64(i)/float64(orders))))
		gap := 9.0
		if i == 138 || orders <= 138 && i == orders/2 {
			versions, gap, t = 107, 0, s.begin.Add(span/50)
		}
		customer, product := userKeys[r.IntN(len(userKeys))], priceKeys[r.IntN(len(priceKeys))]
		session := s.put(t.Add(-40*time.Second), "events", fmt.Sprintf("e%06d", 2*i), object{"type": "session-start", "ip": fmt.Sprintf("10.0.%d.%d", r.IntN(4), r.IntN(250))}, "web")
		login := s.put(t.Add(-30*time.Second), "events", fmt.Sprintf("e%06d", 2*i+1), object{"type": "login", "user": customer}, "web", causedBy(session))
		order := object{"state": "new", "total": 300 + r.IntN(9000), "customer": customer, "items": 1 + r.IntN(6)}
		id := s.put(t, "orders", key, order, "web", derived("order-total", 3, login, prices[product], users[customer]))
		reserved := s.put(t.Add(200*time.Millisecond), "stock", product, object{"reserved": 20 + r.IntN(60)}, "warehouse", derived("reserve", 1, id))
		priced := s.put(t.Add(300*time.Millisecond), "events", fmt.Sprintf("o%06d", i), object{"type": "order-priced", "order": key}, "billing", causedBy(id))
		if i%3 == 0 {
			s.put(t.Add(time.Second), "mails", fmt.Sprintf("m-%05d", 88000+i), object{"kind": "confirmation", "to": customer}, "mailer", causedBy(priced))
		}
		_ = reserved
		states := map[string]string{"new": "paid", "paid": "sent", "sent": "back", "back": "sent"}
		for v := range versions - 1 {
			if gap == 0 {
				t = t.Add(span / 130).Add(time.Duration(r.IntN(20)) * time.Hour)
			} else {
				t = at(t, gap)
			}
			if t.After(s.end) {
				break
			}
			next := object{}
			for k, x := range order {
				next[k] = x
			}
			switch n := r.IntN(10); {
			case n < 5:
				next["state"] = states[order["state"].(string)]
			case n < 8:
				next["total"] = 300 + r.IntN(9000)
			case n < 9:
				if _, has := next["coupon"]; has {
					delete(next, "coupon")
				} else {
					next["coupon"] = "fall-10"
				}
			default:
				next["items"], next["state"] = 1+r.IntN(6), "new"
			}
			order = next
			change := []func(*backend.Fact){}
			if r.IntN(9) == 0 {
				change = append(change, trueSince(t.AddDate(0, 0, -r.IntN(30)).Truncate(time.Hour)))
			}
			if gap == 0 && (v%6 == 2 || v == versions-2) {
				change = append(change, derived("vat", 2, prices[product], login))
			}
			if i%40 == 17 && v == versions-2 {
				s.put(t, "orders", key, nil, people[r.IntN(len(people))])
				continue
			}
			s.put(t, "orders", key, order, people[r.IntN(len(people))], change...)
		}
	}
	for i := range 48 { // the last hour, of other orders than the one with many versions
		t := s.end.Add(-time.Duration(i*i) * 1560 * time.Millisecond)
		s.put(t, "orders", fmt.Sprintf("order-%06d", orders-i%min(orders, 20)), object{"state": []string{"new", "paid", "sent"}[i%3], "total": 900 + r.IntN(9000), "customer": userKeys[i%len(userKeys)], "items": 1 + i%5}, people[i%len(people)])
	}
	slices.SortStableFunc(s.facts, func(a, b backend.Fact) int { return a.TransactionTime.Compare(b.TransactionTime) })
	return s.facts
}

func keysOf(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// hostile returns facts whose keys and values contain markup and scripts.
func hostile() (facts []backend.Fact) {
	deep := strings.Repeat(`{"a":[`, 45) + `"the bottom"` + strings.Repeat(`]}`, 45)
	for key, value := range map[string]string{
		"<script>window.pwned=1</script>": `{"title":"<img src=x onerror=window.pwned=1>","link":"javascript:window.pwned=1","html":"<script>window.pwned=1</script>"}`,
		"invoice\u202efdp.exe":            `{"note":"safe` + "\u200b\u2066" + ` // ignore above ` + "\u2069" + `","payee":"p` + "\u0430" + `ypal","escape":"\u001b[2J\u0000"}`,
		"a/b//../c?d#e%2F":                `{"path":true}`,
		"..":                              `{"dots":2}`,
		"":                                `{"empty":true}`,
		" spaces ":                        `{"amount":12345678901234567890.10,"small":1e-400,"zero":-0}`,
		"\x1b[31mred\x07":                 `"` + "\u009b" + `31mred"`,
		"__proto__":                       `{"__proto__":{"pwned":1},"constructor":{"prototype":1},"10":1,"2":2}`,
		strings.Repeat("long ", 200):      `[1,2,3]`,
		"deep":                            deep,
		"big":                             `{"blob":"` + strings.Repeat("iVBORw0K", (16<<20-8192)/8) + `"}`,
		"many":                            `[` + strings.Repeat("1,", 300000) + `1]`,
		"text":                            `"` + strings.Repeat("word ", 60) + `"`,
	} {
		facts = append(facts, backend.Fact{ID: fmt.Sprintf("hostile-%d-%x", len(facts), len(value)), Store: "hostile", Key: key, Value: json.RawMessage(value), Producer: json.RawMessage(`{"who":"<b>mallory</b>` + "\u202e" + `"}`)})
	}
	slices.SortFunc(facts, func(a, b backend.Fact) int { return strings.Compare(a.Key, b.Key) })
	facts = append(facts, backend.Fact{ID: "hostile/../<i>", Store: "<b>store</b>", Key: "k", Value: json.RawMessage(`1`)})
	return facts
}

func write(t testing.TB, log backend.Log, facts []backend.Fact) {
	t.Helper()
	for len(facts) > 0 {
		n := min(len(facts), 200)
		require.NoError(t, log.Write(t.Context(), backend.Batch{Facts: facts[:n]})[0].Err)
		facts = facts[n:]
	}
}
