// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/igniter-store/igniter/server/web"
)

// about returns the description of the service for HTTP.
func (s *service) about() web.About {
	b, v := thisBuild(), s.app.values
	a := web.About{Version: b.Version, Revision: b.Revision, LogName: v.String("log_name"), DiskFree: diskFree(v.String("path")), Reloaded: s.reloaded.Load()}
	used := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(used)
	a.Memory = web.Memory{Used: used[0].Value.Uint64() - used[1].Value.Uint64(), StoresLimit: s.storesMemory()}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		a.Memory.Limit = uint64(limit)
	}
	if s.secure == nil {
		return a
	}
	if cert, err := s.secure.cert.Get(nil); err == nil && cert.Leaf != nil {
		a.Certificate = &web.Certificate{NotAfter: cert.Leaf.NotAfter.UTC(), Subject: cert.Leaf.Subject.String(), Client: "none"}
		switch {
		case s.secure.clientCA != "" && s.tokens != nil:
			a.Certificate.Client = "wanted"
		case s.secure.clientCA != "":
			a.Certificate.Client = "required"
		}
	}
	return a
}

// noteReload notes that the tokens and certificates were read, or that some could not be.
func (s *service) noteReload(err error) {
	r := &web.Reloaded{Time: time.Now().UTC(), OK: err == nil}
	if err != nil {
		r.Error = err.Error()
	}
	if s.tokens != nil {
		r.Tokens = s.tokens.Len()
	}
	s.reloaded.Store(r)
}
