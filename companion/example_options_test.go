// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

// Options are a part of the app's own configuration.
func ExampleOptions() {
	var config struct {
		Name  string            `yaml:"name"`
		Store companion.Options `yaml:"store"`
	}
	err := yaml.Unmarshal([]byte("name: shop\nstore:\n  backend: memory\n"), &config)
	fmt.Println(config.Store.Backend, err)

	err = yaml.Unmarshal([]byte("name: shop\nstore:\n  bakend: memory\n"), &config)
	var invalid *backend.InvalidError
	fmt.Println(errors.As(err, &invalid), invalid.Field)
	// Output:
	// memory <nil>
	// true bakend
}

func ExampleReadOptions() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "store.yaml")
	if err := os.WriteFile(path, []byte("backend: memory\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	opts, err := companion.ReadOptions(path)
	fmt.Println(opts.Backend, err)
	// Output: memory <nil>
}

func ExampleOptions_trace() {
	type traceKey struct{}
	ctx := context.WithValue(context.Background(), traceKey{}, "4bf92f35")
	s := must(companion.Open(ctx, companion.Options{Trace: func(ctx context.Context) string {
		id, _ := ctx.Value(traceKey{}).(string)
		return id
	}}))
	defer s.Close()
	notes := must(companion.NewRecords[string](s, "notes"))
	must(notes.Put(companion.WithProducer(ctx, map[string]string{"who": "ana"}), "n", "x"))
	fmt.Println(string(must(notes.Get(ctx, "n")).Producer))
	// Output: {"trace":"4bf92f35","who":"ana"}
}

func ExampleOptions_readOnly() {
	ctx := context.Background()
	s := must(companion.Open(ctx, companion.Options{ReadOnly: true, Stores: []string{"notes"}}))
	defer s.Close()
	notes := must(companion.NewRecords[string](s, "notes"))
	_, err := notes.Put(ctx, "n", "x")
	fmt.Println(errors.Is(err, companion.ErrReadOnly), errors.Is(err, backend.ErrInvalid))
	// Output: true false
}
