// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/igniter-store/igniter/backend"
)

// A lined is a naive that keeps its facts as lines of a file.
type lined struct {
	*naive
	late bool // the bug: facts reach the file at Close
	mu   sync.Mutex
	out  *bufio.Writer
	file *os.File
}

func lines(late bool) Opener {
	return func(t testing.TB, dir string) backend.Backend {
		l := &lined{naive: naives()(t, dir).(*naive), late: late}
		path := filepath.Join(dir, "facts")
		text, err := os.Open(path)
		if err == nil {
			defer text.Close()
			for d := json.NewDecoder(text); d.More(); {
				var f backend.Fact
				if err := d.Decode(&f); err != nil {
					break // the rest of a torn write
				}
				if _, err := l.naive.WriteFact(context.Background(), f); err != nil {
					t.Fatal(err)
				}
			}
		}
		if l.file, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			t.Fatal(err)
		}
		l.out = bufio.NewWriterSize(l.file, 1<<20)
		return l
	}
}

func (l *lined) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	got, err := l.naive.WriteFact(ctx, f)
	if err == nil {
		if err = json.NewEncoder(l.out).Encode(got); err == nil && !l.late {
			err = l.out.Flush()
		}
	}
	return got, err
}

func (l *lined) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.out.Flush()
	_ = l.file.Close()
	return l.naive.Close()
}

// TestKilled checks that the case about killed processes passes a backend that writes facts to its file before it
// acknowledges them, and fails a backend that writes them at Close.
func TestKilled(t *testing.T) {
	for name, late := range map[string]bool{"right": false, "late": true} {
		t.Run(name, func(t *testing.T) {
			open := lines(late)
			if runChild(t, open) {
				return
			}
			t.Run("case", func(t *testing.T) {
				r := record(t, func(r *recorder) { killCases()[0].run(r, open, (*Options)(nil).complete()) })
				if r.Failed() != late {
					t.Errorf("failed: %v: %s", r.Failed(), r.text.String())
				}
			})
		})
	}
}
