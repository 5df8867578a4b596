// SPDX-License-Identifier: Apache-2.0

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

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/linear"
)

// asWorker makes the test binary a process that writes to the log of this name.
const asWorker = "IGNITER_POSTGRES_WORKER"

const workers, clients = 3, 4

// work writes facts to a few keys, conditionally, and prints what happened.
func work(name string) error {
	log, process, _ := strings.Cut(name, "@")
	l, err := Open(bg, Options{Address: os.Getenv(sharedAddress), Log: log})
	for errors.Is(err, backend.ErrUnavailable) { // its connection was killed already
		l, err = Open(bg, Options{Address: os.Getenv(sharedAddress), Log: log})
	}
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
		client := start*clients + c
		all.Go(func() {
			errs[c] = linear.Race(bg, l, client, rounds(40, 1000), rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(client))), func(w linear.Write) {
				mu.Lock()
				_ = out.Encode(w)
				mu.Unlock()
			})
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
	var operations []linear.Write
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
				var op linear.Write
				if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
					errs[w] = err
				}
				mu.Lock()
				operations = append(operations, op)
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
	refused, err := linear.Check(operations)
	require.NoError(t, err)
	t.Logf("%d processes made %d conditional writes, %d were refused, %d connections were killed", workers, len(operations), refused, killed)
}
