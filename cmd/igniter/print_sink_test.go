// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSink stalls the reader of a sink: writers go on, and later what fitted comes, and the count of the rest.
func TestSink(t *testing.T) {
	r, w := io.Pipe()
	s := newSink(w)
	defer s.close(0)
	resumed := make(chan int64, 1)
	s.resumed = func(n int64) { resumed <- n }
	line := strings.Repeat("x", 999) + "\n"
	const lines = 3000
	for range lines {
		n, err := s.Write([]byte(line))
		require.NoError(t, err)
		require.Len(t, line, n)
	}
	dropped := s.count()
	require.Greater(t, dropped, int64(lines-2*maxUnwritten/len(line)-1))
	s.flush(0) // it does not wait for the reader
	read := make(chan int64)
	go func() {
		text, _ := io.ReadAll(r)
		read <- lineCount(text)
	}()
	require.Equal(t, dropped, <-resumed)
	s.flush(time.Hour)
	require.NoError(t, w.Close())
	require.Equal(t, lines-dropped, <-read)
	require.Equal(t, dropped, s.count())
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// TestSinkBroken counts the lines that cannot be written.
func TestSinkBroken(t *testing.T) {
	s := newSink(brokenWriter{})
	defer s.close(0)
	for n := range 10 {
		_, _ = fmt.Fprintln(s, n)
	}
	s.flush(time.Hour)
	require.EqualValues(t, 10, s.count())
}
