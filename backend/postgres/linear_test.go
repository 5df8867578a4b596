package postgres

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// asWorker makes the test binary a process that writes to the log of this name.
const asWorker = "IGNITER_POSTGRES_WORKER"

// An operation is a conditional write of one fact, as one client saw it.
type operation struct {
	Client       int
	Key          string
	ID, Expected string // the fact's ID, and the ID that its key's latest fact must have
	Call, Return int64
	Refused      bool
	Latest       string // if Refused: the latest fact's ID
}

const workers, clients = 3, 4

// work writes facts to a few keys, conditionally, and prints what happened.
func work(name string) error {
	log, process, _ := strings.Cut(name, "@")
	l, err := Open(bg, Options{Address: os.Getenv(sharedAddress), Log: log})
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	var mu sync.Mutex
	var all sync.WaitGroup
	errs := make([]error, clients)
	start := 0
	_, _ = fmt.Sscan(process, &start)
	for c := range clients {
		all.Go(func() {
			latest := map[string]string{}
			for n := range rounds(40, 1000) {
				key := fmt.Sprint("k", rand.IntN(3))
				op := operation{Client: start*clients + c, Key: key, ID: fmt.Sprint(process, "-", c, "-", n), Expected: latest[key], Call: time.Now().UnixNano()}
				w := l.Write(bg, backend.Batch{
					Facts:  []backend.Fact{{ID: op.ID, Store: "s", Key: key, Value: []byte("1")}},
					Expect: []backend.Expect{{Store: "s", Key: key, ID: op.Expected}},
				})[0]
				op.Return = time.Now().UnixNano()
				var conflict *backend.ConflictError
				if errors.As(w.Err, &conflict) {
					op.Refused, op.Latest = true, conflict.Latest
					latest[key] = conflict.Latest
				} else if w.Err != nil {
					errs[c] = w.Err
					return
				} else {
					latest[key] = op.ID
				}
				mu.Lock()
				err := out.Encode(op)
				mu.Unlock()
				if err != nil {
					errs[c] = err
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(append(errs, l.Close())...)
}

// Three processes write conditionally to the same keys, while their connections are killed. What their clients saw is as if one
// write was done after the other.
func TestLinearizable(t *testing.T) {
	a := address(t)
	const log = "linearizable"
	require.NoError(t, open(t, Options{Address: a, Log: log}).Close())
	var mu sync.Mutex
	var operations []porcupine.Operation
	refused := 0
	var all sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s@%d", asWorker, log, w))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		all.Go(func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				var op operation
				if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
					errs[w] = err
				}
				mu.Lock()
				operations = append(operations, porcupine.Operation{ClientId: op.Client, Input: op, Output: op, Call: op.Call, Return: op.Return})
				if op.Refused {
					refused++
				}
				mu.Unlock()
			}
			errs[w] = errors.Join(errs[w], cmd.Wait())
		})
	}
	conn := connect(t, a)
	killed := 0
	for range rounds(3, 50) {
		mu.Lock()
		n := len(operations)
		mu.Unlock()
		awaitThat(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(operations) >= min(n+60, workers*clients*rounds(40, 1000))
		})
		killed += one[int](t, conn, `select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'igniter'`)
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Len(t, operations, workers*clients*rounds(40, 1000))
	model := porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[string][]porcupine.Operation{}
			for _, op := range history {
				key := op.Input.(operation).Key
				byKey[key] = append(byKey[key], op)
			}
			var parts [][]porcupine.Operation
			for _, part := range byKey {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			op := output.(operation)
			if op.Refused {
				return op.Latest == state && op.Expected != state, state
			}
			return op.Expected == state, op.ID
		},
	}
	require.True(t, porcupine.CheckOperations(model, operations))
	t.Logf("%d processes made %d conditional writes, %d were refused, %d connections were killed", workers, len(operations), refused, killed)
}
