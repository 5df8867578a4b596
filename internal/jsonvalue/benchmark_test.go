// SPDX-License-Identifier: Apache-2.0

package jsonvalue_test

import (
	"testing"

	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// smallValue is a value of 95 bytes whose keys are not in order.
const smallValue = `{"title":"Quarterly review","status":"done","priority":1,"amount":10.26,"owner":"user-1@ex.org"}`

func BenchmarkCheck(b *testing.B) {
	src := []byte(smallValue)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if err := jsonvalue.Check(src, 90); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSkip(b *testing.B) {
	src := []byte(smallValue)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if jsonvalue.Skip(src, 0) != len(src) {
			b.Fatal("another end")
		}
	}
}

func BenchmarkMember(b *testing.B) {
	src := []byte(smallValue)
	b.ReportAllocs()
	for b.Loop() {
		if jsonvalue.Member(src, "owner") == nil {
			b.Fatal("not found")
		}
	}
}
