package web

import (
	"net/http"
	"time"

	"go.uber.org/zap"
)

// Options says how a Handler works. The zero Options is good.
type Options struct {
	// Progress says how far opening the log is, until Attach; nil: nobody knows.
	Progress func() Progress

	MaxStreams   int           // exports and event streams at once; 0: 256, further ones are answered with 503
	WriteTimeout time.Duration // how long a client may not take what is sent to it; 0: 30 s
	Heartbeat    time.Duration // how often an idle event stream shows that it is alive; 0: 15 s

	Logger *zap.Logger // nil: nothing is logged
}

// Progress is how far something is: Done of Total, in bytes; Total 0: not known.
type Progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

func (o Options) withDefaults() Options {
	if o.Progress == nil {
		o.Progress = func() Progress { return Progress{} }
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = 256
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

// NewServer returns an http.Server of a handler with limits on how long requests may take and how large they may be.
// There is none on the answers, since some never end: a Handler has its own.
func NewServer(h http.Handler, logger *zap.Logger) *http.Server {
	if logger == nil {
		logger = zap.NewNop()
	}
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // requests have no bodies to speak of
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          zap.NewStdLog(logger),
	}
}
