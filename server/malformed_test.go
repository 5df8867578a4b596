// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/server"
)

// A bystander is a client that others must not disturb.
type bystander struct {
	s *served
	p *peer
}

func newBystander(s *served) *bystander {
	b := &bystander{s, s.dial2()}
	b.p.requireOK("%s", writeJSON("tasks", "bystander"))
	return b
}

// requireUndisturbed requires that the bystander is served, and that the log holds only its fact.
func (b *bystander) requireUndisturbed() {
	b.p.t.Helper()
	b.p.requireAlive()
	facts := b.s.facts()
	require.Len(b.p.t, facts, 1)
	require.Equal(b.p.t, "bystander", facts[0].ID)
}

func header(length uint32) []byte { return binary.BigEndian.AppendUint32(nil, length) }

// damage returns damaged frames.
func damage(limit int) map[string][]byte {
	wrongCRC := framesOf(writeJSON("tasks", "damaged"))
	wrongCRC[len(wrongCRC)-1] ^= 1
	flipped := framesOf(writeJSON("tasks", "damaged"))
	flipped[10] ^= 1
	return map[string][]byte{
		"wrong CRC":         wrongCRC,
		"flipped bit":       flipped,
		"length 0":          header(0),
		"length 0 and CRC":  append(header(0), 0, 0, 0, 0),
		"above the limit":   header(uint32(limit) + 1),
		"2 GiB":             header(1 << 31),
		"4 GiB":             header(1<<32 - 1),
		"HTTP":              []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"a line":            []byte("hello\n"),
		"a TLS handshake":   {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03},
		"body without more": framesOf(`{"op":"ping"}`)[4:],
	}
}

// TestDamagedFrames sends a damaged frame first, after hello, after a request, and on a subscription. The server answers
// with an error, even if many more bytes follow, and closes the connection. It does not read the later bytes.
func TestDamagedFrames(t *testing.T) {
	const limit = 1 << 20
	s := serveMemory(t, server.Options{MaxFrame: limit})
	other := newBystander(s)
	damaged := uint64(0)
	for name, bytes := range damage(limit) {
		for _, place := range []string{"first", "version 2", "after a request", "subscription", "subscription of version 1"} {
			t.Run(name+"/"+place, func(t *testing.T) {
				p := s.dial()
				before := ""
				switch place {
				case "version 2":
					p.hello("")
				case "after a request":
					p.hello("")
					before = `{"op":"ping"}`
				case "subscription":
					p.hello("")
					p.requireOK(`{"op":"subscribe","after":1}`)
				case "subscription of version 1":
					p.requireOK(`{"op":"subscribe"}`)
				}
				after := framesOf(writeJSON("tasks", "after damage"), strings.Repeat(" ", 100<<10)+"{}")
				if before != "" {
					p.sendBytes(append(framesOf(before), append(bytes, after...)...))
					require.Equal(t, `{"ok":true,"pong":true}`, p.next())
				} else {
					p.sendBytes(append(bytes, after...))
				}
				if place != "subscription of version 1" { // it has no message for errors
					a := answerOf(t, p.next())
					require.False(t, a.OK)
					require.Equal(t, "invalid_request", a.Code)
					require.NotEmpty(t, a.Error)
				}
				p.requireEnd()
				other.requireUndisturbed()
				damaged++
				require.Equal(t, damaged, s.Metrics().Errors["invalid_request"])
			})
		}
	}
}

// TestTruncatedFrames closes the connection at every byte of a frame. The request has no effect.
func TestTruncatedFrames(t *testing.T) {
	s := serveMemory(t, server.Options{})
	other := newBystander(s)
	frame := framesOf(writeJSON("tasks", "cut"))
	for n := range frame {
		p := s.dial()
		p.sendBytes(frame[:n])
		require.NoError(t, p.Conn.(interface{ CloseWrite() error }).CloseWrite())
		p.requireEnd()
	}
	other.requireUndisturbed()
}

// A nonsense is a well-framed body that is not a valid request. code is the error code in version 2 and, unless
// v1 is set, in version 1.
type nonsense struct {
	body     string
	code, v1 string
}

func manyKeys(n int, last string) string {
	var keys strings.Builder
	for i := range n {
		fmt.Fprintf(&keys, `"k%d":0,`, i)
	}
	return "{" + keys.String() + last + "}"
}

func nonsenses() map[string]nonsense {
	const inv, fact, unknown = "invalid_request", "invalid_fact", "unknown_op"
	write := func(f string) string { return `{"op":"write_fact","fact":` + f + `}` }
	ruby := func(f string) string { return `{"fact":` + f + `,"op":"write_fact"}` }
	batch := func(f string) string { return `{"op":"write_batch","facts":[` + f + `]}` }
	ok := factJSON("tasks", "nonsense")
	with := func(field, value string) string {
		return strings.TrimSuffix(ok, "}") + `,"` + field + `":` + value + `}`
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	m := map[string]nonsense{
		"text":                      {`hello`, inv, ""},
		"a space":                   {` `, inv, ""},
		"a zero byte":               {"\x00", inv, ""},
		"number":                    {`7`, inv, ""},
		"string":                    {`"ping"`, inv, ""},
		"null":                      {`null`, inv, ""},
		"array":                     {`[{"op":"ping"}]`, inv, ""},
		"empty object":              {`{}`, inv, ""},
		"unfinished":                {`{"op":"ping"`, inv, ""},
		"two values":                {`{"op":"ping"}{"op":"ping"}`, inv, ""},
		"comma at the end":          {`{"op":"ping",}`, inv, ""},
		"op is no string":           {`{"op":7}`, inv, ""},
		"op is null":                {`{"op":null}`, inv, ""},
		"op is an object":           {`{"op":{"op":"ping"}}`, inv, ""},
		"unknown op":                {`{"op":"nope"}`, unknown, ""},
		"empty op":                  {`{"op":""}`, unknown, ""},
		"op in capitals":            {`{"op":"PING"}`, unknown, ""},
		"key in capitals":           {`{"OP":"ping"}`, inv, ""},
		"duplicate op":              {`{"op":"ping","op":"ping"}`, inv, ""},
		"duplicate key":             {`{"op":"ping","x":1,"x":2}`, inv, ""},
		"duplicate by escape":       {`{"op":"ping","x":1,"\u0078":2}`, inv, ""},
		"duplicate among many":      {manyKeys(100, `"op":"ping","k7":1`), inv, ""},
		"duplicate in a value":      {write(with("producer", `{"a":1,"a":2}`)), inv, ""},
		"invalid UTF-8":             {"{\"op\":\"ping\",\"x\":\"\xff\"}", inv, ""},
		"invalid UTF-8 in a fact":   {write(strings.Replace(ok, "nonsense", "non\xc3(sense", 1)), inv, ""},
		"bad word in a value":       {write(with("producer", `{"a":tru}`)), inv, ""},
		"bad word as a value":       {write(`{"id":"x","store":"tasks","key":"k","value":nul}`), inv, ""},
		"two values as a value":     {write(`{"id":"x","store":"tasks","key":"k","value":1 2}`), inv, ""},
		"brackets that do not fit":  {write(`{"id":"x","store":"tasks","key":"k","value":[}}`), inv, ""},
		"open brackets in a value":  {write(`{"id":"x","store":"tasks","key":"k","value":[[[[}`), inv, ""},
		"open string in a value":    {write(`{"id":"x","store":"tasks","key":"k","value":"\"}`), inv, ""},
		"a line end in a value":     {write("{\"id\":\"x\",\"store\":\"tasks\",\"key\":\"k\",\"value\":\"\n\"}"), inv, ""},
		"a value twice":             {write(`{"id":"x","store":"tasks","key":"k","value":1,"value":2}`), inv, ""},
		"a value twice, odd first":  {write(`{"id":"x","store":"tasks","key":"k","value":[},"value":2}`), inv, ""},
		"unknown field of a fact":   {write(with("x", `[}`)), inv, ""},
		"surrogate in a derivation": {write(with("derivation", `"\ud800"`)), inv, ""},
		"bad value, as Ruby":        {ruby(`{"id":"x","store":"tasks","key":"k","value":{"a":tru},"value_hash":null}`), inv, ""},
		"bad value after its op":    {`{"fact":{"id":"x","store":"tasks","key":"k","value":{"a":tru}},"op":"write_fact","request_id":1}`, inv, ""},
		"fact of another op":        {`{"op":"ping","fact":{"value":tru}}`, inv, ""},
		"facts of another op":       {`{"op":"write_fact","fact":` + ok + `,"facts":[tru]}`, inv, ""},
		"bad field beside a fact":   {`{"op":"write_fact","fact":` + ok + `,"x":[}}`, inv, ""},
		"batch with a bad value":    {batch(ok + `,{"id":"x","store":"tasks","key":"k","value":[}}`), inv, unknown},
		"batch with a long number":  {batch(ok + `,{"id":"x","store":"tasks","key":"k","value":1.}`), inv, unknown},
		"batch that does not end":   {`{"op":"write_batch","facts":[` + ok + `}`, inv, ""},
		"fact nested 99 deep":       {write(strings.Replace(ok, `{"of":"nonsense"}`, deep(99), 1)), inv, ""},
		"fact nested 98 deep":       {write(strings.Replace(ok, `{"of":"nonsense"}`, deep(98), 1)), fact, ""},
		"lone surrogate":            {`{"op":"ping","x":"\ud800"}`, inv, ""},
		"control character":         {"{\"op\":\"ping\",\"x\":\"\n\"}", inv, ""},
		"nested 200 deep":           {`{"op":"ping","x":` + deep(200) + `}`, inv, ""},
		"half a million deep":       {deep(500_000), inv, ""},
		"half a million open":       {strings.Repeat(`{"a":`, 100_000), inv, ""},
		"fact nested 91 deep":       {write(strings.Replace(ok, `{"of":"nonsense"}`, deep(91), 1)), fact, ""},
		"no fact":                   {`{"op":"write_fact"}`, inv, ""},
		"fact is null":              {write(`null`), fact, ""},
		"fact is an array":          {write(`[` + ok + `]`), fact, ""},
		"fact is a string":          {write(`"x"`), fact, ""},
		"without id":                {write(`{"store":"tasks","key":"k","value":1}`), fact, ""},
		"without store":             {write(`{"id":"x","key":"k","value":1}`), fact, ""},
		"without key":               {write(`{"id":"x","store":"tasks","value":1}`), fact, ""},
		"without value":             {write(`{"id":"x","store":"tasks","key":"k"}`), fact, ""},
		"without value, as Ruby":    {ruby(`{"id":"x","store":"tasks","key":"k"}`), fact, ""},
		"id is null":                {write(`{"id":null,"store":"tasks","key":"k","value":1}`), fact, ""},
		"empty id":                  {write(`{"id":"","store":"tasks","key":"k","value":1}`), fact, ""},
		"empty store":               {write(`{"id":"x","store":"","key":"k","value":1}`), fact, ""},
		"id is a number":            {write(`{"id":7,"store":"tasks","key":"k","value":1}`), fact, ""},
		"long id":                   {write(`{"id":"` + strings.Repeat("x", 129) + `","store":"tasks","key":"k","value":1}`), fact, ""},
		"long store":                {write(`{"id":"x","store":"` + strings.Repeat("x", 257) + `","key":"k","value":1}`), fact, ""},
		"long key":                  {write(`{"id":"x","store":"tasks","key":"` + strings.Repeat("x", 1025) + `","value":1}`), fact, ""},
		"time is a string":          {write(with("transaction_time", `"now"`)), fact, ""},
		"time beyond time":          {write(with("valid_time", `1e300`)), fact, ""},
		"version is a string":       {write(with("schema_version", `"1"`)), fact, ""},
		"negative version":          {write(with("schema_version", `-1`)), fact, ""},
		"huge version":              {write(with("schema_version", `99999999999999999999`)), fact, ""},
		"hash is a number":          {write(with("value_hash", `1`)), fact, ""},
		"long hash":                 {write(with("value_hash", `"`+strings.Repeat("x", 129)+`"`)), fact, ""},
		"causation is a number":     {write(with("causation", `1`)), fact, ""},
		"seq is a string":           {write(with("seq", `"1"`)), fact, ""},
		"batch without facts":       {`{"op":"write_batch"}`, inv, unknown},
		"batch of no array":         {`{"op":"write_batch","facts":` + ok + `}`, inv, unknown},
		"batch of a number":         {batch(`7`), fact, unknown},
		"batch with a bad fact":     {batch(ok + `,{"id":"x","store":"tasks","key":"k"}`), fact, unknown},
		"batch with a bad id":       {batch(ok + `,{"id":"","store":"tasks","key":"k","value":1}`), fact, unknown},
		"expect is a number":        {`{"op":"write_batch","facts":[` + ok + `],"expect":7}`, inv, unknown},
		"expect of numbers":         {`{"op":"write_batch","facts":[` + ok + `],"expect":[7]}`, inv, unknown},
		"expect without store":      {`{"op":"write_batch","facts":[` + ok + `],"expect":[{"key":"k","id":""}]}`, fact, unknown},
		"replay after a string":     {`{"op":"replay","after":"now"}`, inv, "-"},
		"replay after no cursor":    {`{"op":"replay","after":"1@2"}`, inv, "-"},
		"replay after -1":           {`{"op":"replay","after":-1}`, inv, "-"},
		"replay after 1.5":          {`{"op":"replay","after":1.5}`, inv, "-"},
		"replay after too much":     {`{"op":"replay","after":18446744073709551616}`, inv, "-"},
		"replay of a string":        {`{"op":"replay","stores":"tasks"}`, inv, "-"},
		"subscribe to numbers":      {`{"op":"subscribe","stores":[1]}`, inv, "-"},
		"subscribe after an object": {`{"op":"subscribe","after":{}}`, inv, "-"},
		"snapshot through a string": {`{"op":"write_snapshot","through":"all"}`, inv, "-"},
		"prune nothing named":       {`{"op":"prune"}`, inv, unknown},
		"prune null":                {`{"op":"prune","seqs":null}`, inv, unknown},
		"prune a number":            {`{"op":"prune","seqs":1}`, inv, unknown},
		"prune numbers":             {`{"op":"prune","seqs":[1,2]}`, inv, unknown},
		"prune strings":             {`{"op":"prune","seqs":[["1","2"]]}`, inv, unknown},
		"prune negative":            {`{"op":"prune","seqs":[[-1,2]]}`, inv, unknown},
		"prune backwards":           {`{"op":"prune","seqs":[[2,1]]}`, inv, unknown},
		"prune half a range":        {`{"op":"prune","seqs":[[1]]}`, inv, unknown},
		"prune no range":            {`{"op":"prune","seqs":[[]]}`, inv, unknown},
		"prune a range of three":    {`{"op":"prune","seqs":[[1,1,1]]}`, inv, unknown},
		"hello without protocol":    {`{"op":"hello"}`, inv, ""},
		"hello of version 1":        {`{"op":"hello","protocol":1}`, inv, ""},
		"hello of a string":         {`{"op":"hello","protocol":"2"}`, inv, ""},
		"token is a number":         {`{"op":"hello","protocol":2,"token":7}`, inv, ""},
	}
	return m
}

// TestNonsense sends well-framed bodies that are not valid requests, in both versions, alone and between valid requests.
// Each is answered with an error, and the connection goes on.
func TestNonsense(t *testing.T) {
	s := serveMemory(t, server.Options{})
	other := newBystander(s)
	v1, v2 := s.dial(), s.dial2()
	for name, x := range nonsenses() {
		t.Run(name, func(t *testing.T) {
			for version, p := range map[string]*peer{"1": v1, "2": v2} {
				code := x.code
				if version == "1" && x.v1 != "" {
					code = x.v1
				}
				if code == "-" {
					continue // version 1 ignores it
				}
				p.t = t
				p.requireCode(code, "%s", x.body)
				p.send(`{"op":"ping","request_id":1}`, x.body, x.body, `{"op":"ping","request_id":2}`)
				require.Equal(t, `{"ok":true,"pong":true,"request_id":1}`, p.next())
				require.Equal(t, code, answerOf(t, p.next()).Code)
				require.Equal(t, code, answerOf(t, p.next()).Code)
				require.Equal(t, `{"ok":true,"pong":true,"request_id":2}`, p.next())
			}
			other.requireUndisturbed()
		})
	}
}

// TestNonsenseAmongFacts sends invalid facts between valid ones: each has its own verdict.
func TestNonsenseAmongFacts(t *testing.T) {
	s := serveMemory(t, server.Options{})
	p := s.dial2()
	p.send(writeJSON("tasks", "a"), `{"op":"write_fact","fact":{"id":"x"}}`, writeJSON("tasks", "b"), `{"op":"write_fact"}`,
		`{"op":"write_fact","fact":{"id":"a","store":"tasks","key":"another","value":1}}`, `{`, writeJSON("tasks", "c"))
	var codes []string
	for range 7 {
		a := answerOf(t, p.next())
		codes = append(codes, fmt.Sprint(a.Seq, a.Code))
	}
	require.Equal(t, []string{"1", "0invalid_fact", "2", "0invalid_request", "0id_reused", "0invalid_request", "3"}, codes)
	require.Len(t, s.facts(), 3)
}

// TestRetraction writes a value of null, which is a value, in the forms of both versions.
func TestRetraction(t *testing.T) {
	s := serveMemory(t, server.Options{})
	s.dial().requireOK(`{"fact":{"id":"a","store":"tasks","key":"k","value":null},"op":"write_fact"}`)
	s.dial2().requireOK(`{"op":"write_fact","fact":{"id":"b","store":"tasks","key":"k","value": null }}`)
	s.dial2().requireOK(`{"op":"write_batch","facts":[{"value":null,"id":"c","store":"tasks","key":"k"}]}`)
	facts := s.facts()
	require.Len(t, facts, 3)
	for _, f := range facts {
		require.True(t, f.Retraction())
	}
	require.Equal(t, "b", facts[2].Causation)
}

// TestEmptyKey: the empty key is a key.
func TestEmptyKey(t *testing.T) {
	s := serveMemory(t, server.Options{})
	s.dial().requireOK(`{"fact":{"id":"a","store":"tasks","key":"","value":1},"op":"write_fact"}`)
	require.Len(t, s.facts(), 1)
}

// TestVersion2BeforeHello sends ops of version 2 without hello.
func TestVersion2BeforeHello(t *testing.T) {
	s := serveMemory(t, server.Options{})
	p := s.dial()
	p.requireCode("unknown_op", `{"op":"write_batch","facts":[%s]}`, factJSON("tasks", "a"))
	require.Equal(t, `{"ok":false,"error_code":"unknown_op","error":"Unknown op: \"prune\""}`, p.ask(`{"op":"prune","seqs":[[1,1]]}`))
	require.Equal(t, `{"ok":true,"facts":[]}`, p.ask(`{"op":"replay","after":7,"stores":"*"}`))
	require.Equal(t, `{"ok":true}`, p.ask("%s", writeJSON("tasks", "b")))
	require.NotContains(t, p.ask(`{"op":"stats"}`), "last_seq")
	p.hello("")
	p.requireOK(`{"op":"write_batch","facts":[%s]}`, factJSON("tasks", "a"))
	require.Contains(t, p.ask(`{"op":"stats"}`), `"last_seq":2`)
	p.hello("") // a second hello does no harm
	p.requireAlive()
	require.Len(t, s.facts(), 2)
}

// TestRequestsAfterTheLast sends requests after close, and on a subscription: none of them has an effect.
func TestRequestsAfterTheLast(t *testing.T) {
	s := serveMemory(t, server.Options{})
	other := newBystander(s)
	for _, hello := range []bool{false, true} {
		p := s.dial()
		if hello {
			p.hello("")
		}
		p.send(`{"op":"close","request_id":"last"}`, writeJSON("tasks", "after close"), `{"op":"ping"}`)
		require.Equal(t, `{"ok":true,"request_id":"last"}`, p.next())
		p.requireEnd()
	}
	for _, body := range []string{writeJSON("tasks", "on a subscription"), `{"op":"ping"}`, `{"op":"subscribe"}`, `nonsense`} {
		for _, together := range []bool{false, true} {
			p := s.dial2()
			if together {
				p.send(`{"op":"subscribe","after":1}`, body, body)
				require.True(t, answerOf(t, p.next()).OK)
			} else {
				p.requireOK(`{"op":"subscribe","after":1}`)
				p.send(body)
			}
			a := answerOf(t, p.next())
			require.Equal(t, "invalid_request", a.Code)
			require.Contains(t, a.Error, "another connection")
			p.requireEnd()
		}
	}
	p := s.dial()
	p.requireOK(`{"op":"subscribe"}`)
	p.send(writeJSON("tasks", "on a subscription"))
	p.requireEnd()
	other.requireUndisturbed()
}
