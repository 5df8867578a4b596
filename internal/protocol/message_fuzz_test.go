// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/internal/wiretest"
	"github.com/igniter-store/igniter/wire"
)

// addMessages seeds f with the bodies of recorded conversations, of the client's side or of the server's,
// and with others.
func addMessages(f *testing.F, dir string, others ...[]byte) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	seeds := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		var conversation struct{ Turns []struct{ Dir, Hex string } }
		require.NoError(f, json.Unmarshal(data, &conversation))
		for _, turn := range conversation.Turns {
			if turn.Dir != dir {
				continue
			}
			stream, err := hex.DecodeString(turn.Hex)
			require.NoError(f, err)
			bodies, _, _ := wiretest.ReadFrames(stream)
			for _, body := range bodies {
				f.Add(body)
				seeds++
			}
		}
	}
	require.NotZero(f, seeds)
	for _, body := range others {
		f.Add(body)
	}
}

// FuzzParseRequest compares the fast path of requests to write a fact with the general path, which ParseRequest takes if a
// space precedes the body. It reads every field.
func FuzzParseRequest(f *testing.F) {
	fact := wiretest.Typical()
	batch := backend.Batch{Facts: []backend.Fact{fact, fact}, Expect: []backend.Expect{{Store: "s", Key: "k", ID: "i"}}}
	addMessages(f, "c2s",
		protocol.AppendHello(nil, "c", "t"), protocol.AppendWriteFact(nil, &fact), protocol.AppendWriteFactV1(nil, &fact), protocol.AppendWriteBatch(nil, &batch),
		protocol.AppendReplay(nil, backend.Range{After: backend.Cursor{Seq: 7}}), protocol.AppendSubscribe(nil, backend.Range{After: backend.Cursor{Log: backend.LogID{1}, Seq: 7}, Through: 9, Stores: []string{"a", "b"}}),
		protocol.AppendWriteSnapshot(nil, 9), protocol.AppendPrune(nil, [][2]uint64{{1, 2}}, backend.Horizon{Seq: 3, Time: fact.TransactionTime}),
		[]byte(`{"fact":1}`), []byte(`{"fact":{},"op":"write_fact"}`), []byte(`{"op":"write_fact","fact":{}}`), []byte(`{"op":"write_fact","fact":{},"request_id":7}`),
		[]byte(`{"fact":{},"fact":{},"op":"write_fact"}`), []byte(`{"op":"write_fact","fact":{"id":"i","store":"s","key":"k","value":[}}}`),
		[]byte(`{"op":"write_fact","fact":{"id":"i","store":"s","key":"k","value":1,"producer":[},"value":2}}`), []byte(`{"op":"ping","fact":tru}`),
		[]byte(`{"op":"write_batch","facts":[{"id":"i","store":"s","key":"k","value":{"a":[}},{}]}`), []byte(`{"op":"write_fact","fact":{}} `), []byte(`{"op":"write_fact","fact":}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keep := bytes.Clone(body)
		quick, general := protocol.ParseRequest(body), protocol.ParseRequest(append([]byte{' '}, body...))
		require.Equal(t, keep, body, "a parser changes nothing")
		readRequest(t, &quick)
		requireChecked(t, body, &quick)
		requireChecked(t, body, &general)
		if jsonvalue.Check(body, backend.MaxDepth+9) != nil { // positions in errors differ, and how deep the deepest may be
			return
		}
		require.Equal(t, quick.Op, general.Op)
		require.Equal(t, quick.ID, general.ID)
		require.Equal(t, quick.Err == nil, general.Err == nil)
		one, oneErr := quick.Fact()
		other, otherErr := general.Fact()
		require.Equal(t, oneErr, otherErr)
		require.Equal(t, one, other)
	})
}

// requireChecked requires that facts which would be written come from a body that is JSON in every byte:
// ParseRequest leaves the values to Validate, and nothing else.
func requireChecked(t *testing.T, body []byte, r *protocol.Request) {
	f, factErr := r.Fact()
	b, batchErr := r.Batch()
	malformed := jsonvalue.Check(body, backend.MaxDepth+10)
	switch {
	case r.Err != nil:
	case r.Op == protocol.OpWriteFact && (factErr != nil || f.Validate() != nil):
	case r.Op == protocol.OpWriteBatch && (batchErr != nil || b.Validate() != nil):
	default:
		require.NoError(t, malformed)
	}
	if diagnosed := r.Diagnose(backend.ErrInvalid); r.Err == nil && malformed != nil {
		require.Equal(t, "invalid_request", protocol.ErrorCode(diagnosed))
	} else if r.Err == nil {
		require.Equal(t, backend.ErrInvalid, diagnosed)
	}
}

// readRequest reads all fields of a request. Each must be an error, or a value that can be sent again.
func readRequest(t *testing.T, r *protocol.Request) {
	if r.Err != nil {
		require.ErrorIs(t, r.Err, backend.ErrInvalid)
		require.Empty(t, r.Op)
		return
	}
	if r.ID != nil {
		require.NoError(t, jsonvalue.Check(protocol.AppendOK(nil, r.ID), backend.MaxDepth+10))
	}
	if f, err := r.Fact(); err != nil {
		require.ErrorIs(t, err, backend.ErrInvalid)
	} else if f.Validate() == nil {
		f.Seq = 0
		again := protocol.ParseRequest(protocol.AppendWriteFact(nil, &f))
		got, err := again.Fact()
		require.NoError(t, err)
		require.Equal(t, f, got)
	}
	if b, err := r.Batch(); err != nil {
		require.ErrorIs(t, err, backend.ErrInvalid)
	} else if b.Validate() == nil {
		for i := range b.Facts {
			b.Facts[i].Seq = 0
		}
		again := protocol.ParseRequest(protocol.AppendWriteBatch(nil, &b))
		got, err := again.Batch()
		require.NoError(t, err)
		require.Equal(t, b.Facts, got.Facts)
		require.ElementsMatch(t, b.Expect, got.Expect)
	}
	if want, err := r.Range(); err == nil {
		again := protocol.ParseRequest(protocol.AppendSubscribe(nil, want))
		got, err := again.Range()
		require.NoError(t, err)
		require.Equal(t, want, got)
	} else {
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
	horizon, err := r.Horizon()
	if err == nil {
		again := protocol.ParseRequest(protocol.AppendPrune(nil, nil, horizon))
		got, err := again.Horizon()
		require.NoError(t, err)
		require.Equal(t, horizon, got)
	} else {
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
	if ranges, err := r.Seqs(); err == nil {
		again := protocol.ParseRequest(protocol.AppendPrune(nil, ranges, backend.Horizon{}))
		got, err := again.Seqs()
		require.NoError(t, err)
		require.ElementsMatch(t, ranges, got)
	} else {
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
	token, err := r.Token()
	if err == nil {
		again := protocol.ParseRequest(protocol.AppendHello(nil, "", token))
		got, err := again.Token()
		require.NoError(t, err)
		require.Equal(t, token, got)
	}
}

// FuzzParseAnswer parses bytes as every kind of answer. A valid answer can be written and parsed again.
func FuzzParseAnswer(f *testing.F) {
	fact := wiretest.Typical()
	p := []protocol.Ack{protocol.AckOf(&fact, false), protocol.AckOf(&fact, true), protocol.DuplicateOf(&fact, &backend.Fact{Value: []byte("{}")})}
	addMessages(f, "s2c",
		protocol.AppendWritten(nil, p[0], nil), protocol.AppendWritten(nil, p[1], []byte("7")), protocol.AppendWrittenBatch(nil, p, nil), protocol.AppendOK(nil, nil),
		protocol.AppendHelloReply(nil, protocol.HelloReply{Protocol: 2, Features: protocol.Features{Batches: true, Stores: []string{"a"}}}, nil), protocol.AppendFactsV1(nil, []backend.Fact{fact}, nil),
		[]byte(`{"ok":true,"facts":[1]}`), []byte(`{"ok":true,"seq":0,"causation":null,"transaction_time":5.0}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keep := bytes.Clone(body)
		if p, err := protocol.ParseWritten(body); err == nil {
			require.NotZero(t, p.Seq)
			if sendable(p) {
				got, err := protocol.ParseWritten(protocol.AppendWritten(nil, p, nil))
				require.NoError(t, err)
				require.Equal(t, p, got)
			}
			if jsonvalue.Check(body, backend.MaxDepth) == nil {
				slow, err := protocol.ParseWritten(append([]byte{' '}, body...)) // not the form of the quick path
				require.NoError(t, err)
				require.Equal(t, p, slow)
			}
		} else {
			requireTold(t, err)
		}
		for n := range 3 {
			if places, err := protocol.ParseWrittenBatch(body, n); err == nil {
				require.Len(t, places, n)
				all := true
				for i := range places {
					all = all && sendable(places[i])
				}
				if all {
					got, err := protocol.ParseWrittenBatch(protocol.AppendWrittenBatch(nil, places, nil), n)
					require.NoError(t, err)
					require.Equal(t, places, got)
				}
			} else {
				requireTold(t, err)
			}
		}
		if facts, err := protocol.ParseFactsV1(body); err == nil {
			got, err := protocol.ParseFactsV1(protocol.AppendFactsV1(nil, facts, nil))
			require.NoError(t, err)
			require.Len(t, got, len(facts))
			for i := range got {
				facts[i].Seq = 0
				require.Equal(t, facts[i], got[i])
			}
		} else {
			requireTold(t, err)
		}
		var w protocol.HelloReply
		if err := protocol.ParseAnswer(body, &w); err != nil {
			requireTold(t, err)
		}
		if s, err := protocol.ParseStats(body); err == nil {
			got, err := protocol.ParseStats(protocol.CloseAnswer(protocol.AppendStats(protocol.OpenAnswer(nil), &s), nil))
			require.NoError(t, err)
			require.Equal(t, s.LastSeq, got.LastSeq)
		}
		require.Equal(t, keep, body, "a parser changes nothing")
	})
}

// sendable reports whether a server can send an ack.
func sendable(p protocol.Ack) bool {
	return !p.TransactionTime.IsZero() && (p.Fact == nil || p.Fact.Validate() == nil)
}

// requireTold requires an error that says that the bytes are not an answer, or an error from an answer.
func requireTold(t *testing.T, err error) {
	t.Helper()
	require.NotEmpty(t, err.Error())
	for _, s := range sentinels() {
		if errors.Is(err, s) {
			return
		}
	}
	require.Fail(t, "an error without a name", "%v", err)
}

// FuzzParseError parses bytes as an error. When it is sent again, it stays the same.
func FuzzParseError(f *testing.F) {
	var others [][]byte
	for _, c := range codes {
		others = append(others, protocol.AppendError(nil, c.err, nil))
	}
	addMessages(f, "s2c", others...)
	f.Fuzz(func(t *testing.T, body []byte) {
		err := protocol.ParseError(body)
		requireTold(t, err)
		sent := protocol.AppendError(nil, err, []byte(`"r"`))
		require.NoError(t, jsonvalue.Check(sent, 2))
		require.True(t, protocol.IsError(sent))
		got := protocol.ParseError(sent)
		require.Equal(t, protocol.ErrorCode(err), protocol.ErrorCode(got))
		again := protocol.ParseError(protocol.AppendError(nil, got, []byte(`"r"`)))
		require.Equal(t, got, again)
	})
}

// FuzzStream parses bytes as a message of a stream, of either version, and as a frame's body in a log.
func FuzzStream(f *testing.F) {
	fact := wiretest.Typical()
	odd := fact
	odd.Value = []byte("[\n]")
	horizons := map[string]backend.Horizon{"tasks": {Seq: 7, Time: fact.TransactionTime}, backend.AllStores: {Seq: 3}}
	addMessages(f, "s2c",
		protocol.AppendStream(nil, backend.Cursor{}, nil, nil), protocol.AppendStream(nil, backend.Cursor{Log: backend.LogID{1}, Seq: 7}, horizons, nil), protocol.AppendEnd(nil, 5), protocol.AppendHeartbeat(nil, 6, nil), protocol.AppendHeartbeat(nil, 6, horizons), protocol.AppendEventV1(nil, &fact),
		wire.AppendFact(nil, &fact), wire.AppendGroup(nil, []backend.Fact{fact, fact}), wire.AppendGroup(nil, []backend.Fact{odd, fact}),
		protocol.AppendError(nil, backend.ErrForbidden, nil), []byte("[\n"), []byte("[\n]"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 {
			return // no frame holds it
		}
		if protocol.IsControl(body) {
			if s, err := protocol.ParseControl(body); err != nil {
				requireTold(t, err)
			} else if !s.End {
				got, err := protocol.ParseControl(protocol.AppendHeartbeat(nil, s.LastSeq, s.Horizons))
				require.NoError(t, err)
				require.Equal(t, s, got)
			}
		}
		if through, horizons, err := protocol.ParseStream(body); err != nil {
			requireTold(t, err)
		} else {
			got, again, err := protocol.ParseStream(protocol.AppendStream(nil, through, horizons, nil))
			require.NoError(t, err)
			require.Equal(t, through, got)
			require.Equal(t, horizons, again)
		}
		if fact, ok, err := protocol.ParseEventV1(body); err != nil {
			require.False(t, ok)
			require.ErrorIs(t, err, backend.ErrInvalid)
		} else if ok {
			fact.Seq = 0
			got, ok, err := protocol.ParseEventV1(protocol.AppendEventV1(nil, &fact))
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, fact, got)
		}
		first, last, n := wire.Seqs(body)
		require.Equal(t, n == 0, first == 0)
		facts, err := wire.ParseGroup(nil, body)
		if err == nil && ordered(facts) && isOwn(body, facts) {
			require.Equal(t, []any{facts[0].Seq, facts[len(facts)-1].Seq, len(facts)}, []any{first, last, n})
		}
	})
}

// ordered reports whether facts have ascending seqs, as a log's facts do.
func ordered(facts []backend.Fact) bool {
	last := uint64(0)
	for i := range facts {
		if facts[i].Seq <= last || facts[i].Validate() != nil {
			return false
		}
		last = facts[i].Seq
	}
	return last > 0
}

// isOwn reports whether a body equals this codec's encoding of facts.
func isOwn(body []byte, facts []backend.Fact) bool {
	return bytes.Equal(body, wire.AppendGroup(nil, facts))
}
