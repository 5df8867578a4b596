// SPDX-License-Identifier: Apache-2.0

//go:build lean

package main

// With the tag lean the program leaves out the peers that take minutes to compile, so that the rest can be tested quickly.
// Never measure with it.

func leftOut[T any]() (none T, err error) { return none, skipf("left out by the tag lean") }

func leftOutStore(string) (store, error) { return leftOut[store]() }

func openEtcdWAL(bool) func(string) (store, error) { return leftOutStore }
func openPebble(bool) func(string) (store, error)  { return leftOutStore }
func openBadger(bool) func(string) (store, error)  { return leftOutStore }
func openSQLite(bool) func(string) (store, error)  { return leftOutStore }
func dialEtcd(int) func(string) (store, error)     { return leftOutStore }

func openBadgerTable(string) (table, error) { return leftOut[table]() }
func openSQLiteTable(string) (table, error) { return leftOut[table]() }
