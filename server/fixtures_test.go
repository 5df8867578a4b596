// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// The conversations were recorded from a client and a server of the Ruby system.
const conversations = "../internal/protocol/testdata/"

type conversation struct {
	About string
	Turns []turn
}

// A turn is the messages of one side before the other side's, or the end of its connection.
type turn struct {
	Dir    string
	Hex    string
	Frames []struct{ Len int }
}

func readConversation(t testing.TB, name string) (c conversation) {
	data, err := os.ReadFile(conversations + name + ".json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &c))
	return c
}

// play plays the client's side of a conversation to the server, and requires that the server's side is as recorded; same
// compares the two. pause is called after the first frame of a longer turn of the server.
func (c conversation) play(s *served, same func(want, got []byte), pause func()) {
	t := s.t
	var nc net.Conn
	ended := 2
	for i, x := range c.Turns {
		if ended == 2 {
			var err error
			nc, err = net.Dial(s.network, s.address)
			require.NoError(t, err)
			defer nc.Close()
			require.NoError(t, nc.SetDeadline(time.Now().Add(hang)))
			ended = 0
		}
		bytes, err := hex.DecodeString(x.Hex)
		require.NoError(t, err)
		switch x.Dir {
		case "c2s":
			_, err = nc.Write(bytes)
			require.NoError(t, err)
		case "s2c":
			got := make([]byte, len(bytes))
			first := 0
			if len(x.Frames) > 1 {
				first = x.Frames[0].Len + 8
				_, err := io.ReadFull(nc, got[:first])
				require.NoError(t, err)
				pause()
			}
			if same == nil {
				_, err = io.ReadFull(nc, got[first:])
				require.NoError(t, err)
				require.Equal(t, x.Hex, hex.EncodeToString(got), "turn %d", i)
				break
			}
			p := newPeer(t, nc)
			same(bytes[4:len(bytes)-4], []byte(p.next()))
			require.Zero(t, p.in.Buffered())
		case "c2s:eof":
			require.NoError(t, nc.(interface{ CloseWrite() error }).CloseWrite())
			ended++
		case "s2c:eof":
			_, err := io.ReadFull(nc, make([]byte, 1))
			require.Equal(t, io.EOF, err, "turn %d", i)
			ended++
		default:
			t.Fatalf("turn %d goes %q", i, x.Dir)
		}
	}
	require.Equal(t, 2, ended, "both sides end")
	eventually(t, "the server is done with the connection", func() bool { return s.Metrics().Connections == 0 })
}

// TestRecordedConversations requires that the server answers as the Ruby server did, over TCP and a Unix socket.
func TestRecordedConversations(t *testing.T) {
	files, err := filepath.Glob(conversations + "*.json")
	require.NoError(t, err)
	require.Len(t, files, 15)
	for _, network := range []string{"tcp", "unix"} {
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			t.Run(network+"/"+name, func(t *testing.T) {
				c := readConversation(t, name)
				writes := readConversation(t, "write_fact")
				s := serveRecorded(t, network, c)
				if strings.Contains(c.About, "two facts") {
					writes.play(s, nil, nil)
				}
				held := len(s.facts())
				c.play(s, varying(t, name, network), func() {
					other := s.dial()
					other.requireOK(`%s`, writeJSON("others", "not of those"))
					require.NoError(t, other.Close())
					writes.playAside(s)
				})
				switch name {
				case "write_fact":
					held += 2
				case "subscribe":
					held += 3
				case "companion_open_write_close":
					held += 2
				}
				require.Len(t, s.facts(), held)
			})
		}
	}
}

// playAside plays a conversation while another one is going on.
func (c conversation) playAside(s *served) {
	p := s.dial()
	defer p.Close()
	for _, x := range c.Turns {
		bytes, err := hex.DecodeString(x.Hex)
		require.NoError(s.t, err)
		switch x.Dir {
		case "c2s":
			p.sendBytes(bytes)
		case "s2c":
			require.Equal(s.t, string(bytes[4:len(bytes)-4]), p.next())
		}
	}
}

// serveRecorded serves a log like that in a conversation.
func serveRecorded(t testing.TB, network string, c conversation) *served {
	if strings.Contains(c.About, "file server") {
		return serve(t, network, openFile(t), server.Options{})
	}
	return serve(t, network, memory.New(memory.Options{}), server.Options{})
}

var uptime = regexp.MustCompile(`"uptime_ms":\d+`)

// varying returns a function that compares the answers of a conversation whose bytes vary; nil: they do not vary.
func varying(t testing.TB, name, network string) func(want, got []byte) {
	switch name {
	case "stats", "request_id":
		return func(want, got []byte) {
			zero := func(b []byte) string { return string(uptime.ReplaceAll(b, []byte(`"uptime_ms":0`))) }
			require.Equal(t, zero(want), zero(got))
		}
	case "server_status", "server_status_file":
		return func(want, got []byte) {
			differs := []string{
				".generated_at", ".uptime_ms", ".server.bind_address",
				".metrics.bytes_in", // the Ruby system counts bodies only
				// It has queues for subscribers, which drop facts when they are full.
				".changefeed.max_size", ".changefeed.subscriber_queue_size", ".changefeed.overflow",
			}
			if network == "unix" {
				differs = append(differs, ".server.transport")
			}
			require.Equal(t, leavesOf(t, want, differs), leavesOf(t, got, differs))
		}
	}
	return nil
}

// leavesOf returns the values in a JSON text, each after its path, in the order of the text. For values at the paths in
// differs, it returns only the type. Counts by op come in any order.
func leavesOf(t testing.TB, text []byte, differs []string) (leaves []string) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	token := func() json.Token {
		x, err := d.Token()
		require.NoError(t, err)
		return x
	}
	var walk func(path string)
	walk = func(path string) {
		x := token()
		switch {
		case x == json.Delim('{'):
			from := len(leaves)
			for d.More() {
				walk(path + "." + token().(string))
			}
			token()
			if strings.HasSuffix(path, "_total") {
				slices.Sort(leaves[from:])
			}
			leaves = append(leaves, path+" ends")
		case x == json.Delim('['):
			for d.More() {
				walk(path + "[]")
			}
			token()
			leaves = append(leaves, path+"[] ends")
		case slices.Contains(differs, path):
			leaves = append(leaves, fmt.Sprintf("%s is a %T", path, x))
		default:
			leaves = append(leaves, fmt.Sprintf("%s = %v", path, x))
		}
	}
	walk("")
	return leaves
}
