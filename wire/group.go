// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// AppendGroup appends the body that holds all the facts as one: an array, or for a single fact the
// fact itself. The facts must be valid.
func AppendGroup(dst []byte, facts []backend.Fact) []byte {
	return appendGroup(dst, len(facts), func(dst []byte, i int) []byte { return AppendFact(dst, &facts[i]) })
}

// AppendBodies is [AppendGroup] for encoded facts: facts has their bodies.
func AppendBodies(dst []byte, facts [][]byte) []byte {
	return appendGroup(dst, len(facts), func(dst []byte, i int) []byte { return append(dst, facts[i]...) })
}

func appendGroup(dst []byte, n int, appendFact func(dst []byte, i int) []byte) []byte {
	if n == 1 {
		return appendFact(dst, 0)
	}
	start, between, end := len(dst), ",\n", "\n]"
	dst = append(dst, "[\n"...)
	for i := 0; i < n; i++ {
		if i > 0 {
			dst = append(dst, between...)
		}
		from := len(dst)
		dst = appendFact(dst, i)
		if between == ",\n" && bytes.IndexByte(dst[from:], '\n') >= 0 {
			// A value has line ends: begin again, without line ends between facts.
			dst, between, end, i = append(dst[:start], '['), ",", "]", -1
		}
	}
	return append(dst, end...)
}

// ParseGroup appends the facts of a body that this codec wrote and a CRC covered to facts: one fact, or
// an array of facts. [ParseFact] says which bytes it may be used for, and what memory the facts share. After an error it
// returns facts unchanged.
func ParseGroup(facts []backend.Fact, body []byte) ([]backend.Fact, error) {
	n := len(facts)
	if len(body) == 0 || body[0] != '[' {
		f, err := ParseFact(body)
		if err != nil {
			return facts, err
		}
		return append(facts, f), nil
	}
	if all, ok := parseOwnGroup(facts, body); ok {
		return all, nil
	}
	all, err := checkGroup(facts[:n], body)
	if err != nil {
		return facts[:n], err
	}
	return all, nil
}

// Seqs returns the seqs of the first and the last fact of a body that this codec wrote, and the number of its facts. All
// are 0 for any other body.
func Seqs(body []byte) (first, last uint64, facts int) {
	if len(body) > 0 && body[0] == '{' {
		if first = Seq(body); first > 0 {
			facts = 1
		}
		return first, first, facts
	}
	if has(body, 0, "[\n") && has(body, len(body)-2, "\n]") {
		first = Seq(body[2:])
		last = Seq(body[bytes.LastIndexByte(body[:len(body)-2], '\n')+1:])
		if first > 0 && last >= first {
			return first, last, bytes.Count(body, []byte("\n")) - 1
		}
		return 0, 0, 0
	}
	all, err := ParseGroup(nil, body)
	if err != nil || len(all) == 0 || all[0].Seq == 0 {
		return 0, 0, 0
	}
	return all[0].Seq, all[len(all)-1].Seq, len(all)
}

// parseOwnGroup parses the form of AppendGroup with line ends. It reports false for every other form.
func parseOwnGroup(facts []backend.Fact, body []byte) ([]backend.Fact, bool) {
	if len(body) < len("[\n{}\n]") || !has(body, 0, "[\n") || !has(body, len(body)-2, "\n]") {
		return nil, false
	}
	rest := body[2 : len(body)-1]
	for len(rest) > 0 {
		end := bytes.IndexByte(rest, '\n')
		fact := rest[:end]
		if rest = rest[end+1:]; len(rest) > 0 {
			if end == 0 || fact[end-1] != ',' {
				return nil, false
			}
			fact = fact[:end-1]
		}
		var f backend.Fact
		if !parseOwn(fact, &f) {
			return nil, false
		}
		facts = append(facts, f)
	}
	return facts, true
}

// CheckGroup parses a fact or an array of facts from any source, and checks every byte, as [CheckFact] does.
func CheckGroup(body []byte) ([]backend.Fact, error) {
	if len(body) > 0 && body[0] == '[' {
		return checkGroup(nil, body)
	}
	f, err := CheckFact(body)
	if err != nil {
		return nil, err
	}
	return []backend.Fact{f}, nil
}

// checkGroup parses any array of facts and checks every byte.
func checkGroup(facts []backend.Fact, body []byte) ([]backend.Fact, error) {
	n := len(facts)
	end, err := jsonvalue.Array(body, 0, func(at int) (int, error) {
		f, end, err := readFact(body, at, true)
		facts = append(facts, f)
		return end, err
	})
	if err == nil {
		err = jsonvalue.End(body, end)
	}
	switch {
	case err != nil:
		return nil, invalid("facts", err)
	case len(facts) == n:
		return nil, &backend.InvalidError{Field: "facts", Reason: "an array without facts"}
	}
	return facts, nil
}
