// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// A position is where a page begins: after the record of a key.
type position struct {
	Query uint64          `json:"query"` // fingerprint of the query
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value,omitempty"` // what the record had in Query.OrderBy; nil: nothing

	begun  bool   // false: at the start
	number uint32 // of the key, in the order of first writing
}

// cursor returns the Cursor of the page that begins after r.
func (q Query) cursor(store string, r Record) string {
	p := position{Query: q.fingerprint(store), Key: r.Key()}
	if q.OrderBy != "" {
		p.Value = q.inField(r)
	}
	text, _ := json.Marshal(p) // a string, a number and JSON become JSON
	return base64.RawURLEncoding.EncodeToString(text)
}

// begin returns where q begins, or what is wrong with it.
func (q Query) begin(store string) (p position, err error) {
	if q.Limit < 0 {
		return p, &backend.InvalidError{Field: "limit", Reason: fmt.Sprint(q.Limit, " is below 0")}
	}
	if q.Cursor == "" {
		return p, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil && p.Value != nil {
		err = jsonvalue.Check(p.Value, backend.MaxDepth)
	}
	if err != nil || p.Query != q.fingerprint(store) {
		return p, &backend.InvalidError{Field: "cursor", Reason: "it is not the Next of a page of the same query"}
	}
	p.begun = true
	return p, nil
}

// fingerprint identifies the query in its cursors, so that no other query takes them.
func (q Query) fingerprint(store string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q %t %t %d %t %t", store, q.Prefix, q.OrderBy, q.ByKey, q.Descending, q.At.Seq, q.At.none, q.At.now)
	for _, t := range []time.Time{q.At.Time, q.At.Valid} {
		fmt.Fprintf(h, " %d.%d", t.Unix(), t.Nanosecond())
	}
	return h.Sum64()
}

// after returns the number of the key that a page in the order of first writing begins after.
func (p *pick) after(key string) (n uint32, err error) {
	_, _, n, word := p.find(key)
	if word == nil {
		return 0, &backend.InvalidError{Field: "cursor", Reason: fmt.Sprintf("the page before ended with key %q, which is not there any more: begin again, or ask ByKey", key)}
	}
	return n, nil
}
