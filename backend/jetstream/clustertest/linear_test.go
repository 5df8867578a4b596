package clustertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// A try is a write of a fact to one of some keys, on the condition that the key's latest fact is the one that was expected.
type try struct{ key, id, expect string }

// An outcome is what a try was told: the key's latest fact after it.
type outcome struct {
	ok     bool
	latest string
}

// model is a register for each key.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		keys := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(try).key
			keys[key] = append(keys[key], op)
		}
		var all [][]porcupine.Operation
		for _, ops := range keys {
			all = append(all, ops)
		}
		return all
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		latest, in, out := state.(string), input.(try), output.(outcome)
		if out.ok {
			return latest == in.expect, in.id
		}
		return latest == out.latest && latest != in.expect, latest
	},
}

// TestLinearizable lets three processes write to the same keys, and checks that the answers are those of one register a key.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	var history []porcupine.Operation
	begun := time.Now()
	var all sync.WaitGroup
	for process := range 3 {
		l := open(t, one(), nameOf(t.Name()))
		defer l.Close()
		for g := range 2 {
			all.Go(func() {
				client := 2*process + g
				random := rand.New(rand.NewPCG(seed, uint64(client)))
				seen := map[string]string{}
				for n := range 60 {
					in := try{key: fmt.Sprint("k", random.IntN(3)), id: fmt.Sprintf("%d-%d", client, n)}
					in.expect = seen[in.key]
					call := time.Since(begun)
					written := l.Write(t.Context(), backend.Batch{Facts: []backend.Fact{{ID: in.id, Store: "s", Key: in.key, Value: []byte("1")}},
						Expect: []backend.Expect{{Store: "s", Key: in.key, ID: in.expect}}})[0]
					back := time.Since(begun)
					out := outcome{ok: written.Err == nil, latest: in.id}
					var conflict *backend.ConflictError
					if errors.As(written.Err, &conflict) {
						out.latest = conflict.Latest
					} else if written.Err != nil {
						t.Errorf("write: %v", written.Err)
						return
					}
					seen[in.key] = out.latest
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: client, Input: in, Call: int64(call), Output: out, Return: int64(back)})
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	result, _ := porcupine.CheckOperationsVerbose(model, history, waitFor)
	require.Equal(t, porcupine.Ok, result)
	wins := 0
	for _, op := range history {
		if op.Output.(outcome).ok {
			wins++
		}
	}
	t.Logf("%d tries, %d of them won", len(history), wins)
}
