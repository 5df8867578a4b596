// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/server/web"
)

// connectionLimits is how many connections of each kind the service has at most.
type connectionLimits struct{ connections, waiting, http int }

// reserved is how many file descriptors are kept for everything but connections, such as the log.
const reserved = 64

// limits returns how many connections the settings allow. If the process has too few descriptors for them, it returns
// fewer, so that the log has the descriptors that it needs.
func (s *service) limits(descriptors int) connectionLimits {
	v := s.app.values
	c := connectionLimits{v.Int("max_connections"), v.Int("max_waiting"), web.MaxConnections}
	if v.IsDefault("max_connections") { // as in server.Options
		c.connections = int(min(int64(c.connections), max(debug.SetMemoryLimit(-1)>>17, 1)))
	}
	spare := max(descriptors-reserved, 8)
	if descriptors <= 0 || c.connections+c.waiting+c.http <= spare {
		return c
	}
	fewer := connectionLimits{min(c.connections, spare/2), min(c.waiting, spare/4), min(c.http, spare/4)}
	s.log.Warn("there are too few file descriptors for the connections that the settings allow: raise the limit (ulimit -n)", zap.Int("descriptors", descriptors),
		zap.Int("max_connections", fewer.connections), zap.Int("max_waiting", fewer.waiting), zap.Int("http_connections", fewer.http))
	return fewer
}
