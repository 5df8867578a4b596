// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"os"
	"strings"
)

// Boot returns a text that names the time since the machine was started last; "" where the system does not tell.
func Boot() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
