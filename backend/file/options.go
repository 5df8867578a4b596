// SPDX-License-Identifier: Apache-2.0

package file

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// A Sync says when a write of a fact is acknowledged. With each of them, killing the process loses no acknowledged fact.
type Sync string

const (
	// SyncAlways: a fact is acknowledged when it is durable. A power cut loses no acknowledged fact.
	SyncAlways Sync = "always"

	// SyncInterval: a fact is acknowledged when the kernel has it. It becomes durable within Options.SyncInterval; a power
	// cut before that can lose it.
	SyncInterval Sync = "interval"

	// SyncNever: a fact is acknowledged when the kernel has it. The kernel writes it to the disk later. A segment becomes
	// durable when the next one begins, the last segment when the log is closed.
	SyncNever Sync = "never"
)

const (
	defaultSyncInterval = 100 * time.Millisecond
	defaultSegmentSize  = 64 << 20
)

// minSegment is the smallest segment size. Smaller segments would be mostly headers.
const minSegment = 4 << 10

// Options configure a Log. All fields except Path may be zero.
type Options struct {
	Path         string        // the log's directory, created if it is missing
	Sync         Sync          // "": SyncAlways
	SyncInterval time.Duration // for SyncInterval; 0: 100 ms
	SegmentSize  int64         // a new segment begins when the last one is this long; 0: 64 MiB; at least 4 KiB

	// MaxFrame limits the bytes of a frame's body, which has one fact or a batch; 0 stands for wire.DefaultMaxFrame. The
	// limit in use is at most wire.MaxMaxFrame, and at least the largest frame in the log, so that every fact of the log
	// can be written again.
	MaxFrame int

	// MustExist makes Open return a *backend.InvalidError if the directory has no log. Without it, a mistyped path, or a
	// file system that is not mounted, would begin an empty log.
	MustExist bool

	// Repair makes Open go on after it finds damage: it moves the damaged bytes to the directory quarantine, keeps every
	// fact that can still be read, and reports the missing facts. If facts before the last one are lost, or if a damaged
	// header no longer tells which facts were pruned, their stores are unknown: the log's last fact becomes the horizon of
	// all stores (backend.AllStores), so that reads of the past, and loops from the beginning, are backend.ErrCompacted.
	// Without Repair, Open changes nothing and returns a *backend.CorruptError.
	Repair bool

	// Progress, if not nil, is called during Open with the bytes processed so far and the total, after each of
	// the log's files.
	Progress func(done, total int64)

	Now    func() time.Time // returns transaction times; nil: time.Now. It may be called concurrently
	Logger *zap.Logger      // for messages that an operator must see; nil: nothing is logged

	mirror  *backend.Stats // of the source, to open a mirror; nil: Open opens a log
	promote bool           // the mirror becomes an independent log

	fs   vfs.FS        // nil: the operating system's
	boot func() string // nil: the operating system's

	closeFiles bool // see directory; always true on Windows
}

func validSync(s Sync) bool { return s == SyncAlways || s == SyncInterval || s == SyncNever }

func (o Options) withDefaults() (Options, error) {
	o.Sync = cmp.Or(o.Sync, SyncAlways)
	if !validSync(o.Sync) {
		return o, &backend.InvalidError{Field: "sync", Reason: fmt.Sprintf("%q is not one of %q, %q and %q", o.Sync, SyncAlways, SyncInterval, SyncNever)}
	}
	if o.Path == "" {
		return o, &backend.InvalidError{Field: "path", Reason: "missing: give the directory of the log"}
	}
	if o.SyncInterval < 0 || o.SegmentSize < 0 || o.MaxFrame < 0 {
		return o, &backend.InvalidError{Field: "options", Reason: "a negative interval or size"}
	}
	o.SyncInterval = cmp.Or(o.SyncInterval, defaultSyncInterval)
	o.SegmentSize = max(cmp.Or(o.SegmentSize, defaultSegmentSize), minSegment)
	o.MaxFrame = min(cmp.Or(o.MaxFrame, wire.DefaultMaxFrame), wire.MaxMaxFrame)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.boot == nil {
		o.boot = vfs.Boot
	}
	if o.fs == nil {
		o.fs = vfs.NewOS()
	}
	return o, nil
}

// The name for backend.Open is "file". It uses the Config's Path and these settings: "sync" (a text as in [Sync]),
// "sync_interval" (a duration such as "50ms"), "segment_size" and "max_frame" (bytes), "must_exist" and "repair" (true or
// false).
func init() {
	backend.Register("file", func(ctx context.Context, c backend.Config) (backend.Backend, error) {
		o, err := optionsOf(c)
		if err != nil {
			return nil, err
		}
		return Open(ctx, o)
	})
}

func optionsOf(c backend.Config) (Options, error) {
	o := Options{Path: c.Path, Logger: c.Logger}
	if err := c.Only("file", "path", "sync", "sync_interval", "segment_size", "max_frame", "must_exist", "repair"); err != nil {
		return o, err
	}
	var err error
	if o.SegmentSize, err = c.WholeNumber("segment_size"); err != nil {
		return o, err
	}
	limit, err := c.WholeNumber("max_frame")
	if err != nil {
		return o, err
	}
	o.MaxFrame = int(min(limit, wire.MaxMaxFrame))
	for name, v := range c.Settings {
		ok := true
		switch name {
		case "sync":
			var text string
			text, ok = v.(string)
			o.Sync = Sync(text)
		case "sync_interval":
			text, isText := v.(string)
			d, err := time.ParseDuration(text)
			o.SyncInterval, ok = d, isText && err == nil && d > 0
		case "must_exist":
			o.MustExist, ok = v.(bool)
		case "repair":
			o.Repair, ok = v.(bool)
		}
		if !ok {
			return o, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("%v is not a valid value for backend %q", v, "file")}
		}
	}
	return o, nil
}
