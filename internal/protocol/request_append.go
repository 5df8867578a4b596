// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/json"
	"strconv"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/wire"
)

// AppendRequest appends a request of an op without fields.
func AppendRequest(dst []byte, op string) []byte { return append(openRequest(dst, op), '}') }

// openRequest begins a request. Fields follow, each after a comma.
func openRequest(dst []byte, op string) []byte {
	return append(append(append(dst, `{"op":"`...), op...), '"')
}

// AppendHello appends the request that begins version 2. An empty token is left out.
func AppendHello(dst []byte, client, token string) []byte {
	dst = AppendNumber(openRequest(dst, OpHello), "protocol", Version)
	dst = appendField(dst, "client", client)
	if token != "" {
		dst = appendField(dst, "token", token)
	}
	return append(dst, '}')
}

// AppendWriteFact appends the request to write f, in the form of logs and without its Seq.
func AppendWriteFact(dst []byte, f *backend.Fact) []byte {
	return append(appendUnnumbered(append(dst, writeFactPrefix...), f), writeFactSuffix...)
}

func appendUnnumbered(dst []byte, f *backend.Fact) []byte {
	unnumbered := *f
	unnumbered.Seq = 0
	return wire.AppendFact(dst, &unnumbered)
}

// AppendWriteBatch appends the request to write b.
func AppendWriteBatch(dst []byte, b *backend.Batch) []byte {
	dst = append(appendKey(openRequest(dst, OpWriteBatch), "facts"), '[')
	for i := range b.Facts {
		dst = appendUnnumbered(appendComma(dst, i), &b.Facts[i])
	}
	dst = append(dst, ']')
	if len(b.Expect) == 0 {
		return append(dst, '}')
	}
	dst = append(appendKey(dst, "expect"), '[')
	for i, e := range b.Expect {
		dst = jsonvalue.AppendText(append(appendComma(dst, i), `{"store":`...), e.Store)
		dst = appendField(dst, "key", e.Key)
		dst = append(appendField(dst, "id", e.ID), '}')
	}
	return append(dst, "]}"...)
}

// AppendReplay appends the request for a part of the log.
func AppendReplay(dst []byte, r backend.Range) []byte { return appendRead(dst, OpReplay, r) }

// AppendSubscribe appends the request for a part of the log and for what is added to it later.
func AppendSubscribe(dst []byte, r backend.Range) []byte { return appendRead(dst, OpSubscribe, r) }

func appendRead(dst []byte, op string, r backend.Range) []byte {
	dst = openRequest(dst, op)
	if r.After.Log == (backend.LogID{}) {
		dst = AppendNumber(dst, "after", r.After.Seq)
	} else {
		dst = appendField(dst, "after", r.After.String())
	}
	if r.Through != 0 {
		dst = AppendNumber(dst, "through", r.Through)
	}
	if r.Stores == nil {
		return append(dst, `,"stores":["*"]}`...)
	}
	dst = append(appendKey(dst, "stores"), '[')
	for i, name := range r.Stores {
		dst = jsonvalue.AppendText(appendComma(dst, i), name)
	}
	return append(dst, "]}"...)
}

// AppendWriteSnapshot appends the request for a snapshot through a seq.
func AppendWriteSnapshot(dst []byte, through uint64) []byte {
	return append(AppendNumber(openRequest(dst, OpWriteSnapshot), "through", through), '}')
}

// AppendNoteBackup appends a request to note that a backup of the log through a seq was made.
func AppendNoteBackup(dst []byte, through uint64) []byte {
	return append(AppendNumber(openRequest(dst, OpNoteBackup), "through", through), '}')
}

// AppendPrune appends the request to prune seqs. A zero horizon is left out.
func AppendPrune(dst []byte, seqs seqrange.Set, h backend.Horizon) []byte {
	dst = append(appendKey(openRequest(dst, OpPrune), "seqs"), '[')
	for i, x := range seqs {
		dst = strconv.AppendUint(append(appendComma(dst, i), '['), x[0], 10)
		dst = append(strconv.AppendUint(append(dst, ','), x[1], 10), ']')
	}
	dst = append(dst, ']')
	if !h.IsZero() {
		text, _ := json.Marshal(horizonOf(h)) // numbers: it can't fail
		dst = append(appendKey(dst, "horizon"), text...)
	}
	return append(dst, '}')
}
