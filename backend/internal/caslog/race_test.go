// SPDX-License-Identifier: Apache-2.0

//go:build race

package caslog

const raceEnabled = true
