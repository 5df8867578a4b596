// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
	"github.com/igniter-store/igniter/backend/postgres"
	"github.com/igniter-store/igniter/internal/model"
	"github.com/igniter-store/igniter/internal/pgserver"
)

// TestModel runs the model over JetStream and PostgreSQL, with logs that several processes have open.
func TestModel(t *testing.T) {
	backends := []model.Backend{{Name: "jetstream", Place: streamPlaceOf(t, one()), Apart: true, Ends: true}}
	if _, err := pgserver.Program("initdb"); err != nil {
		t.Logf("without PostgreSQL: %v", err)
	} else {
		s, err := pgserver.New()
		require.NoError(t, err)
		t.Cleanup(s.Remove)
		backends = append(backends, model.Backend{Name: "postgres", Place: tablePlaceOf(s.Address("postgres", "postgres")), Apart: true})
	}
	model.Run(t, 0.5, backends...)
}

// A streamPlace has a log in a stream.
type streamPlace struct {
	opts jetstream.Options
	js   natsjs.JetStream
}

func streamPlaceOf(t *testing.T, url string) func(dir string) model.Place {
	_, js := connect(t, url)
	return func(dir string) model.Place {
		return &streamPlace{jetstream.Options{URL: url, Log: nameOf(dir), Replicas: 1}, js}
	}
}

func (p *streamPlace) Open(ctx context.Context, now func() time.Time) (backend.Log, error) {
	opts := p.opts
	opts.Now = now
	return jetstream.Open(ctx, opts)
}

func (p *streamPlace) Close(log backend.Log) error { return log.Close() }

func (p *streamPlace) Remove() error {
	var all error
	for _, kind := range []string{"", "KV_", "OBJ_"} {
		if err := p.js.DeleteStream(context.Background(), kind+"IGNITER_"+p.opts.Log); !errors.Is(err, natsjs.ErrStreamNotFound) {
			all = errors.Join(all, err)
		}
	}
	return all
}

func (p *streamPlace) Restore(ctx context.Context, source backend.Stats, pages iter.Seq2[backend.Page, error], through uint64) error {
	if err := p.js.DeleteStream(ctx, "IGNITER_"+p.opts.Log); err != nil {
		return err
	}
	_, err := jetstream.Restore(ctx, p.opts, func(context.Context) (backend.Stats, error) { return source, nil }, pages, through)
	return err
}

// A tablePlace has a log in a PostgreSQL database.
type tablePlace struct{ opts postgres.Options }

var tablePlaces atomic.Int64

func tablePlaceOf(address string) func(dir string) model.Place {
	return func(dir string) model.Place {
		return &tablePlace{postgres.Options{Address: address, Log: fmt.Sprint(filepath.Base(dir), tablePlaces.Add(1))}}
	}
}

func (p *tablePlace) Open(ctx context.Context, now func() time.Time) (backend.Log, error) {
	opts := p.opts
	opts.Now = now
	return postgres.Open(ctx, opts)
}

func (p *tablePlace) Close(log backend.Log) error { return log.Close() }
func (p *tablePlace) Remove() error               { return nil }

// Restore sets the tables back to the state in which the log ended with a seq, as restoring a copy of the disk does.
func (p *tablePlace) Restore(ctx context.Context, _ backend.Stats, _ iter.Seq2[backend.Page, error], through uint64) error {
	conn, err := pgx.Connect(ctx, p.opts.Address)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{
		`delete from igniter.fact f using igniter.log l where f.log = l.log and l.name = $1 and f.seq > $2`,
		`update igniter.fact f set rest = $2 - f.seq from igniter.log l where f.log = l.log and l.name = $1 and f.seq + f.rest > $2`,
		`update igniter.log set origin = '', floor_seq = least(floor_seq, $2) where name = $1`,
	} {
		if _, err := conn.Exec(ctx, sql, p.opts.Log, int64(through)); err != nil {
			return err
		}
	}
	return nil
}
