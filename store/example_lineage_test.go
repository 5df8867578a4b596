// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func ExampleEngine_Lineage() {
	e, closeAll := open(`1`)
	defer closeAll()
	f := write(e, "tasks", "t1", `2`)
	l, err := e.Lineage(f.ID)
	fmt.Println(len(l.Facts), len(e.Causes(e.Latest("tasks", "t1"))), err)
	fmt.Println(e.VerifyLineage(l))
	l.Facts[0].Producer = []byte(`"not me"`)
	fmt.Println(e.VerifyLineage(l) != nil)
	// Output:
	// 2 2 <nil>
	// <nil>
	// true
}

// Everyone who holds the facts of a lineage can compute the proof again.
func ExampleProofOf() {
	e, closeAll := open(`1`)
	defer closeAll()
	l, err := e.Lineage(e.Latest("tasks", "t1").ID())
	if err != nil {
		log.Fatal(err)
	}
	f := e.Latest("tasks", "t1").Fact()
	proof, err := store.ProofOf([]store.FactRef{store.RefOf(&f)})
	fmt.Println(proof == l.Proof, err)
	// Output: true <nil>
}

func ExampleSourcesOf() {
	fmt.Println(store.SourcesOf([]byte(`{"rule":"vat","version":1,"sources":["f7"],"stores":["orders"]}`)))
	// Output: vat [{orders f7}]
}

func ExampleRefOf() {
	f := backend.Fact{Seq: 7, Store: "tasks", Key: "t1", Value: []byte("1"), ValueHash: "h"}
	ref := store.RefOf(&f)
	fmt.Println(ref.Seq, ref.Key, ref.ValueHash)
	// Output: 7 t1 h
}

// An auditor can keep a lineage, and check it against the log later.
func ExampleLineage() {
	e, closeAll := open(`1`, `2`)
	defer closeAll()
	write(e, "tasks", "t1", `3`)
	r, _ := e.Get("tasks", "t1")
	l, err := e.Lineage(r.ID())
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range l.Facts {
		fmt.Println(f.Seq, f.Key)
	}
	l.Facts = l.Facts[1:] // leaves something out
	fmt.Println(errors.Is(e.VerifyLineage(l), backend.ErrCorrupt))
	// Output:
	// 1 t1
	// 3 t1
	// true
}

// A chain of facts, the oldest first.
func ExampleFactRef() {
	e, closeAll := open(`1`)
	defer closeAll()
	write(e, "tasks", "t1", `2`)
	latest, _ := e.Get("tasks", "t1")
	var chain []store.FactRef = e.Causes(latest)
	for _, f := range chain {
		fmt.Println(f.Seq, f.Store, f.Key, f.ValueHash[:8])
	}
	fmt.Println(chain[1].Causation == chain[0].ID)
	// Output:
	// 1 tasks t1 6b86b273
	// 2 tasks t1 d4735e3a
	// true
}
