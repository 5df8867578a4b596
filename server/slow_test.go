// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/server"
)

// TestSlowFrames sends frames too slowly, byte by byte or a half and then nothing. Each frame has FrameTimeout from its
// first byte on, however many bytes arrive. Other clients are served meanwhile.
func TestSlowFrames(t *testing.T) {
	frame := framesOf(`{"op":"ping","request_id":"a text that makes it take more than half a minute, byte by byte"}`)
	for name, x := range map[string]struct {
		begin string
		send  int // bytes
		every time.Duration
	}{
		"byte by byte":                {"", len(frame) - 1, time.Second},
		"half of a frame and silence": {"", len(frame) / 2, 0},
		"one byte and silence":        {"", 1, 0},
		"a header and silence":        {"", 4, 0},
		"all but the last byte":       {"", len(frame) - 1, 0},
		"after a subscription":        {`{"op":"subscribe"}`, len(frame) / 2, 0},
		"byte by byte after one":      {`{"op":"subscribe"}`, len(frame) - 1, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, logs := observer.New(zap.InfoLevel)
				s, l := servePipe(t, server.Options{FrameTimeout: 30 * time.Second, Logger: zap.New(core)}, nil)
				other, p := l.dial(t), l.dial(t)
				p.hello("")
				time.Sleep(time.Hour) // silence between frames is allowed
				if x.begin != "" {
					p.requireOK("%s", x.begin)
				}
				start := time.Now()
				var sender sync.WaitGroup
				defer sender.Wait()
				sender.Go(func() {
					for i := range x.send {
						if _, err := p.Write(frame[i : i+1]); err != nil {
							return
						}
						time.Sleep(x.every)
					}
				})
				var a answer
				for a.Code == "" {
					a = answerOf(t, p.next())
				}
				require.Equal(t, "invalid_request", a.Code)
				require.Contains(t, a.Error, "30s")
				require.Equal(t, 30*time.Second, time.Since(start))
				p.requireEnd()
				other.requireAlive()
				synctest.Wait()
				m := s.Metrics()
				require.Equal(t, uint64(1), m.CutOff)
				require.Equal(t, uint64(1), m.Errors["invalid_request"])
				require.Equal(t, 1, m.Connections)
				require.Equal(t, 1, logs.FilterMessageSnippet("a part of a frame").Len(), "the log says why")
			})
		})
	}
}

// TestFrameInTime sends frames byte by byte, fast enough.
func TestFrameInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := servePipe(t, server.Options{FrameTimeout: 30 * time.Second}, nil)
		p := l.dial(t)
		frame := framesOf(`{"op":"ping"}`)
		for range 10 {
			for i := range frame {
				time.Sleep(time.Second)
				p.sendBytes(frame[i : i+1])
			}
			require.Equal(t, `{"ok":true,"pong":true}`, p.next())
		}
	})
}
