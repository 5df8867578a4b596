// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// No way to write dates a fact ahead of the clock by more than Options.MaxSkew, since all later facts would be dated after it.
func TestMaxSkew(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for skew, allowed := range map[time.Duration]time.Duration{0: time.Minute, time.Hour: time.Hour, math.MaxInt64: 0} {
		l := memory.New(memory.Options{Now: func() time.Time { return now }})
		e, err := store.Open(t.Context(), struct{ backend.Backend }{l}, store.Options{Now: func() time.Time { return now }, MaxSkew: skew})
		require.NoError(t, err)
		defer e.Close()
		dated := func(by time.Duration) backend.Fact {
			f := fact("k", 1)
			f.TransactionTime = now.Add(by)
			return f
		}
		if skew == math.MaxInt64 {
			far := dated(0)
			far.TransactionTime = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
			_, err := e.Import(t.Context(), withID(far, "far"))
			require.NoError(t, err)
			continue
		}
		for what, write := range map[string]func(f backend.Fact) error{
			"import": func(f backend.Fact) error { _, err := e.Import(t.Context(), withID(f, "i")); return err },
			"write":  func(f backend.Fact) error { _, err := e.Write(t.Context(), f); return err },
			"append": func(f backend.Fact) error { _, err := e.Append(t.Context(), f); return err },
			"batch": func(f backend.Fact) error {
				_, err := e.WriteBatch(t.Context(), backend.Batch{Facts: []backend.Fact{f}})
				return err
			},
			"update": func(f backend.Fact) error {
				_, err := e.Update(t.Context(), "s", "k", func(store.Record) (backend.Fact, error) { return f, nil })
				return err
			},
		} {
			err := write(dated(allowed + 1))
			var invalid *backend.InvalidError
			require.ErrorAs(t, err, &invalid, what)
			require.Equal(t, "transaction_time", invalid.Field)
		}
		_, err = e.Import(t.Context(), withID(dated(allowed), "i"))
		require.NoError(t, err)
		require.EqualValues(t, 1, e.Head())
	}
	_, err := store.Open(t.Context(), memory.New(memory.Options{}), store.Options{MaxSkew: -1})
	require.ErrorIs(t, err, backend.ErrInvalid)
}
