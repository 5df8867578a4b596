// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/store"
)

// A call is what a client did to a key. The value of a key is the ID of its latest fact.
type call struct {
	key      string
	write    string // the ID to write; "": a read
	expect   *string
	read     string
	conflict bool
}

// A register is the model of a key: each read sees the latest write, and a conditional write is done exactly if
// its condition holds.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(call).key
			byKey[key] = append(byKey[key], op)
		}
		var all [][]porcupine.Operation
		for _, ops := range byKey {
			all = append(all, ops)
		}
		return all
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		in, out := input.(call), output.(call)
		switch {
		case in.write == "":
			return out.read == state, state
		case in.expect != nil && (*in.expect != state) != out.conflict:
			return false, state
		case out.conflict:
			return true, state
		}
		return true, in.write
	},
}

// Reads after Sync and writes, conditional or not, of two engines on one server are linearizable.
func TestLinearizable(t *testing.T) {
	const clients, calls = 6, 60
	client := dial(t, newLog(t), server.Options{}, "")
	engines := []*store.Engine{openEngine(t, client), openEngine(t, client)}
	var clock atomic.Int64
	var mu sync.Mutex
	var history []porcupine.Operation
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			e := engines[client%2]
			draw := rand.New(rand.NewPCG(seed, uint64(client)))
			for n := range calls {
				in := call{key: fmt.Sprint("k", draw.IntN(2))}
				if draw.IntN(2) == 0 {
					in.write = fmt.Sprintf("%d-%d", client, n)
				}
				if in.write != "" && draw.IntN(2) == 0 {
					latest := e.Latest("s", in.key).ID()
					in.expect = &latest
				}
				start := clock.Add(1)
				out, err := in.do(t, e)
				end := clock.Add(1)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: start, Return: end})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, history, clients*calls)
	require.True(t, porcupine.CheckOperations(register, history), "not linearizable")
	for i := range history { // and the check can fail: a read that never was
		if out := history[i].Output.(call); history[i].Input.(call).write == "" {
			out.read = "never"
			history[i].Output = out
			break
		}
	}
	require.False(t, porcupine.CheckOperations(register, history))
}

func (c call) do(t *testing.T, e *store.Engine) (out call, err error) {
	f := fact(c.key, 1)
	f.ID = c.write
	switch {
	case c.write == "":
		err = e.Sync(t.Context())
		out.read = e.Latest("s", c.key).ID()
	case c.expect != nil:
		_, err = e.WriteIf(t.Context(), *c.expect, f)
		if out.conflict = errors.Is(err, backend.ErrConflict); out.conflict {
			err = nil
		}
	default:
		_, err = e.Write(t.Context(), f)
	}
	return out, err
}
