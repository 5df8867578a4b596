// SPDX-License-Identifier: Apache-2.0

package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// A Condition says what a value must have in a field. ParseConditions makes it.
type Condition struct {
	Field string // a path; a dot leads into an object
	Op    string // =, !=, >, >=, < or <=
	Want  string // JSON

	equal []byte // Want in the form of jsonvalue.AppendEqual
}

// maxNames is how many names a condition's field may have: to find it, a value is read twice for each.
const maxNames = 16

// ops are the operators, the longer ones before their prefixes.
var ops = []string{"!=", ">=", "<=", "=", ">", "<"}

// parseCondition parses one condition, see [ParseConditions].
func parseCondition(text string) (c Condition, err error) {
	at := strings.IndexAny(text, "!=><")
	for _, op := range ops {
		if at > 0 && strings.HasPrefix(text[at:], op) {
			c.Field, c.Op, c.Want = text[:at], op, text[at+len(op):]
			break
		}
	}
	if c.Op == "" {
		return c, &backend.InvalidError{Field: "where", Reason: fmt.Sprintf("%.200q is not field=value, with =, !=, >, >=, < or <=", text)}
	}
	if strings.Count(c.Field, ".") >= maxNames {
		return c, &backend.InvalidError{Field: "where", Reason: fmt.Sprintf("%.200q leads through more than %d names", c.Field, maxNames)}
	}
	if c.equal, err = jsonvalue.AppendEqual(nil, []byte(c.Want), backend.MaxDepth); err != nil {
		quoted, _ := json.Marshal(c.Want) // a string, which can't fail
		c.Want = string(quoted)
		c.equal, err = jsonvalue.AppendEqual(nil, quoted, backend.MaxDepth)
	}
	if err != nil {
		return c, &backend.InvalidError{Field: "where", Reason: err.Error()}
	}
	c.Want = string(jsonvalue.TrimSpace([]byte(c.Want)))
	return c, nil
}

// ParseConditions parses conditions such as "state=paid", "total>=900" or "owner.name!=ana". The text after the
// operator is JSON, or else a string. Any other text is a *backend.InvalidError.
//
// Values are equal if they are the same JSON in canonical form. Numbers are ordered by value and strings by their bytes;
// values of other or of different kinds are never less or greater. A missing field is not equal to anything.
func ParseConditions(texts []string) (all []Condition, err error) {
	for _, text := range texts {
		c, err := parseCondition(text)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// String returns the condition as ParseConditions reads it.
func (c Condition) String() string { return c.Field + c.Op + c.Want }

// Holds reports whether a value, the JSON of a fact, meets the condition.
func (c *Condition) Holds(value []byte) bool {
	found := Member(value, c.Field)
	if c.Op == "=" || c.Op == "!=" {
		if string(found) == c.Want {
			return c.Op == "="
		}
		form, err := jsonvalue.AppendEqual(nil, found, backend.MaxDepth)
		return (err == nil && bytes.Equal(form, c.equal)) == (c.Op == "=")
	}
	order, ok := compare(found, []byte(c.Want))
	switch {
	case !ok:
		return false
	case order == 0:
		return c.Op == ">=" || c.Op == "<="
	}
	return (order > 0) == (c.Op[0] == '>')
}

// HoldAll reports whether a value meets all conditions.
func HoldAll(all []Condition, value []byte) bool {
	for i := range all {
		if !all[i].Holds(value) {
			return false
		}
	}
	return true
}

// compare orders two numbers, or two strings.
func compare(a, b []byte) (order int, ok bool) {
	if len(a) == 0 || len(b) == 0 {
		return 0, false
	}
	number := func(c byte) bool { return c == '-' || '0' <= c && c <= '9' }
	switch {
	case number(a[0]) && number(b[0]):
		return jsonvalue.ParseNumber(a, nil).Compare(jsonvalue.ParseNumber(b, nil)), true
	case a[0] == '"' && b[0] == '"':
		x, _ := jsonvalue.Text(a)
		y, _ := jsonvalue.Text(b)
		return strings.Compare(x, y), true
	}
	return 0, false
}

// Member returns the value at a path in an object, or nil if none exists. The path is a member's name, or names
// joined by dots that lead through nested objects. A member whose own name contains the dot takes precedence.
func Member(object []byte, path string) []byte {
	if !bytes.HasPrefix(object, []byte("{")) {
		return nil
	}
	if v := jsonvalue.Member(object, path); v != nil {
		return v
	}
	if outer, inner, ok := strings.Cut(path, "."); ok {
		return Member(jsonvalue.Member(object, outer), inner)
	}
	return nil
}

// Matcher returns a function that reports whether a fact passes the filter. The function ignores f.Stores, since the
// log itself selects the stores.
func (f Filter) Matcher() (wants func(fact *backend.Fact) bool) {
	isProducer := producerMatcher(f.Producer)
	return func(fact *backend.Fact) bool {
		return (f.Key == nil || fact.Key == *f.Key) && strings.HasPrefix(fact.Key, f.Prefix) && isProducer(fact.Producer) && HoldAll(f.Where, fact.Value)
	}
}

// producerMatcher returns a function that reports whether a fact's Producer matches a text, see [Filter].
func producerMatcher(text string) func(producer []byte) bool {
	if text == "" {
		return func([]byte) bool { return true }
	}
	asJSON, _ := jsonvalue.AppendEqual(nil, []byte(text), backend.MaxDepth) // nil: the text is no JSON
	quoted, _ := json.Marshal(text)                                         // a string, which can't fail
	asText, _ := jsonvalue.AppendEqual(nil, quoted, backend.MaxDepth)
	return func(producer []byte) bool {
		form, err := jsonvalue.AppendEqual(nil, producer, backend.MaxDepth)
		if err != nil {
			return false
		}
		if bytes.Equal(form, asText) || asJSON != nil && bytes.Equal(form, asJSON) {
			return true
		}
		name, err := jsonvalue.AppendEqual(nil, Member(form, "name"), backend.MaxDepth)
		return err == nil && bytes.Equal(name, asText)
	}
}
