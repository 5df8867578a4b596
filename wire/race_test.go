// SPDX-License-Identifier: Apache-2.0

//go:build race

package wire_test

const raceEnabled = true
