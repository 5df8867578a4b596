// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/wire"
)

func (a *app) mirrorCommand() *cobra.Command {
	cmd := withLogFlags(&cobra.Command{
		Use:   "mirror --from ADDRESS --path DIR",
		Short: "Keep a copy of a server's log, as a warm standby",
		Long: `Keeps a copy of a server's log in a directory, with the same seqs, batches and identity, until it is stopped. It copies
each write, and removes pruned facts. After any interruption it goes on where it was. Nothing else can write to the copy.

With --listen it serves the copy, read-only, and with --http its health and metrics, among them how far it is behind
(igniter_mirror_lag_seqs). The flags --token, --token-file and --tls-… are for the connection to the source, as for other
clients. The flags --tls-cert, --tls-key and --tokens are for the clients of the mirror, as for igniter serve. The token
must allow reading all stores.

If the source was restored or replaced, and lacks facts that the copy has, mirror ends with "diverged". If the source is
lost, stop the mirror, and make the copy an independent log with igniter promote.`,
		Example: `  igniter mirror --from db1:7400 --tls-ca ca.pem --token-file standby.token --path /var/lib/igniter/log
  igniter mirror --from db1:7400 --path ./copy --listen tcp://127.0.0.1:7401 --http 127.0.0.1:7481`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case a.values.String("from") == "":
				return usage("--from is missing: the address of the server whose log is copied")
			case a.values.String("path") == "":
				return usage("--path is missing: the directory of the copy")
			}
			a.mirrors = true
			m := &mirroring{}
			m.life, m.stop = context.WithCancel(context.Background())
			return a.serve(cmd.Context(), m)
		},
	})
	settings.Add(cmd.Flags(), settings.From)
	settings.Add(cmd.Flags(), settings.Serve()...)
	return cmd
}

func (a *app) promoteCommand() *cobra.Command {
	return a.withYes(a.withJSON(withLogFlags(&cobra.Command{
		Use:   "promote --path DIR",
		Short: "Make a mirror an independent log",
		Long: `Makes a mirror an independent log, so that igniter serve can take writes there. No process may have the mirror open. The
log gets a new identity: readers and writers that have seen only copied facts go on with it; others get an error
("diverged"). The source must take no more writes: the new log would not have them.`,
		Example: `  igniter promote --path /var/lib/igniter/log
  igniter promote --path /var/lib/igniter/log --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := a.backend()
			if err != nil {
				return err
			}
			if name != "file" {
				return usage("a mirror is in a directory: give --path")
			}
			logger, err := a.logger("warn")
			if err != nil {
				return err
			}
			opts := file.Options{Path: a.values.String("path"), Logger: logger}
			if !a.yes {
				opts.MustExist = true
				l, err := file.Open(cmd.Context(), opts)
				if err != nil {
					return err
				}
				s, err := l.Stats(cmd.Context())
				if err = errors.Join(err, l.Close()); err != nil {
					return err
				}
				if !l.IsMirror() {
					return fmt.Errorf("%s holds a log that is not a mirror", opts.Path)
				}
				if err := a.print(promotion{false, s.Log, s.LastSeq}, "%s is a copy of the log %v through seq %d\n", opts.Path, s.Log, s.LastSeq); err != nil {
					return err
				}
				return a.notDone("makes it an independent log")
			}
			s, err := file.Promote(cmd.Context(), opts)
			if err != nil {
				return err
			}
			if err := s.Whole(s.LastSeq, nil); err != nil {
				fmt.Fprintf(a.err, "igniter: the copy lacks facts that were pruned, and the facts that replaced them were not copied: keys may be missing: %v\n", err)
			}
			return a.print(promotion{true, s.Log, s.LastSeq}, "%s is the log %v now, and has the source's facts through seq %d\n", opts.Path, s.Log, s.LastSeq)
		},
	})))
}

// A promotion is the result of promoting a mirror.
type promotion struct {
	Done    bool          `json:"done"`
	Log     backend.LogID `json:"log"`
	LastSeq uint64        `json:"last_seq"`
}

// A mirroring keeps a mirror of a server's log.
type mirroring struct {
	log    *zap.Logger
	source backend.Log
	copy   *file.Mirror
	life   context.Context // of following
	stop   func()

	writing sync.Mutex // held while the copy changes

	mu      sync.Mutex
	last    uint64    // the source's last seq, as far as it is known
	contact time.Time // when the source answered last
}

// open waits for the source, connects to it, and opens the copy.
func (m *mirroring) open(ctx context.Context, s *service, progress func(done, total int64)) (backend.Log, error) {
	m.log = s.log
	config := backend.Config{Logger: s.log}
	if err := s.app.connection(&config, s.app.values.String("from")); err != nil {
		return nil, err
	}
	if t := config.TLS; t != nil && t.CA == "" && t.ServerName == "" && !s.app.values.Bool("tls.enabled") {
		config.TLS = nil // the certificate is for clients of the mirror
	}
	stats, err := m.reach(ctx, config)
	if err != nil {
		return nil, err
	}
	if m.source.Features().Stores != nil {
		return nil, errors.New(`a mirror is of all stores: use a token that may read them (read: ["*"])`)
	}
	v := s.app.values
	m.copy, err = file.OpenMirror(ctx, file.Options{Path: v.String("path"), SegmentSize: int64(v.Int("segment_size")), Progress: progress, Logger: s.log}, stats)
	if errors.Is(err, backend.ErrDiverged) {
		err = fmt.Errorf("the source lacks facts that the copy has: it was restored to an earlier seq, or is another log; keep the copy if you need these facts, and begin a new one in another directory: %w", err)
	}
	if err != nil {
		return nil, err
	}
	m.note(&stats)
	return m.copy, nil
}

// reach connects to the source. While the source can't be reached, it tries again.
func (m *mirroring) reach(ctx context.Context, config backend.Config) (stats backend.Stats, err error) {
	for wait := time.Second / 2; ; wait = min(2*wait, 10*time.Second) {
		if m.source, err = backend.Open(ctx, "network", config); err == nil {
			return m.source.Stats(ctx)
		}
		if !errors.Is(err, backend.ErrUnavailable) || ctx.Err() != nil {
			return stats, err
		}
		m.log.Warn("the source cannot be reached; trying again", zap.Duration("in", wait), zap.Error(err))
		select {
		case <-ctx.Done():
			return stats, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// takeSize is how many bytes are written to the copy at once while it is far behind, so that parts with gaps become few
// files.
const takeSize = 16 << 20

// takePages is how many pages, which may be empty, are written at once at most.
const takePages = 4096

// run follows the source. It returns nil once the mirror is stopped, and an error if it can't go on.
func (m *mirroring) run() error {
	ctx, end := context.WithCancelCause(m.life)
	defer end(nil)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { end(m.watch(ctx)) })
	err := m.follow(ctx)
	if m.life.Err() != nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	end(err)
	return fmt.Errorf("follow the source: %w", err)
}

func (m *mirroring) follow(ctx context.Context) error {
	own, err := m.copy.Stats(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	target := m.last
	m.mu.Unlock()
	m.log.Info("following the source", zap.Stringer("log", own.Log), zap.Uint64("after", own.LastSeq), zap.Uint64("source_seq", target))
	var pages []wire.Frames
	size := 0
	for p, err := range wire.FramerOf(m.source).FollowFrames(ctx, backend.Range{After: backend.Cursor{Log: own.Log, Seq: own.LastSeq}}) {
		if err != nil {
			return err
		}
		pages, size = append(pages, p), size+len(p.Bytes)
		if p.Through.Seq < target && size < takeSize && len(pages) < takePages {
			continue
		}
		m.writing.Lock()
		err := m.copy.Take(ctx, pages...)
		m.writing.Unlock()
		if err != nil {
			return err
		}
		pages, size = nil, 0
	}
	return ctx.Err()
}

// watch looks at the source once a second: how far it is, and whether it has fewer facts than the copy.
func (m *mirroring) watch(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var seen *backend.Stats // of the source, until the copy has reached its last seq
	var vain [2]uint64      // how many facts both lacked when nothing was found to drop
	for {
		theirs, err := m.source.Stats(ctx)
		if err == nil {
			m.note(&theirs)
			if seen == nil {
				seen = &theirs
			}
		} else if !errors.Is(err, backend.ErrUnavailable) {
			return err
		}
		own, err := m.copy.Stats(ctx)
		if err != nil {
			return err
		}
		if seen != nil && own.LastSeq >= seen.LastSeq {
			lack := [2]uint64{seen.LastSeq - seen.Facts, own.LastSeq - own.Facts}
			if lack[0] > lack[1] && lack != vain {
				n, err := m.drop(ctx, seen)
				if err != nil && !errors.Is(err, backend.ErrUnavailable) {
					return err
				}
				if vain = [2]uint64{}; n == 0 && err == nil {
					vain = lack
				}
			}
			seen = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// drop removes from the copy the facts that the source no longer has, through the last seq in theirs, and returns how
// many it removed. Only stores with a horizon lost facts. If facts are pruned from the source meanwhile, the error is
// backend.ErrUnavailable, and nothing is removed yet.
func (m *mirroring) drop(ctx context.Context, theirs *backend.Stats) (n uint64, err error) {
	r := backend.Range{Through: theirs.LastSeq, Stores: []string{}}
	for store := range theirs.Horizons {
		r.Stores = append(r.Stores, store)
	}
	if _, all := theirs.Horizons[backend.AllStores]; all {
		r.Stores = nil
	}
	next, stop := iter.Pull2(backend.Facts(m.source.Replay(ctx, r)))
	defer stop()
	f, err, more := next()
	gone := map[string]seqrange.Set{}
	for own, ownErr := range backend.Facts(m.copy.Replay(ctx, r)) {
		for more && err == nil && f.Seq < own.Seq {
			f, err, more = next()
		}
		switch {
		case ownErr != nil || err != nil:
			return 0, errors.Join(ownErr, err)
		case !more || f.Seq != own.Seq:
			gone[own.Store] = gone[own.Store].Append(own.Seq)
		case f.ID != own.ID:
			return 0, fmt.Errorf("fact %q at seq %d is %q at the source: %w", own.ID, own.Seq, f.ID, backend.ErrDiverged)
		}
	}
	now, err := m.source.Stats(ctx)
	if err != nil {
		return 0, err
	}
	if r.Stores = nil; r.News(now.Horizons, theirs.Horizons) != nil { // the horizons would be too early for the facts that are gone
		return 0, fmt.Errorf("%w: facts were pruned from the source while it was read", backend.ErrUnavailable)
	}
	for store, seqs := range gone {
		m.writing.Lock()
		done, err := m.copy.Drop(ctx, seqs.All(), theirs.Horizon(store))
		m.writing.Unlock()
		if n += done.Pruned; err != nil {
			return n, err
		}
		m.log.Info("removed what was pruned from the source", zap.String("store", store), zap.Uint64("facts", done.Pruned))
	}
	return n, nil
}

// note keeps the source's last seq, and when it answered.
func (m *mirroring) note(s *backend.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last, m.contact = s.LastSeq, time.Now()
}

// lag returns how many seqs the copy is behind the source's last known seq, and when the source answered last.
func (m *mirroring) lag() (seqs uint64, contact time.Time) {
	own, err := m.copy.Stats(context.Background())
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && own.LastSeq < m.last {
		seqs = m.last - own.LastSeq
	}
	return seqs, m.contact
}

func (m *mirroring) register(to *prometheus.Registry) error {
	lag := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "igniter_mirror_lag_seqs", Help: "How many seqs the copy is behind the source, as far as that is known."},
		func() float64 { seqs, _ := m.lag(); return float64(seqs) })
	contact := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "igniter_mirror_contact_timestamp_seconds", Help: "When the source answered last, in seconds since 1970."},
		func() float64 { _, at := m.lag(); return float64(at.UnixMilli()) / 1000 })
	return errors.Join(to.Register(lag), to.Register(contact))
}

// close closes the connection to the source. The service closes the copy.
func (m *mirroring) close() error {
	if m.source == nil {
		return nil
	}
	return m.source.Close()
}
