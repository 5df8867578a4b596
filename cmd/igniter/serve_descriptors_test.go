// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
)

// TestDescriptorsInReserve: clients leave descriptors for the log, however few there are.
func TestDescriptorsInReserve(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	settings.Add(flags, settings.All()...)
	v, err := settings.Load(flags, nil)
	require.NoError(t, err)
	s := &service{app: &app{values: v}, log: zap.NewNop()}
	for _, n := range []int{128, 256, 1024, 4096, 12000} {
		c := s.limits(n)
		require.LessOrEqual(t, c.connections+c.waiting+c.http, n-reserved)
		require.Positive(t, min(c.connections, c.waiting, c.http))
	}
	require.Equal(t, connectionLimits{10000, 1024, 1024}, s.limits(20000))
	require.Equal(t, connectionLimits{10000, 1024, 1024}, s.limits(0))
}
