// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// progress returns a bar for a number of bytes or facts; -1: the number is not known. The bar shows nothing with --json, or
// if the standard error is not a terminal. Errors of the bar stop nothing, and are ignored.
func (a *app) progress(total int64, what string, bytes bool) *progressbar.ProgressBar {
	w := io.Discard
	if f, ok := terminal(a.err); ok && !a.json {
		w = f // without a plainWriter, since the bar moves the cursor
	}
	return progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetVisibility(w != io.Discard))
}
