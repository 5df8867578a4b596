// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"sync"
	"time"
)

// maxUnwritten is how many bytes of log lines may wait for the reader of the standard error.
const maxUnwritten = 1 << 20

// A sink is an io.Writer for log lines that never blocks, so that the server goes on if the reader of the standard
// error stalls or ends. Lines wait in a queue of up to maxUnwritten bytes. A line that does not fit, or that can't be
// written, is dropped and counted. Its methods may be called concurrently.
type sink struct {
	to      io.Writer
	work    chan struct{}       // has room for one value: there are lines to write
	resumed func(dropped int64) // is called once lines can be written again; nil: nothing is called

	mu      sync.Mutex
	lines   []byte
	dropped int64 // lines, since the start
	told    int64 // how many of them resumed was called with
	idle    *sync.Cond
	writing bool
	closed  bool
}

// newSink returns a sink to w. Its goroutine ends after close, once the last write to w has returned.
func newSink(w io.Writer) *sink {
	s := &sink{to: w, work: make(chan struct{}, 1)}
	s.idle = sync.NewCond(&s.mu)
	go s.run()
	return s
}

// Write queues a line. It never fails.
func (s *sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines)+len(line) > maxUnwritten || s.closed {
		s.dropped++
		return len(line), nil
	}
	s.lines = append(s.lines, line...)
	select {
	case s.work <- struct{}{}:
	default:
	}
	return len(line), nil
}

func (s *sink) run() {
	var lines []byte
	for range s.work {
		s.mu.Lock()
		lines, s.lines, s.writing = s.lines, lines[:0], true
		s.mu.Unlock()
		_, err := s.to.Write(lines)
		s.mu.Lock()
		if err != nil {
			s.dropped += lineCount(lines)
		}
		s.writing = false
		missed := s.dropped - s.told
		if err == nil {
			s.told = s.dropped
		}
		s.idle.Broadcast()
		s.mu.Unlock()
		if err == nil && missed > 0 && s.resumed != nil {
			s.resumed(missed)
		}
	}
}

func lineCount(lines []byte) (n int64) {
	for _, c := range lines {
		if c == '\n' {
			n++
		}
	}
	return n
}

// count returns how many lines were dropped.
func (s *sink) count() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// close calls flush, and makes the sink drop all later lines.
func (s *sink) close(within time.Duration) {
	s.flush(within)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.work)
	}
}

// flush waits until the queued lines are written, but not longer than within.
func (s *sink) flush(within time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := false
	timer := time.AfterFunc(within, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.idle.Broadcast()
	})
	defer timer.Stop()
	for (len(s.lines) > 0 || s.writing) && !late {
		s.idle.Wait()
	}
}
