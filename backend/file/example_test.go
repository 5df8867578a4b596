// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// Acknowledged facts are there when the log is opened again.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for i := range 2 {
		l, err := file.Open(ctx, file.Options{Path: dir, Sync: file.SyncAlways})
		if err != nil {
			log.Fatal(err)
		}
		f := backend.Fact{ID: fmt.Sprint("f", i), Store: "tasks", Key: "t1", Value: fmt.Append(nil, i)}
		if _, err := l.WriteFact(ctx, f); err != nil {
			log.Fatal(err)
		}
		_, err = file.Open(ctx, file.Options{Path: dir})
		var inUse *file.InUseError
		fmt.Println("opened twice:", !errors.As(err, &inUse))
		for f, err := range backend.Facts(l.Replay(ctx, backend.Range{})) {
			fmt.Println(f.Seq, f.ID, string(f.Value), err)
		}
		if err := l.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// opened twice: false
	// 1 f0 0 <nil>
	// opened twice: false
	// 1 f0 0 <nil>
	// 2 f1 1 <nil>
}

// A log is checked without being opened or changed.
func ExampleVerify() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := file.Open(ctx, file.Options{Path: dir})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := l.WriteFact(ctx, backend.Fact{ID: "f1", Store: "tasks", Key: "t1", Value: []byte("1")}); err != nil {
		log.Fatal(err)
	}
	if err := l.Close(); err != nil {
		log.Fatal(err)
	}
	report, err := file.Verify(ctx, dir)
	fmt.Println(report.Facts, err)
	// Output: 1 <nil>
}
