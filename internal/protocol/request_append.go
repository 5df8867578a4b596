package protocol

import (
	"strconv"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
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

// AppendReplay appends the request for the facts of some stores after a seq. No stores stand for all.
func AppendReplay(dst []byte, after uint64, stores []string) []byte {
	return appendRead(dst, OpReplay, after, stores)
}

// AppendSubscribe is [AppendReplay] for the facts that are written from then on too.
func AppendSubscribe(dst []byte, after uint64, stores []string) []byte {
	return appendRead(dst, OpSubscribe, after, stores)
}

func appendRead(dst []byte, op string, after uint64, stores []string) []byte {
	if len(stores) == 0 {
		stores = []string{"*"}
	}
	dst = AppendNumber(openRequest(dst, op), "after", after)
	dst = append(appendKey(dst, "stores"), '[')
	for i, name := range stores {
		dst = jsonvalue.AppendText(appendComma(dst, i), name)
	}
	return append(dst, "]}"...)
}

// AppendWriteSnapshot appends the request for a snapshot through a seq.
func AppendWriteSnapshot(dst []byte, through uint64) []byte {
	return append(AppendNumber(openRequest(dst, OpWriteSnapshot), "through", through), '}')
}

// AppendPrune appends the request to prune ranges of seqs, each from its first to its last.
func AppendPrune(dst []byte, ranges [][2]uint64) []byte {
	dst = append(appendKey(openRequest(dst, OpPrune), "seqs"), '[')
	for i, x := range ranges {
		dst = strconv.AppendUint(append(appendComma(dst, i), '['), x[0], 10)
		dst = append(strconv.AppendUint(append(dst, ','), x[1], 10), ']')
	}
	return append(dst, "]}"...)
}
