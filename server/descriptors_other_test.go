// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package server_test

import "testing"

func limitDescriptors(t testing.TB, _ int) { t.Skip("only Linux is asked to limit descriptors") }

func spareDescriptors(testing.TB) int { return 200 }
