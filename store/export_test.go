// SPDX-License-Identifier: Apache-2.0

package store

// SetMinSurplus lets engines drop facts beyond KeepVersions once they have that many, until the function that it returns is
// called.
func SetMinSurplus(n int) (undo func()) {
	old := minSurplus
	minSurplus = n
	return func() { minSurplus = old }
}
