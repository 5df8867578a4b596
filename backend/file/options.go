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

// A Sync says when a fact counts as written. With each of them, a killed process loses nothing that was
// acknowledged.
type Sync string

const (
	// SyncAlways: a fact is written when it is durable. A power cut loses nothing that was acknowledged.
	SyncAlways Sync = "always"

	// SyncInterval: a fact is written when the kernel has it. It becomes durable within Options.SyncInterval;
	// a power cut before that can lose it.
	SyncInterval Sync = "interval"

	// SyncNever: a fact is written when the kernel has it. The kernel writes it to the disk later. A segment
	// becomes durable when the next one begins, and the last one when the log is closed.
	SyncNever Sync = "never"
)

const (
	defaultSyncInterval = 100 * time.Millisecond
	defaultSegmentSize  = 64 << 20
)

// minSegment is the smallest segment size. Smaller segments would be mostly headers.
const minSegment = 4 << 10

// Options says where a log is and how it is kept. All fields but Path may be zero.
type Options struct {
	Path         string        // the log's directory, created if it is missing
	Sync         Sync          // "": SyncAlways
	SyncInterval time.Duration // for SyncInterval; 0: 100 ms
	SegmentSize  int64         // a new segment begins when the last one is this long; 0: 64 MiB; at least 4 KiB

	// MaxFrame is how many bytes the body of a frame, with one fact or a batch, may have; 0:
	// wire.DefaultMaxFrame. It is never more than wire.MaxMaxFrame, and never less than the largest frame that the log
	// holds, so that what it holds can be written again.
	MaxFrame int

	// MustExist makes Open return a *backend.InvalidError instead of beginning an empty log, as it would for a mistyped path
	// or a file system that is not mounted.
	MustExist bool

	// Repair makes Open go on after it finds damage: it moves the damaged bytes to the directory
	// quarantine, keeps every fact that can still be read, and reports which are missing. If facts before the
	// last one are lost, or a damaged header does not say which facts were pruned, nobody knows of which stores they were:
	// the log's last fact becomes the horizon of all stores (backend.AllStores), so that reads of the past, and loops from
	// the beginning, are backend.ErrCompacted. Without Repair, Open changes nothing and returns a *backend.CorruptError.
	Repair bool

	// Progress, if not nil, is called during Open with the bytes processed so far and the total, after each of
	// the log's files.
	Progress func(done, total int64)

	Now    func() time.Time // returns transaction times; nil: time.Now. It may be called concurrently
	Logger *zap.Logger      // for what an operator must know; nil: nothing is logged

	mirror  *backend.Stats // of the source; nil: no mirror is to be opened for what the source has
	promote bool           // the mirror becomes a log of its own

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

// The backend is registered as "file". It uses the Config's Path and these Settings: "sync" (a text as in
// [Sync]), "sync_interval" (a duration such as "50ms"), "segment_size" and "max_frame" (bytes), "must_exist" and
// "repair" (true or false).
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
