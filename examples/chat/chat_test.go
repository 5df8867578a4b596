// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Ana and Bob talk, and both see every line, in the same order.
func TestChat(t *testing.T) {
	log := memory.New(memory.Options{})
	s := servertest.Serve(t, log, "tcp", "", server.Options{})

	type person struct {
		in    *io.PipeWriter
		shown *bufio.Scanner
	}
	var wg sync.WaitGroup
	join := func(name string) person {
		in, keyboard := io.Pipe()
		screen, out := io.Pipe()
		wg.Go(func() {
			if err := run(t.Context(), []string{"-address", s.Address, "-as", name}, in, out); err != nil {
				t.Error(err)
			}
			_ = out.Close()
		})
		return person{keyboard, bufio.NewScanner(screen)}
	}
	people := []person{join("ana"), join("bob")}
	for _, line := range []struct {
		who  int
		text string
		want string
	}{{0, "hello", "ana: hello"}, {1, "hi", "bob: hi"}, {1, "how are you?", "bob: how are you?"}, {0, "fine", "ana: fine"}} {
		_, err := io.WriteString(people[line.who].in, line.text+"\n")
		require.NoError(t, err)
		for _, p := range people {
			require.True(t, p.shown.Scan())
			require.Equal(t, line.want, p.shown.Text()[len("15:04:05 "):])
		}
	}
	for _, p := range people {
		require.NoError(t, p.in.Close())
		require.False(t, p.shown.Scan())
	}
	wg.Wait()
	s.Stop()
	require.NoError(t, log.Close())
}
