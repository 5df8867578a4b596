// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

func ExampleNew() {
	ctx := context.Background()
	l := memory.New(memory.Options{Now: func() time.Time { return time.Unix(1795467633, 0) }})
	defer l.Close()

	for i, value := range []string{`{"done":false}`, `{"done":true}`} {
		if _, err := l.WriteFact(ctx, backend.Fact{ID: fmt.Sprint("f", i), Store: "tasks", Key: "t1", Value: []byte(value)}); err != nil {
			log.Fatal(err)
		}
	}
	for f, err := range backend.Facts(l.Replay(ctx, backend.Range{})) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s %s/%s %s after %q\n", f.Seq, f.ID, f.Store, f.Key, f.Value, f.Causation)
	}
	// Output:
	// 1 f0 tasks/t1 {"done":false} after ""
	// 2 f1 tasks/t1 {"done":true} after "f0"
}
