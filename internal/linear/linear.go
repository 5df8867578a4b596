// SPDX-License-Identifier: Apache-2.0

// Package linear is for tests of backends. It lets clients race on keys with conditional writes, and checks that their
// results are linearizable: some order of the writes, one after the other, explains all of them.
package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/igniter-store/igniter/backend"
)

// A Write is a conditional write of one fact, as its client saw it. Processes of one machine can exchange it as JSON.
type Write struct {
	Client       int
	Key, ID      string
	Expect       string // the ID that the key's latest fact must have
	Call, Return int64  // times
	Refused      bool
	Latest       string // if it was refused: the ID of the key's latest fact
}

// keys is how many keys clients race on.
const keys = 3

// Race writes n facts as a client, and calls told after each write. Each write expects the latest fact of its key that the
// client knows. Race returns the first error that is not a conflict.
func Race(ctx context.Context, l backend.Log, client, n int, random *rand.Rand, told func(Write)) error {
	latest := map[string]string{}
	for i := range n {
		key := fmt.Sprint("k", random.IntN(keys))
		w := Write{Client: client, Key: key, ID: fmt.Sprintf("%d-%d", client, i), Expect: latest[key], Call: time.Now().UnixNano()}
		err := l.Write(ctx, backend.Batch{
			Facts:  []backend.Fact{{ID: w.ID, Store: "s", Key: key, Value: []byte("1")}},
			Expect: []backend.Expect{{Store: "s", Key: key, ID: w.Expect}},
		})[0].Err
		w.Return = time.Now().UnixNano()
		latest[key] = w.ID
		if conflict, ok := errors.AsType[*backend.ConflictError](err); ok {
			w.Refused, w.Latest = true, conflict.Latest
			latest[key] = w.Latest
		} else if err != nil {
			return fmt.Errorf("client %d: %w", client, err)
		}
		told(w)
	}
	return nil
}

// register is a key whose latest fact is its state.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(Write).Key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		w := input.(Write)
		if w.Refused {
			return state == w.Latest && w.Latest != w.Expect, state
		}
		return state == w.Expect, w.ID
	},
}

// Check returns the number of refused writes, and an error if no order of the writes explains all their results.
func Check(writes []Write) (refused int, err error) {
	history := make([]porcupine.Operation, len(writes))
	for i, w := range writes {
		history[i] = porcupine.Operation{ClientId: w.Client, Input: w, Output: w, Call: w.Call, Return: w.Return}
		if w.Refused {
			refused++
		}
	}
	if !porcupine.CheckOperations(register, history) {
		return refused, fmt.Errorf("no order of the %d writes explains the results of the clients", len(writes))
	}
	return refused, nil
}
