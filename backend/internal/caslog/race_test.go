//go:build race

package caslog

const raceEnabled = true
