// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/cmd/igniter/internal/archive"
)

// A commandError is an error with its own exit code and advice.
type commandError struct {
	error
	code   int
	advice string // "": the error says enough
}

func (e commandError) Unwrap() error { return e.error }

// usage returns an error for a command that was not understood, with exit code 2.
func usage(format string, args ...any) error { return commandError{fmt.Errorf(format, args...), 2, ""} }

// advice says what to do about kinds of errors.
var advice = []struct {
	of   error
	text string
}{
	{backend.ErrUnauthenticated, "Give a token that the server knows (IGNITER_TOKEN, --token-file) or a certificate (--tls-cert, --tls-key); igniter token new makes a token."},
	{backend.ErrForbidden, "Use a token whose entry in the server's token file grants this, or change the entry and send the server a SIGHUP."},
	{backend.ErrUnavailable, "Check that a server listens there (igniter serve), and that --address and --tls-ca are right."},
	{backend.ErrDiverged, "The log is not the one that you have read, or it was restored to an earlier state. Read it again from the seq that the error names."},
	{backend.ErrConflict, "Read the key again, and write with --if-latest and the ID that it has now."},
	{backend.ErrCorrupt, "For a log in a directory, igniter verify DIR shows what is damaged, and igniter repair DIR shows what can be saved. igniter restore makes a log from a backup."},
	{backend.ErrFull, "Free space on the disk and write again: nothing was written."},
	{backend.ErrFailed, "The disk failed: look at the kernel's log, then open the log again."},
	{backend.ErrTooLarge, "Write less at once, or raise the limit, up to 64 MiB: with --max-frame here for a log in files, or with --max-frame of igniter serve for a server."},
	{errors.ErrUnsupported, "The backend can't do this, or the server is of an older release."},
	{fs.ErrPermission, "Run it as the user who owns these files."},
}

// adviceOn says what to do about an error; "": the error says enough.
func adviceOn(err error) string {
	if _, ok := errors.AsType[*file.InUseError](err); ok {
		return "If that process is a server, connect to it: --address instead of --path."
	}
	if _, ok := errors.AsType[*archive.DamageError](err); ok {
		return "Use another copy of that piece; the pieces before it can be restored without it."
	}
	if errors.Is(err, backend.ErrForbidden) && strings.Contains(err.Error(), "this server is read-only") {
		return "" // no token helps
	}
	for _, a := range advice {
		if _, ok := errors.AsType[syscall.Errno](err); ok && a.of == errors.ErrUnsupported {
			continue // of the system, such as ENOSYS
		}
		if errors.Is(err, a.of) {
			return a.text
		}
	}
	return ""
}
