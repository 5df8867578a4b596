// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"os"
	"strings"
)

// Boot returns an ID of the machine's latest start; "" if the system has none.
func Boot() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
