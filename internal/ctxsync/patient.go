// SPDX-License-Identifier: Apache-2.0

package ctxsync

import "context"

type patientKey struct{}

// WithPatience returns a copy of ctx for writes whose callers can wait for the disk even if ctx ends meanwhile. A log may then
// do the work in the caller's goroutine, which saves switches of goroutines.
func WithPatience(ctx context.Context) context.Context {
	return context.WithValue(ctx, patientKey{}, true)
}

// IsPatient reports whether a caller with ctx can wait for the disk: ctx never ends, or comes from [WithPatience].
func IsPatient(ctx context.Context) bool {
	return ctx.Done() == nil || ctx.Value(patientKey{}) != nil
}
