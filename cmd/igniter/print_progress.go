package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progress returns a bar for a number of bytes or facts; -1: the number is not known. The bar shows nothing with --json, or
// if the standard error is not a terminal. Errors of the bar stop nothing, and are ignored.
func (a *app) progress(total int64, what string, bytes bool) *progressbar.ProgressBar {
	w := io.Writer(io.Discard)
	if isTerminal(a.err) && !a.json {
		w = a.err
	}
	return progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetVisibility(w != io.Discard))
}
