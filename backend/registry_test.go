// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

func TestRegistry(t *testing.T) {
	ctx := context.Background()
	opened := new(list)
	backend.Register("test-plain", func(_ context.Context, c backend.Config) (backend.Backend, error) {
		if err := c.Only("test-plain", "path", "depth"); err != nil {
			return nil, err
		}
		return opened, nil
	})
	backend.Register("test-twice", func(context.Context, backend.Config) (backend.Backend, error) { return opened, nil })
	backend.Register("test-twice", func(context.Context, backend.Config) (backend.Backend, error) { return opened, nil })
	backend.Register("test-nil", nil)
	require.Subset(t, backend.Names(), []string{"test-nil", "test-plain", "test-twice"})

	b, err := backend.Open(ctx, "test-plain", backend.Config{Path: "p", Settings: map[string]any{"depth": 3}})
	require.NoError(t, err)
	require.Equal(t, backend.Complete(opened).Features(), b.Features(), "it is completed")

	for name, want := range map[string]string{
		"test-none":  `"test-none" is not known: the known ones are`,
		"":           `"" is not known`,
		"test-twice": "2 packages",
		"test-nil":   "without an opener",
	} {
		_, err := backend.Open(ctx, name, backend.Config{})
		require.ErrorIs(t, err, backend.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
	for field, c := range map[string]backend.Config{
		"address": {Path: "p", Address: "a", Token: "t"}, "transport": {Transport: "tcp"}, "tls": {TLS: &backend.TLS{}},
		"token": {Token: "t"}, "deep": {Settings: map[string]any{"depth": 1, "deep": 1}},
	} {
		_, err := backend.Open(ctx, "test-plain", c)
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Field)
		require.Contains(t, invalid.Reason, "it uses path, depth")
	}
	require.ErrorContains(t, backend.Config{Path: "p"}.Only("x"), "it uses no settings")
	require.ErrorContains(t, backend.Config{Settings: map[string]any{"path": "p"}}.Only("x", "path"), "a field of its own")
}
