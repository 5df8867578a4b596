package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// TestShortRequests parses every piece of requests that write a fact, from their beginnings and from their
// ends: what begins as one does need not end as one does.
func TestShortRequests(t *testing.T) {
	f := typical()
	for _, whole := range [][]byte{wire.AppendWriteFact(nil, &f), wire.AppendWriteFactV1(nil, &f)} {
		for cut := range whole {
			for _, body := range []string{string(whole[:cut]), string(whole[:cut]) + "}", string(whole[cut:]), `{"fact":` + strings.Repeat("1", cut%30) + "}"} {
				r := wire.ParseRequest([]byte(body))
				if r.Err != nil {
					require.ErrorIs(t, r.Err, backend.ErrInvalid, body)
					require.Empty(t, r.Op, body)
				}
			}
		}
	}
}

// TestOddAnswers parses answers that a server of ours does not give.
func TestOddAnswers(t *testing.T) {
	for _, body := range []string{
		`{"ok":true,"facts":[1]}`, `{"ok":true,"facts":[null]}`, `{"ok":true,"facts":["x"]}`, `{"ok":true,"facts":[[]]}`, `{"ok":true,"facts":[{}]}`,
		`{"ok":true,"facts":[{"seq":0}]}`, `{"ok":true,"facts":[]}`, `{"ok":true,"facts":{}}`, `{"ok":true,"facts":null}`, `{"ok":true}`,
		`{ "facts":[3],"ok":true}`, `{"ok":true,"facts":[{"seq":1},{"seq":2}]}`, `{"ok":true,"facts":[{"seq":1}]`, `[]`, `1`, `null`, ``,
	} {
		_, err := wire.ParseWrittenBatch([]byte(body), 1)
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
	for _, body := range []string{
		`{"ok":true,"seq":0,"causation":null,"transaction_time":5.0}`, `{"ok":true,"seq":-1,"causation":null,"transaction_time":5.0}`,
		`{"ok":true,"seq":1,"causation":7,"transaction_time":5.0}`, `{"ok":true,"seq":1,"causation":null,"transaction_time":null}`,
		`{"ok":true,"seq":1,"fact":3}`, `{"ok":true,"seq":1,"fact":{}}`, `{"ok":true}`, `{"seq":1}`, `{"ok":null}`, `[]`, ` `, ``,
	} {
		_, err := wire.ParseWritten([]byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
	for _, body := range []string{`{"ok":true}`, `{"ok":true,"facts":null}`, `{"ok":true,"facts":{}}`, `{"ok":true,"facts":[1]}`, `{"ok":true,"facts":[{}]}`, `{}`, `[]`, ``} {
		_, err := wire.ParseFactsV1([]byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
	for _, body := range []string{`{"event":"fact_written"}`, `{"event":"fact_written","fact":null}`, `{"event":"fact_written","fact":[]}`, `{"event":7}`, `[]`, ``} {
		_, _, err := wire.ParseEventV1([]byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
	for _, body := range []string{`{"event":7}`, `{"last_seq":-1}`, `{"last_seq":1.5}`, `7`, `"x"`, `{`, ` `} {
		_, err := wire.ParseSignal([]byte(body))
		require.ErrorIs(t, err, backend.ErrInvalid, body)
	}
}
