package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// A usageError is a command that was not understood. Its exit code is 2.
type usageError struct {
	error
	command string // whose help says more; "": none
}

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{error: fmt.Errorf(format, args...)} }

// An advisedError is an error with what to do about it here, where that is not what adviceOn says of its kind.
type advisedError struct {
	error
	advice string
}

func (e advisedError) Unwrap() error { return e.error }

// inUsage makes what a command's parsing reports a usageError.
func inUsage(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	if strings.HasPrefix(err.Error(), "unknown shorthand flag") { // or a key, or a value below 0
		err = fmt.Errorf("%w; -- goes before arguments that begin with a dash: %s -- …", err, cmd.CommandPath())
	}
	return usageError{err, cmd.CommandPath()}
}

// args checks a command's arguments.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return usageError{fmt.Errorf("%w; it is used as: %s", err, cmd.UseLine()), cmd.CommandPath()}
		}
		return nil
	}
}

func exitCode(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

// adviceOn says what to do about an error; "": nothing that the error does not say.
func adviceOn(err error) string {
	if u, ok := errors.AsType[usageError](err); ok {
		if u.command != "" {
			return fmt.Sprintf("See %s --help.", u.command)
		}
		return ""
	}
	if a, ok := errors.AsType[advisedError](err); ok {
		return a.advice
	}
	if _, ok := errors.AsType[*file.InUseError](err); ok {
		return "If that is a server, talk to it: --address instead of --path."
	}
	if c, ok := errors.AsType[*backend.CorruptError](err); ok && strings.HasSuffix(c.Path, ".backup") {
		return "Use another copy of that piece; the pieces before it can be restored without it."
	}
	switch {
	case errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, backend.ErrUnauthenticated):
		return "Give a token that the server knows (IGNITER_TOKEN, --token-file), or a certificate (--tls-cert, --tls-key); igniter token new makes one."
	case errors.Is(err, backend.ErrForbidden):
		return "Use a token whose entry in the server's token file grants this, or have it granted there and the server told with SIGHUP."
	case errors.Is(err, backend.ErrUnavailable):
		return "See that a server listens there (igniter serve), and that --address and --tls-ca are its."
	case errors.Is(err, backend.ErrConflict):
		return "Read the key again, and write with --if-latest and the ID that it has now."
	case errors.Is(err, backend.ErrCorrupt):
		return "igniter verify DIR says what is damaged, igniter repair DIR what can be saved."
	case errors.Is(err, backend.ErrFull):
		return "Make room on the disk, and write again: nothing was written."
	case errors.Is(err, backend.ErrFailed):
		return "The disk failed: look at the kernel's log, then open the log anew."
	case errors.Is(err, backend.ErrTooLarge):
		return "Write less at once, or raise the limit of the server (--max-frame)."
	case errors.Is(err, errors.ErrUnsupported):
		return "The backend, or a server of an older release, can't do this."
	case errors.Is(err, fs.ErrPermission):
		return "Run it as the user whose files these are."
	}
	return ""
}
