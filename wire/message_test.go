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
