// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// A rule's error reaches somebody even if the app asks for none.
func TestErrorsOfRulesReachSomebody(t *testing.T) {
	core, logged := observer.New(zap.ErrorLevel)
	old := standardError
	standardError = zap.New(core)
	defer func() { standardError = old }()
	l := memory.New(memory.Options{})
	defer l.Close()
	for _, told := range []func(Record, error){nil, func(Record, error) {}} {
		e, err := Open(t.Context(), l, Options{DerivationFailed: told})
		require.NoError(t, err)
		require.NoError(t, e.AddRule(Rule{Name: "r", Source: "s", Derive: func(context.Context, Record) (Derived, error) { return Derived{}, errors.New("broken") }}))
		if told == nil {
			_, err = e.Write(t.Context(), backend.Fact{Store: "s", Key: "k", Value: []byte("1")})
			require.NoError(t, err)
		}
		require.NoError(t, e.Close())
		require.Equal(t, 1, logged.Len())
		require.Contains(t, logged.All()[0].ContextMap()["error"], "broken")
	}
}
