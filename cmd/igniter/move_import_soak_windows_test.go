// SPDX-License-Identifier: Apache-2.0

package main

import "os"

func peakMemory(*os.ProcessState) int64 { return 0 }
