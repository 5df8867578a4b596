// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package main

// maxDescriptors returns 0: there is no limit to heed.
func maxDescriptors() int { return 0 }
