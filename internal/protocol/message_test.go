// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/internal/wiretest"
	"github.com/igniter-store/igniter/wire"
)

// TestShortRequests parses every prefix and every suffix of requests that write a fact: a text that begins like such a
// request need not end like one.
func TestShortRequests(t *testing.T) {
	f := wiretest.Typical()
	for _, whole := range [][]byte{protocol.AppendWriteFact(nil, &f), protocol.AppendWriteFactV1(nil, &f)} {
		for cut := range whole {
			for _, body := range []string{string(whole[:cut]), string(whole[:cut]) + "}", string(whole[cut:]), `{"fact":` + strings.Repeat("1", cut%30) + "}"} {
				r := protocol.ParseRequest([]byte(body))
				if r.Err != nil {
					require.ErrorIs(t, r.Err, backend.ErrInvalid, body)
					require.Empty(t, r.Op, body)
				}
			}
		}
	}
}

// TestOddAnswers parses answers that our server does not send.
func TestOddAnswers(t *testing.T) {
	for _, body := range []string{
		`{"ok":true,"facts":[1]}`, `{"ok":true,"facts":[null]}`, `{"ok":true,"facts":["x"]}`, `{"ok":true,"facts":[[]]}`, `{"ok":true,"facts":[{}]}`,
		`{"ok":true,"facts":[{"seq":0}]}`, `{"ok":true,"facts":[]}`, `{"ok":true,"facts":{}}`, `{"ok":true,"facts":null}`, `{"ok":true}`,
		`{ "facts":[3],"ok":true}`, `{"ok":true,"facts":[{"seq":1},{"seq":2}]}`, `{"ok":true,"facts":[{"seq":1}]`, `[]`, `1`, `null`, ``,
	} {
		_, err := protocol.ParseWrittenBatch([]byte(body), 1)
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
	for _, body := range []string{
		`{"ok":true,"seq":0,"causation":null,"transaction_time":5.0}`, `{"ok":true,"seq":-1,"causation":null,"transaction_time":5.0}`,
		`{"ok":true,"seq":1,"causation":7,"transaction_time":5.0}`, `{"ok":true,"seq":1,"causation":null,"transaction_time":null}`,
		`{"ok":true,"seq":1,"fact":3}`, `{"ok":true,"seq":1,"fact":{}}`, `{"ok":true}`, `{"seq":1}`, `{"ok":null}`, `[]`, ` `, ``,
	} {
		_, err := protocol.ParseWritten([]byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
	for _, body := range []string{`{"ok":true}`, `{"ok":true,"facts":null}`, `{"ok":true,"facts":{}}`, `{"ok":true,"facts":[1]}`, `{"ok":true,"facts":[{}]}`, `{}`, `[]`, ``} {
		_, err := protocol.ParseFactsV1([]byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
	for _, body := range []string{`{"event":"fact_written"}`, `{"event":"fact_written","fact":null}`, `{"event":"fact_written","fact":[]}`, `{"event":7}`, `[]`, ``} {
		_, _, err := protocol.ParseEventV1([]byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
	for _, body := range []string{`{"last_seq":"x"}`, `{"last_seq":-1}`, `{"last_seq":1.5}`, `7`, `"x"`, `{`, ` `} {
		_, err := protocol.ParseControl([]byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
}

func TestRequestsParseBack(t *testing.T) {
	f := wiretest.Typical()
	f.ID, f.Key = "é\x00\"", ""
	sent := f
	sent.Seq = 0
	second := wiretest.Typical()
	second.Seq = 0

	t.Run("hello", func(t *testing.T) {
		for _, token := range []string{"", "to\"ken\x01"} {
			r := parsed(t, protocol.AppendHello(nil, "é\\", token), protocol.OpHello)
			version, err := r.Protocol()
			require.NoError(t, err)
			require.Equal(t, uint64(protocol.Version), version)
			client, err := r.Client()
			require.NoError(t, err)
			require.Equal(t, "é\\", client)
			got, err := r.Token()
			require.NoError(t, err)
			require.Equal(t, token, got)
		}
	})
	t.Run("write_fact", func(t *testing.T) {
		for _, body := range [][]byte{protocol.AppendWriteFact(nil, &f), protocol.AppendWriteFactV1(nil, &f)} {
			r := parsed(t, body, protocol.OpWriteFact)
			got, err := r.Fact()
			require.NoError(t, err)
			require.Equal(t, sent, got)
		}
	})
	t.Run("write_batch", func(t *testing.T) {
		for _, b := range []backend.Batch{
			{}, {Facts: []backend.Fact{f}}, {Facts: []backend.Fact{f, second}, Expect: []backend.Expect{{Store: "s\"", Key: "", ID: "é"}, {Store: "t", Key: "k"}}},
			{Expect: []backend.Expect{{Store: "t", Key: "k"}}},
		} {
			r := parsed(t, protocol.AppendWriteBatch(nil, &b), protocol.OpWriteBatch)
			got, err := r.Batch()
			require.NoError(t, err)
			want := backend.Batch{Expect: b.Expect}
			for _, f := range b.Facts {
				f.Seq = 0
				want.Facts = append(want.Facts, f)
			}
			require.Equal(t, want, got)
		}
	})
	t.Run("replay and subscribe", func(t *testing.T) {
		for op, appendTo := range map[string]func([]byte, backend.Range) []byte{protocol.OpReplay: protocol.AppendReplay, protocol.OpSubscribe: protocol.AppendSubscribe} {
			for _, stores := range [][]string{nil, {}, {"a"}, {"a", "é\"\n", ""}} {
				for _, seq := range []uint64{0, 7, 1<<64 - 1} {
					for _, through := range []uint64{0, 9, 1<<64 - 1} {
						for _, log := range []backend.LogID{{}, {1, 15: 2}} {
							want := backend.Range{After: backend.Cursor{Log: log, Seq: seq}, Through: through, Stores: stores}
							r := parsed(t, appendTo(nil, want), op)
							got, err := r.Range()
							require.NoError(t, err)
							require.Equal(t, want, got)
						}
					}
				}
			}
		}
		for _, body := range []string{`{"op":"replay"}`, `{"op":"replay","stores":["*"]}`, `{"op":"replay","stores":["a","*"],"after":null,"through":null}`} {
			r := parsed(t, []byte(body), protocol.OpReplay)
			got, err := r.Range()
			require.NoError(t, err)
			require.Equal(t, backend.Range{}, got, "all of the log")
		}
		r := parsed(t, protocol.AppendSubscribeV1(nil), protocol.OpSubscribe)
		require.Nil(t, r.StoresV1())
		for fields, want := range map[string][]string{
			``: nil, `,"stores":null`: nil, `,"stores":7`: nil, `,"stores":"a"`: nil, `,"stores":["a",7]`: nil, `,"stores":["*"]`: nil,
			`,"stores":["a","b"]`: {"a", "b"}, `,"stores":["a"],"after":"x","through":[]`: {"a"},
		} {
			r := parsed(t, []byte(`{"op":"subscribe"`+fields+`}`), protocol.OpSubscribe)
			require.Equal(t, want, r.StoresV1(), fields)
		}
	})
	t.Run("write_snapshot", func(t *testing.T) {
		r := parsed(t, protocol.AppendWriteSnapshot(nil, 1<<64-1), protocol.OpWriteSnapshot)
		through, err := r.Through()
		require.NoError(t, err)
		require.Equal(t, uint64(1<<64-1), through)
		parsed(t, protocol.AppendWriteSnapshotV1(nil, nil), protocol.OpWriteSnapshot)
		parsed(t, protocol.AppendWriteSnapshotV1(nil, []backend.Fact{f, second}), protocol.OpWriteSnapshot)
	})
	t.Run("prune", func(t *testing.T) {
		for _, ranges := range []seqrange.Set{{}, {{1, 1}}, {{1, 5}, {7, 1<<64 - 1}}} {
			for _, h := range []backend.Horizon{{}, {Seq: 1<<64 - 1}, {Seq: 7, Time: f.TransactionTime}, {Time: f.TransactionTime}} {
				r := parsed(t, protocol.AppendPrune(nil, ranges, h), protocol.OpPrune)
				got, err := r.Seqs()
				require.NoError(t, err)
				require.Equal(t, ranges, got)
				horizon, err := r.Horizon()
				require.NoError(t, err)
				require.Equal(t, h, horizon)
			}
		}
	})
	for _, op := range []string{protocol.OpPing, protocol.OpReplay, protocol.OpStats, protocol.OpServerStatus, protocol.OpClose} {
		parsed(t, protocol.AppendRequest(nil, op), op)
	}
}

// parsed parses a valid request without a request_id.
func parsed(t testing.TB, body []byte, op string) protocol.Request {
	t.Helper()
	require.NoError(t, jsonvalue.Check(body, backend.MaxDepth+10))
	r := protocol.ParseRequest(body)
	require.NoError(t, r.Err)
	require.Equal(t, op, r.Op)
	require.Nil(t, r.ID)
	return r
}

// TestOddRequests parses requests with fields that are missing, or of another type.
func TestOddRequests(t *testing.T) {
	for body, field := range map[string]string{
		`[]`: "request", `7`: "request", `null`: "request", `{`: "request", ``: "request", `{"op":"ping"} x`: "request", `{"op":"a","op":"b"}`: "request",
		`{"op":"` + "\xff" + `"}`: "request", strings.Repeat("[", 200) + strings.Repeat("]", 200): "request",
		`{}`: "op", `{"op":7}`: "op", `{"op":null}`: "op", `{"Op":"ping"}`: "op",
	} {
		r := protocol.ParseRequest([]byte(body))
		invalid, ok := errors.AsType[*backend.InvalidError](r.Err)
		require.True(t, ok, body)
		require.Equal(t, field, invalid.Field, body)
		require.Empty(t, r.Op)
	}
	ask := func(fields string) *protocol.Request {
		r := protocol.ParseRequest([]byte(` { "request_id" : 7 , ` + fields + `, "op":"nope", "x":{"op":"y"} } `))
		require.NoError(t, r.Err, fields)
		require.Equal(t, "nope", r.Op)
		require.Equal(t, "7", string(r.ID))
		return &r
	}
	after := func(r *protocol.Request) (uint64, error) {
		x, err := r.Range()
		return x.After.Seq, err
	}
	for _, v := range []string{`-1`, `1.5`, `1e3`, `"x"`, `"01"`, `"1@x"`, `[]`, `{}`, `true`, `18446744073709551616`, `"18446744073709551616"`} {
		for field, get := range map[string]func(*protocol.Request) (uint64, error){
			"after": after, "through": (*protocol.Request).Through, "protocol": (*protocol.Request).Protocol,
		} {
			_, err := get(ask(`"` + field + `":` + v))
			require.ErrorIs(t, err, backend.ErrInvalid, "%s: %s", field, v)
			n, err := get(ask(`"` + field + `":null`))
			require.NoError(t, err)
			require.Zero(t, n)
		}
	}
	for _, v := range []string{`7`, `[]`, `true`} {
		_, err := ask(`"client":` + v).Client()
		require.ErrorIs(t, err, backend.ErrInvalid)
		_, err = ask(`"token":` + v).Token()
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
	for _, v := range []string{`7`, `"a"`, `[1]`, `{}`} {
		_, err := ask(`"stores":` + v).Range()
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
	_, err := ask(`"through":"1"`).Range()
	require.ErrorIs(t, err, backend.ErrInvalid)
	for _, v := range []string{`7`, `[1]`, `{"seq":-1}`, `{"seq":"1"}`, `{"time":"x"}`, `{"time":[]}`} {
		_, err := ask(`"horizon":` + v).Horizon()
		require.ErrorIs(t, err, backend.ErrInvalid, v)
	}
	for _, v := range []string{`7`, `[1]`, `[["a","b"]]`, `[[2,1]]`, `[[-1,1]]`, `[{}]`} {
		_, err := ask(`"seqs":` + v).Seqs()
		require.ErrorIs(t, err, backend.ErrInvalid, v)
	}
	for _, v := range []string{`"fact":null`, `"fact":7`, `"fact":[]`, `"fact":{}`, `"fact":{"id":"a","store":"s","key":"k"}`, `"facts":{}`} {
		_, err := ask(v).Fact()
		require.ErrorIs(t, err, backend.ErrInvalid, v)
	}
	for _, v := range []string{`"facts":null`, `"facts":{}`, `"facts":[7]`, `"facts":[[]]`, `"facts":[{}]`, `"facts":[],"expect":7`, `"facts":[],"expect":[7]`, `"expect":[]`} {
		_, err := ask(v).Batch()
		require.ErrorIs(t, err, backend.ErrInvalid, v)
	}
}

func TestAnswersParseBack(t *testing.T) {
	f := wiretest.Typical()
	places := []protocol.Ack{
		{Seq: 1, TransactionTime: f.TransactionTime}, protocol.AckOf(&f, false), protocol.AckOf(&f, true), {Seq: 1<<64 - 1, Causation: "é\"\x00", TransactionTime: f.TransactionTime},
	}
	for _, id := range []string{"", `"a"`, `[1,{"b":null}]`} {
		for i, p := range places {
			body := protocol.AppendWritten(nil, p, idOf(id))
			got, err := protocol.ParseWritten(body)
			require.NoError(t, err)
			require.Equal(t, p, got)
			requireID(t, body, id)
			require.Equal(t, i == 2, bytes.Contains(body, []byte(`"duplicate":true`)))
		}
		for n := range len(places) + 1 {
			body := protocol.AppendWrittenBatch(nil, places[:n], idOf(id))
			got, err := protocol.ParseWrittenBatch(body, n)
			require.NoError(t, err)
			require.Equal(t, places[:n], got)
			requireID(t, body, id)
			_, err = protocol.ParseWrittenBatch(body, n+1)
			require.ErrorIs(t, err, backend.ErrInvalid)
		}
		for _, features := range []backend.Features{{}, {Stores: []string{}}, {Batches: true, Prune: true, AllIDs: true, MaxFrame: 3, Poll: time.Second, Stores: []string{"x", "é"}}} {
			last, log := uint64(1<<64-1), backend.NewLogID()
			w := protocol.HelloReply{Protocol: 2, Server: "a\"b", LastSeq: &last, MaxFrame: 9, Features: protocol.Features(features),
				Log: log, Ancestors: []backend.Ancestor{{Log: backend.LogID{1}, Through: last}, {Log: backend.LogID{2}}}}
			if features.Stores == nil {
				w.LastSeq, w.Log, w.Ancestors = nil, backend.LogID{}, nil
			}
			body := protocol.AppendHelloReply(nil, w, idOf(id))
			requireID(t, body, id)
			var got protocol.HelloReply
			require.NoError(t, protocol.ParseAnswer(body, &got))
			require.Equal(t, features, backend.Features(got.Features))
			require.Equal(t, w, got)
		}
		require.NoError(t, protocol.ParseAnswer(protocol.AppendOK(nil, idOf(id)), nil))

		facts := []backend.Fact{wiretest.Typical(), wiretest.Typical()}
		facts[0].Seq, facts[1].Seq = 0, 0
		for n := range 3 {
			body := protocol.AppendFactsV1(nil, facts[:n], idOf(id))
			requireID(t, body, id)
			all, err := protocol.ParseFactsV1(body)
			require.NoError(t, err)
			require.ElementsMatch(t, facts[:n], all)
		}
	}
	require.Zero(t, protocol.FirstOf(nil))
	require.Zero(t, protocol.FirstOf([]protocol.Ack{{Seq: 7, Fact: &f}}))
	require.Equal(t, uint64(7), protocol.FirstOf([]protocol.Ack{{Seq: 3, Fact: &f}, {Seq: 7}, {Seq: 5, Fact: &f}, {Seq: 8}}))
	held := protocol.AckOf(&f, true).In(backend.Fact{ID: "other"})
	require.Equal(t, f, held, "a duplicate is what the log holds")
	given := f.Clone()
	given.Seq, given.Value = 0, append([]byte(" "), f.Value...)
	require.Nil(t, protocol.DuplicateOf(&f, &given).Fact, "it does not differ")
	given.Producer = []byte(`"other"`)
	body, err := protocol.ParseWritten(protocol.AppendWritten(nil, protocol.DuplicateOf(&f, &given), nil))
	require.NoError(t, err)
	require.True(t, body.Duplicate && body.SameValue)
	require.Equal(t, "null", string(body.Fact.Value), "the client has it")
	given.Value = f.Value
	require.Equal(t, f, body.In(given))
	held = protocol.AckOf(&f, false).In(backend.Fact{ID: "mine"})
	require.Equal(t, backend.Fact{ID: "mine", Seq: f.Seq, Causation: f.Causation, TransactionTime: f.TransactionTime}, held)

	for _, s := range []backend.Stats{
		{}, {FirstSeq: 1, LastSeq: 2, Facts: 3, Bytes: 4, DurableSeq: 5},
		{LastSeq: 2, Log: backend.LogID{9}, Ancestors: []backend.Ancestor{{Log: backend.LogID{1}, Through: 2}, {Log: backend.LogID{2}}}},
		{LastSeq: 2, Horizons: map[string]backend.Horizon{"tasks": {Seq: 1<<64 - 1, Time: f.TransactionTime}, "a \"<\u2028": {Seq: 1}}},
		{LastSeq: 2, LastTime: f.TransactionTime, Failed: "sync \"x\": input/output error"},
		{LastSeq: 2, Storage: &backend.Storage{Segments: 1, Snapshots: 2, SegmentBytes: 3, SnapshotBytes: 4, IndexBytes: 5, AheadBytes: 6, QuarantineBytes: 7, LastSync: time.Unix(5, 6).UTC(), Groups: 8, Grouped: 9}},
	} {
		got, err := protocol.ParseStats(protocol.CloseAnswer(protocol.AppendStats(protocol.OpenAnswer(nil), &s), nil))
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
}

func TestStreamsParseBack(t *testing.T) {
	f := wiretest.Typical()
	horizons := map[string]backend.Horizon{"tasks": {Seq: 7, Time: f.TransactionTime}, backend.AllStores: {Seq: 3}}
	for _, log := range [][]byte{wire.AppendFact(nil, &f), wire.AppendGroup(nil, []backend.Fact{f, f}), []byte(`[]`)} {
		require.False(t, protocol.IsControl(log))
	}
	for body, want := range map[string]protocol.ControlFrame{
		string(protocol.AppendEnd(nil, 5)):                  {End: true, LastSeq: 5},
		string(protocol.AppendHeartbeat(nil, 1<<64-1, nil)): {LastSeq: 1<<64 - 1},
		string(protocol.AppendHeartbeat(nil, 7, horizons)):  {LastSeq: 7, Horizons: horizons},
		`{"event":"from_the_future"}`:                       {},
	} {
		require.True(t, protocol.IsControl([]byte(body)), body)
		got, err := protocol.ParseControl([]byte(body))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	failed := protocol.AppendError(nil, backend.ErrForbidden, nil)
	require.True(t, protocol.IsControl(failed))
	_, err := protocol.ParseControl(failed)
	require.ErrorIs(t, err, backend.ErrForbidden)

	for _, through := range []backend.Cursor{{}, {Seq: 1<<64 - 1}, {Log: backend.LogID{1, 15: 2}, Seq: 7}} {
		for _, id := range []string{"", "7"} {
			for _, horizons := range []map[string]backend.Horizon{nil, horizons} {
				body := protocol.AppendStream(nil, through, horizons, idOf(id))
				requireID(t, body, id)
				got, told, err := protocol.ParseStream(body)
				require.NoError(t, err)
				require.Equal(t, through, got)
				require.Equal(t, horizons, told)
			}
		}
	}
	for _, body := range []string{`{"ok":true,"log":"x"}`, `{"ok":true,"log":7}`, `{"ok":true,"last_seq":-1}`, `{"ok":true,"horizons":{"a":{"time":"x"}}}`, `{}`} {
		_, _, err := protocol.ParseStream([]byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
	_, _, err = protocol.ParseStream(failed)
	require.ErrorIs(t, err, backend.ErrForbidden)

	f.Seq = 0
	got, ok, err := protocol.ParseEventV1(protocol.AppendEventV1(nil, &f))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, f, got)
	_, ok, err = protocol.ParseEventV1([]byte(`{"event":"other","fact":7}`))
	require.NoError(t, err)
	require.False(t, ok)
}
