// SPDX-License-Identifier: Apache-2.0

package store_test

import "fmt"

func ExampleEngine_Health() {
	e, closeAll := open(`1`)
	h := e.Health()
	fmt.Println(h.Healthy(), h.Err, h.Head, h.Connection == nil)
	closeAll()
	fmt.Println(e.Health().Healthy(), e.Health().Err)
	// Output:
	// true <nil> 1 true
	// false store: the engine is closed: backend: closed
}

func ExampleHealth_Healthy() {
	e, closeAll := open(`1`)
	defer closeAll()
	fmt.Println(e.Health().Healthy())
	// Output: true
}

// Health has where the engine is in the log.
func ExampleHealth() {
	e, closeAll := open(`1`, `2`)
	defer closeAll()
	fmt.Println(e.Health().Head)
	// Output: 2
}
