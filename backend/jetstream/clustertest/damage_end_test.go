// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
)

// lostEnds are logs whose last message is deleted before all servers stop.
var lostEnds = []struct {
	name    string
	facts   int  // the number of acknowledged facts
	erase   bool // delete the message as a prune does
	witness bool // the log has its witness
	index   bool // the servers have the indexes of their blocks
}{
	{"deleted", 5, false, true, true},
	{"erased", 5, true, true, false},
	{"deleted-no-witness", 5, false, false, true},
	{"erased-no-witness", 5, true, false, false},
	{"only-no-witness", 1, false, false, false},
}

// TestLostEnd deletes the last message of a log by force. Then all servers and processes stop, and start again. Processes
// that open the log report it, with the lost seq if there is a witness. Even without a witness, the stream knows the
// sequences that it gave out. Processes that kept running, and write and read, report it too.
func TestLostEnd(t *testing.T) {
	t.Parallel()
	t.Run("one server", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s := startServer(t, dir, nil)
		defer func() { stopServer(s) }()
		address := s.Addr()
		testLostEnd(t, jetstream.Options{URL: s.ClientURL(), Replicas: 1}, []string{dir}, func() { stopServer(s) }, func() { s = restart(t, dir, address) })
	})
	t.Run("three servers", func(t *testing.T) {
		t.Parallel()
		c := startCluster(t)
		var dirs []string
		for i := range c.servers {
			dirs = append(dirs, filepath.Join(c.dir, fmt.Sprint(i)))
		}
		testLostEnd(t, jetstream.Options{URL: c.url(), Replicas: 3}, dirs, func() {
			for _, s := range c.servers {
				stopServer(s)
			}
		}, func() {
			for i := range c.servers {
				c.start(i)
			}
		})
	})
}

func testLostEnd(t *testing.T, o jetstream.Options, dirs []string, stop, start func()) {
	open := func(log string, salvage bool) (backend.Log, error) {
		o := o
		o.Log, o.Salvage = log, salvage
		return tryOpen(context.WithoutCancel(t.Context()), o)
	}
	_, js := connect(t, o.URL)
	var alive []backend.Log
	for _, e := range lostEnds {
		l, err := open(e.name, false)
		require.NoError(t, err)
		for i := range e.facts {
			put(t, l, fmt.Sprint(i))
		}
		if e.witness {
			other, err := open(e.name, false)
			require.NoError(t, err)
			defer other.Close()
			alive = append(alive, other)
		}
		require.NoError(t, l.Close()) // writes the witness
		s, err := js.Stream(t.Context(), "IGNITER_"+e.name)
		require.NoError(t, err)
		remove := s.DeleteMsg
		if e.erase {
			remove = s.SecureDeleteMsg
		}
		require.NoError(t, remove(t.Context(), uint64(e.facts)))
		if !e.witness {
			require.NoError(t, js.DeleteKeyValue(t.Context(), "IGNITER_"+e.name))
		}
	}
	stop()
	for _, e := range lostEnds {
		for _, dir := range dirs {
			index := filepath.Join(filepath.Dir(blocksOf(t, dir, e.name)[0]), "index.db")
			require.FileExists(t, index)
			if !e.index {
				require.NoError(t, os.Remove(index))
			}
		}
	}
	start()
	opened := make([]error, len(lostEnds))
	var all sync.WaitGroup
	for i, e := range lostEnds { // with three servers, each case waits for the time of doubt
		all.Go(func() {
			var l backend.Log
			if l, opened[i] = open(e.name, false); opened[i] == nil {
				_ = l.Close()
			}
		})
	}
	all.Wait()
	for i, e := range lostEnds {
		words := fmt.Sprintf("the log held facts through seq %d, at position %[1]d, and ends with seq %d, at position %[2]d", e.facts, e.facts-1)
		if !e.witness {
			words = fmt.Sprintf("positions through %d were given out, and the log ends with seq %d, at position %[2]d", e.facts, e.facts-1)
		}
		require.ErrorIs(t, opened[i], backend.ErrCorrupt, e.name)
		require.ErrorContains(t, opened[i], words, e.name)
		left, err := open(e.name, true)
		require.NoError(t, err, e.name)
		facts, err := replay(t, left)
		require.NoError(t, err, e.name)
		require.Len(t, facts, e.facts-1, e.name)
		require.NoError(t, left.Close())
	}
	for _, l := range alive {
		wantLost(t, l, backend.ErrCorrupt, "facts through seq 5, at position 5")
	}
}
