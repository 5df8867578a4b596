// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
)

// maxStores limits the different stores that a request names.
const maxStores = 4096

// maxRepeated limits the repetitions of any other parameter that may be repeated.
const maxRepeated = 64

// maxWhere limits the conditions of a request, since each is checked on every value.
const maxWhere = 16

// repeated are the parameters that may be given more than once.
var repeated = []string{"store", "where", "facet", "by", "expect"}

// parameters are the query parameters of a request. err is about the first that can't be parsed.
type parameters struct {
	url.Values
	now time.Time
	err error
}

// mayBeEmpty are the parameters whose empty text has a meaning: the empty key, any key, and the first page or fact.
var mayBeEmpty = []string{"key", "prefix", "cursor", "after"}

// given returns the query parameters of a request. It rejects unknown and malformed parameters, a parameter that is given twice
// although only one counts, and an empty parameter: an empty variable of a script would otherwise change the question, for
// example from the past to the present.
func given(r *http.Request, known ...string) *parameters {
	p := &parameters{now: time.Now()}
	if p.Values, p.err = url.ParseQuery(r.URL.RawQuery); p.err != nil {
		p.err = &backend.InvalidError{Field: "query", Reason: p.err.Error()}
		return p
	}
	for name, values := range p.Values {
		limit := maxRepeated
		if name == "store" {
			limit = maxStores
		}
		switch {
		case !slices.Contains(known, name):
			p.wrong("query", "there is no parameter %q here: the parameters are %s", clip(name), strings.Join(known, ", "))
		case len(values) > 1 && !slices.Contains(repeated, name):
			p.wrong(name, "given more than once")
		case slices.Contains(values, "") && !slices.Contains(mayBeEmpty, name):
			p.wrong(name, "given, and empty")
		}
		if name == "store" {
			slices.Sort(values)
			p.Values[name] = slices.Compact(values)
		}
		if len(p.Values[name]) > limit {
			p.wrong(name, "given more than %d times", limit)
		}
	}
	return p
}

// wrong sets err for a parameter that can't be parsed, if it is the first.
func (p *parameters) wrong(name, reason string, args ...any) {
	if p.err == nil {
		p.err = &backend.InvalidError{Field: name, Reason: fmt.Sprintf(reason, args...)}
	}
}

// store returns the parameter store, which must not be repeated; "" if it is not given.
func (p *parameters) store() string {
	if len(p.Values["store"]) > 1 {
		p.wrong("store", "given more than once")
	}
	return p.Get("store")
}

// number returns a parameter as a whole number from least to most; the value of otherwise if it is not given.
func (p *parameters) number(name string, otherwise, least, most uint64) uint64 {
	text := p.Get(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < least || n > most {
		p.wrong(name, "%q is no number from %d to %d", clip(text), least, most)
	}
	return n
}

// seq returns a seq; 0 if it is not given.
func (p *parameters) seq(name string) uint64 {
	return p.number(name, 0, 1, 1<<64-1)
}

// flag reports whether a parameter is 1.
func (p *parameters) flag(name string) bool {
	switch text := p.Get(name); text {
	case "1":
		return true
	case "", "0":
	default:
		p.wrong(name, "%q is neither 1 nor 0", clip(text))
	}
	return false
}

// time returns a point in time; zero if it is not given.
func (p *parameters) time(name string) (t time.Time) {
	if text := p.Get(name); text != "" {
		var err error
		if t, err = query.ParseTime(text, p.now); err != nil {
			p.wrong(name, "%q is %v", clip(text), err)
		}
	}
	return t
}

// unlessNow returns a point in time; zero if it is not given, or now. Zero stands for everything in the log, also if the
// log's times are ahead of the clock.
func (p *parameters) unlessNow(name string) (t time.Time) {
	if p.Get(name) != now {
		t = p.time(name)
	}
	return t
}

// moment returns the moment as of which to read.
func (p *parameters) moment() query.Moment {
	m := query.Moment{Seq: p.seq("at_seq"), Time: p.unlessNow("as_of")}
	p.valid(&m, "valid_at")
	return m
}

// now is the present as a time in a URL.
const now = "now"

// valid sets the valid time that a parameter gives.
func (p *parameters) valid(m *query.Moment, name string) {
	if m.ValidNow = p.Get(name) == now; !m.ValidNow {
		m.Valid = p.time(name)
	}
}

// between returns the moment in the parameter name, with the valid time in the parameter valid.
func (p *parameters) between(name, valid string) (m query.Moment) {
	if text := p.Get(name); text != "" && !(name == "to" && text == now) && !(name == "from" && text == "0") {
		var err error
		if m, err = query.ParseMoment(text, p.now); err != nil {
			p.wrong(name, "%q is no seq, and %v", clip(text), err)
		}
	}
	p.valid(&m, valid)
	return m
}

// cursor returns a cursor; zero if it is not given.
func (p *parameters) cursor(name, text string) backend.Cursor {
	if text == "" {
		return backend.Cursor{}
	}
	c, err := backend.ParseCursor(text)
	if err != nil {
		p.wrong(name, "%q is neither a seq nor a seq and a log, such as 51233@0197c0de-…", clip(text))
	}
	return c
}

// where returns conditions.
func (p *parameters) where() []query.Condition {
	if len(p.Values["where"]) > maxWhere {
		p.wrong("where", "given more than %d times", maxWhere)
		return nil
	}
	all, err := query.ParseConditions(p.Values["where"])
	if err != nil && p.err == nil {
		p.err = err
	}
	return all
}

// key returns the key, which may be empty; nil: it is not given.
func (p *parameters) key() *string {
	if !p.Has("key") {
		return nil
	}
	key := p.Get("key")
	return &key
}

// filter returns the filter of facts.
func (p *parameters) filter() query.Filter {
	return query.Filter{Stores: p.Values["store"], Key: p.key(), Prefix: p.Get("prefix"), Producer: p.Get("producer"), Where: p.where()}
}
