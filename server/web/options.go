// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"time"

	"go.uber.org/zap"
)

// Options configure a Handler. The zero Options are valid.
type Options struct {
	// Progress, if not nil, returns the progress of opening the log, until Attach.
	Progress func() Progress

	// Hosts are the names of this machine, without a port, that the Host of a request may have if the server requires no
	// tokens, beside localhost and addresses. A website could give other names to this machine's address, to let a browser
	// read the log for it.
	Hosts []string

	// Origins are the websites, such as https://shop.example, whose scripts may read and write with a token.
	Origins []string

	NoUI bool // do not serve the inspector, below /ui/

	// About, if not nil, describes the program, for /v1/status and /v1/whoami.
	About func() About

	MaxBody int64 // bytes of the body of a request that writes; 0: 16 MiB
	// MaxBodies limits the bytes that bodies, facts and answers of 512 KiB or more take at a time, from before they are
	// read until the client has read its answer. A body, and a fact that is sent, count three times their size; a fact that
	// a question reads counts five times. Questions that are being answered (8 MiB each, 1 MiB for one value) and small
	// bodies have a limit of their own, half as large, so that they do not wait for large ones. One token may take half of
	// each limit; a request that needs more counts as that half. A request that finds no room is answered with 503: a large
	// body at once, all others after five seconds. 0: eight times MaxBody, at least 128 MiB, and at most a quarter of the
	// process's memory limit (see debug.SetMemoryLimit).
	MaxBodies int64

	MaxStreams     int           // limit for reads, exports and event streams at once; further ones are answered with 503; 0: 256
	MaxStreamsEach int           // the same for one token; 0: a quarter of MaxStreams
	WriteTimeout   time.Duration // how long a client may take to read sent bytes; 0: 30 s
	Heartbeat      time.Duration // how often an event stream sends an id alone; 0: 15 s

	Logger *zap.Logger // nil: nothing is logged
}

// Progress is the progress of an operation: Done of Total bytes; if Total is 0, it is not known.
type Progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

func (o Options) withDefaults() Options {
	if o.Progress == nil {
		o.Progress = func() Progress { return Progress{} }
	}
	if o.About == nil {
		o.About = func() About { return About{} }
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 16 << 20
	}
	if o.MaxBodies <= 0 {
		o.MaxBodies = defaultBudget(o.MaxBody)
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = 256
	}
	if o.MaxStreamsEach <= 0 {
		o.MaxStreamsEach = max(o.MaxStreams/4, 1)
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return o
}

// NewServer returns an http.Server of a handler, with limits on the duration, size and number of requests, and on the
// number of connections; 0 stands for [MaxConnections]. It has no limits on answers, since some never end; a Handler limits
// them itself. If logger is nil, nothing is logged.
func NewServer(h http.Handler, logger *zap.Logger, maxConnections int) *http.Server {
	if maxConnections <= 0 {
		maxConnections = MaxConnections
	}
	if logger == nil {
		logger = zap.NewNop()
	}
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          zap.NewStdLog(logger),
	}
	(&connections{max: maxConnections}).limit(s)
	return s
}
