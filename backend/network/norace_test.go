// SPDX-License-Identifier: Apache-2.0

//go:build !race

package network_test

const raceEnabled = false
