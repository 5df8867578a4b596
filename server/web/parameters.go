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
	"github.com/igniter-store/igniter/wire"
)

// maxStores is how many different stores a request may name.
const maxStores = 4096

// parameters returns the query parameters of a request. Unknown and malformed parameters are rejected, and so is one
// that is given twice where only one counts.
func parameters(r *http.Request, known ...string) (url.Values, error) {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &backend.InvalidError{Field: "query", Reason: err.Error()}
	}
	for name, values := range given {
		switch {
		case !slices.Contains(known, name):
			return nil, &backend.InvalidError{Field: "query", Reason: fmt.Sprintf("there is no parameter %q here: the parameters are %s", name, strings.Join(known, ", "))}
		case len(values) > 1 && name != "store":
			return nil, &backend.InvalidError{Field: name, Reason: "given more than once"}
		}
		slices.Sort(values)
		if given[name] = slices.Compact(values); len(given[name]) > maxStores {
			return nil, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("given more than %d times: leave it out to read all stores", maxStores)}
		}
	}
	return given, nil
}

// limitParameter parses how many facts are wanted; 0: all.
func limitParameter(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, &backend.InvalidError{Field: "limit", Reason: fmt.Sprintf("%q is no number of facts", text)}
	}
	return n, nil
}

// seqParameter parses a seq; ok is false if text is empty.
func seqParameter(name, text string) (seq uint64, ok bool, err error) {
	if text == "" {
		return 0, false, nil
	}
	if seq, err = strconv.ParseUint(text, 10, 64); err != nil {
		return 0, false, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("%q is no seq", text)}
	}
	return seq, true, nil
}

// cursorParameter parses a cursor; zero if text is empty.
func cursorParameter(name, text string) (backend.Cursor, error) {
	if text == "" {
		return backend.Cursor{}, nil
	}
	c, err := backend.ParseCursor(text)
	if err != nil {
		return c, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("%q is neither a seq nor a seq and a log, such as 51233@0197c0de-…", text)}
	}
	return c, nil
}

// momentParameters parses the parameters that say as of when to read.
func momentParameters(r *http.Request) (at Moment, err error) {
	given, err := parameters(r, "as_of", "at_seq", "valid_at")
	if err != nil {
		return at, err
	}
	seq, ok, err := seqParameter("at_seq", given.Get("at_seq"))
	if err == nil && ok && seq == 0 {
		err = &backend.InvalidError{Field: "at_seq", Reason: "0: seqs begin at 1"}
	}
	if err != nil {
		return at, err
	}
	at.Seq = seq
	if text := given.Get("as_of"); text != now { // all that the log holds, whatever its clock says
		if at.Time, err = timeParameter("as_of", text); err != nil {
			return at, err
		}
	}
	if text := given.Get("valid_at"); text == now {
		at.ValidNow = true
	} else {
		at.Valid, err = timeParameter("valid_at", text)
	}
	return at, err
}

// now is the present as a time in a URL.
const now = "now"

// timeParameter parses a time; zero if text is empty.
func timeParameter(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && !t.IsZero() { // the zero time means that none is given
			return t, nil
		}
	}
	if t, err := wire.ParseTime([]byte(text)); err == nil && !t.IsZero() {
		return t, nil
	}
	return time.Time{}, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("%q is no time such as 2026-11-24T10:00:00Z, 2026-11-24, seconds since 1970, or now", text)}
}
