// SPDX-License-Identifier: Apache-2.0

package linear

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// Clients is how many clients race in each of a test's processes.
const Clients = 4

// workerEnv is the environment variable with the number of such a process.
const workerEnv = "IGNITER_LINEAR_WORKER"

// IsWorker reports whether a test has started this process with Start. TestMain then calls Work instead of running tests.
func IsWorker() bool { return os.Getenv(workerEnv) != "" }

// Work lets the clients of this process race on a log with n writes each, and sends the results to the test.
func Work(ctx context.Context, l backend.Log, n int) error {
	process, err := strconv.Atoi(os.Getenv(workerEnv))
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	var mu sync.Mutex // guards out
	var all sync.WaitGroup
	errs := make([]error, Clients)
	for c := range Clients {
		client := process*Clients + c
		all.Go(func() {
			errs[c] = Race(ctx, l, client, n, rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(client))), func(w Write) {
				mu.Lock()
				defer mu.Unlock()
				_ = out.Encode(w)
			})
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Processes are processes in which clients race on one log.
type Processes struct {
	all sync.WaitGroup

	mu     sync.Mutex
	writes []Write
	errs   []error
}

// Start starts n processes that run this test's program. env adds variables to their environment, such as the log's name.
func Start(ctx context.Context, n int, env ...string) (*Processes, error) {
	p := &Processes{}
	for i := range n {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(append(os.Environ(), env...), fmt.Sprint(workerEnv, "=", i))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return nil, err
		}
		p.all.Go(func() {
			var failed error
			for lines := bufio.NewScanner(out); lines.Scan(); {
				var w Write
				failed = errors.Join(failed, json.Unmarshal(lines.Bytes(), &w))
				p.mu.Lock()
				p.writes = append(p.writes, w)
				p.mu.Unlock()
			}
			failed = errors.Join(failed, cmd.Wait())
			p.mu.Lock()
			p.errs = append(p.errs, failed)
			p.mu.Unlock()
		})
	}
	return p, nil
}

// Told returns the number of writes that clients have the results of.
func (p *Processes) Told() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.writes)
}

// Wait returns all writes once the processes have ended.
func (p *Processes) Wait() ([]Write, error) {
	p.all.Wait()
	return p.writes, errors.Join(p.errs...)
}
