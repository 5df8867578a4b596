// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
)

// harms are ways in which a disk changes a block of a stream. A restarted server checks only the last block.
var harms = map[string]func(t *testing.T, block string){
	"flipped":     flip,
	flippedBefore: flip,
	"cut": func(t *testing.T, block string) {
		info, err := os.Stat(block)
		require.NoError(t, err)
		require.NoError(t, os.Truncate(block, info.Size()/2))
	},
	"removed": func(t *testing.T, block string) { require.NoError(t, os.Remove(block)) },
}

// flippedBefore harms a block that is not the last one.
const flippedBefore = "flipped before the last block"

func flip(t *testing.T, block string) {
	data, err := os.ReadFile(block)
	require.NoError(t, err)
	at := bytes.Index(data, []byte(`"value":{"n":1}`))
	require.Positive(t, at)
	data[at+9] ^= 4
	require.NoError(t, os.WriteFile(block, data, 0o600))
}

// blocksOf returns the paths of the blocks that a server has of a log's stream.
func blocksOf(t *testing.T, dir, log string) []string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "IGNITER_"+log, "msgs", "*.blk"))
	require.NoError(t, err)
	require.NotEmpty(t, blocks)
	return blocks
}

// harm damages the first block of a log's stream on a stopped server. If withIndex is false, it removes the server's index
// of the blocks.
func harm(t *testing.T, name, dir, log string, withIndex bool) {
	t.Helper()
	blocks := blocksOf(t, dir, log)
	require.Equal(t, name == flippedBefore, len(blocks) > 1)
	first := filepath.Join(filepath.Dir(blocks[0]), "1.blk")
	harms[name](t, first)
	if !withIndex {
		_ = os.Remove(filepath.Join(filepath.Dir(first), "index.db"))
	}
}

// fill writes 20 facts. If the harm needs it, it writes more facts, which take more than a block.
func fill(t *testing.T, l backend.Log, name string) (all []backend.Fact) {
	for i := range 20 {
		all = append(all, put(t, l, string(rune('a'+i))))
	}
	for i := 0; i < 9 && name == flippedBefore; i++ { // a block has 8 MiB
		f, err := l.WriteFact(t.Context(), sized(fmt.Sprint("large ", i), 1000<<10))
		require.NoError(t, err)
		all = append(all, f)
	}
	return all
}

// TestDisk damages the only copy of the stream while the server is down. A process that opens the log, and an earlier
// process, report it.
func TestDisk(t *testing.T) {
	t.Parallel()
	for name := range harms {
		for _, index := range []bool{true, false} {
			label := name
			if !index {
				label += ", without the index"
			}
			t.Run(label, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				s := startServer(t, dir, nil)
				log := "harmed"
				l := open(t, s.ClientURL(), log)
				defer l.Close()
				want := fill(t, l, name)
				require.NoError(t, open(t, s.ClientURL(), log).Close()) // writes the witness
				port := s.Addr()
				stopServer(s)
				harm(t, name, dir, log, index)
				s = restart(t, dir, port)
				defer func() { stopServer(s) }()

				opened, err := jetstream.Open(t.Context(), jetstream.Options{URL: s.ClientURL(), Log: log, Replicas: 1})
				require.Nil(t, opened)
				require.ErrorIs(t, err, backend.ErrCorrupt)
				t.Logf("a new process: %v", err)
				if name == "cut" || name == "removed" {
					left, err := jetstream.Open(t.Context(), jetstream.Options{URL: s.ClientURL(), Log: log, Salvage: true})
					require.NoError(t, err)
					facts, err := replay(t, left)
					require.NoError(t, err)
					require.Equal(t, want[:len(facts)], append([]backend.Fact{}, facts...))
					_, err = left.WriteFact(t.Context(), factOf("x"))
					require.ErrorIs(t, err, backend.ErrForbidden)
					require.NoError(t, left.Close())
				}
				wantLost(t, l, backend.ErrCorrupt, "seqs? [0-9]+")
			})
		}
	}
}

// TestClusterDisk damages the copy of one server of three while that server is down, and then makes it the leader. A
// process that opens the log, and an earlier writer and follower, have all facts, or report that some were removed. Without
// that server all facts are there. It gets them again after its copy was removed.
func TestClusterDisk(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	const victim = 0
	type copied struct {
		log              string
		writer, follower backend.Log
		want             []backend.Fact
	}
	all := map[string]*copied{}
	for name := range harms {
		x := &copied{log: nameOf(name)}
		x.writer, x.follower = c.open(x.log), c.open(x.log)
		defer x.writer.Close()
		defer x.follower.Close()
		x.want = fill(t, x.writer, name)
		all[name] = x
	}
	stopServer(c.servers[victim])
	for name, x := range all {
		harm(t, name, filepath.Join(c.dir, fmt.Sprint(victim)), x.log, name != "removed")
	}
	c.start(victim)
	for name, x := range all {
		c.lead(x.log, victim)
		answers := map[string]int{}
		sound := func(l backend.Log, err error) {
			facts := []backend.Fact(nil)
			if err == nil {
				facts, err = replay(t, l)
			}
			if err == nil {
				require.Equal(t, x.want, facts[:min(len(facts), len(x.want))], name)
				answers["all facts"]++
				return
			}
			require.ErrorIs(t, err, backend.ErrCorrupt)
			require.Regexp(t, "seqs? [0-9]+", err.Error())
			answers[err.Error()]++
		}
		for range 3 { // a consumer may read from any of the servers
			opened, err := c.tryOpen(x.log)
			sound(opened, err)
			if err == nil {
				require.NoError(t, opened.Close())
			}
			_, err = x.writer.WriteFact(t.Context(), factOf(backend.NewLogID().String()))
			sound(x.writer, err)
			sound(x.follower, nil)
		}
		t.Logf("%s: %v", name, answers)
	}
	stopServer(c.servers[victim])
	for name, x := range all {
		opened := c.open(x.log)
		facts, err := replay(t, opened)
		require.NoError(t, err)
		require.Equal(t, x.want, facts[:min(len(facts), len(x.want))], name)
		require.NoError(t, opened.Close())
		x.want = facts
		require.NoError(t, os.RemoveAll(filepath.Dir(blocksOf(t, filepath.Join(c.dir, fmt.Sprint(victim)), x.log)[0])))
	}
	c.start(victim)
	_, js := connect(t, c.url())
	for name, x := range all { // its copy is restored from the others
		c.lead(x.log, victim)
		s, err := js.Stream(t.Context(), "IGNITER_"+x.log)
		require.NoError(t, err)
		for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
			_, err := s.GetMsg(t.Context(), seq) // the leader answers
			require.NoError(t, err)
		}
		opened := c.open(x.log)
		facts, err := replay(t, opened)
		require.NoError(t, err)
		require.Equal(t, x.want, facts, name)
		require.NoError(t, opened.Close())
	}
}
