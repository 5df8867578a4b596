// SPDX-License-Identifier: Apache-2.0

package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/caslog"
)

// blobs returns the object store of the log's indexes: IGNITER_NAME.
func (p *port) blobs(ctx context.Context, create bool) (jetstream.ObjectStore, error) {
	o, err := p.js.ObjectStore(ctx, streamName(p.opts.Log))
	if errors.Is(err, jetstream.ErrBucketNotFound) && create {
		o, err = p.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: streamName(p.opts.Log), Description: "indexes of a log of Igniter, which can be made again", Replicas: p.stream.CachedInfo().Config.Replicas})
		if errors.Is(err, jetstream.ErrBucketExists) {
			o, err = p.js.ObjectStore(ctx, streamName(p.opts.Log))
		}
	}
	return o, err
}

// blobFailed returns the error of a failed call for a blob.
func (p *port) blobFailed(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrObjectNotFound) || errors.Is(err, jetstream.ErrNoObjectsFound):
		return caslog.ErrNone
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: %s an index of log %q: %w", backend.ErrUnavailable, what, p.opts.Log, err)
}

func (p *port) PutBlob(ctx context.Context, name string, r io.Reader) error {
	o, err := p.blobs(ctx, true)
	if err == nil {
		_, err = o.Put(ctx, jetstream.ObjectMeta{Name: name}, &pacedReader{r, ctx, p})
	}
	return p.blobFailed(ctx, "write", err)
}

// A pacedReader leaves time for writes on the same connection, since an object store uses all the bandwidth that it gets.
// Before it returns more bytes, the server has received the earlier ones.
type pacedReader struct {
	io.Reader
	ctx  context.Context
	port *port
}

// blobPause is the least wait before each 128 KiB, which an object store reads at once.
const blobPause = 2 * time.Millisecond

func (r *pacedReader) Read(b []byte) (int, error) {
	select {
	case <-time.After(blobPause):
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	}
	ctx, cancel := r.port.send(r.ctx, len(b))
	defer cancel()
	if err := r.port.nc.FlushWithContext(ctx); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// blobTimeout limits the time to read a blob. Without it, an object store would use callTimeout.
const blobTimeout = time.Hour

func (p *port) GetBlob(ctx context.Context, name string) (io.ReadCloser, error) {
	call, cancel := p.call(ctx)
	o, err := p.blobs(call, false)
	if err == nil {
		_, err = o.GetInfo(call, name)
	}
	cancel()
	if err != nil {
		return nil, p.blobFailed(ctx, "read", err)
	}
	call, cancel = context.WithTimeout(ctx, blobTimeout)
	result, err := o.Get(call, name)
	if err != nil {
		cancel()
		return nil, p.blobFailed(ctx, "read", err)
	}
	return &blobReader{result, cancel}, nil
}

// A blobReader limits the wait for the next bytes, since an object store would wait long for a lost end.
type blobReader struct {
	jetstream.ObjectResult
	cancel context.CancelFunc
}

func (r *blobReader) Read(b []byte) (int, error) {
	timer := time.AfterFunc(slowTimeout, r.cancel)
	defer timer.Stop()
	return r.ObjectResult.Read(b)
}

func (r *blobReader) Close() error {
	defer r.cancel()
	return r.ObjectResult.Close()
}

func (p *port) ListBlobs(ctx context.Context) ([]caslog.Blob, error) {
	call, cancel := p.call(ctx)
	defer cancel()
	var infos []*jetstream.ObjectInfo
	o, err := p.blobs(call, false)
	if err == nil {
		infos, err = o.List(call)
	}
	if err = p.blobFailed(ctx, "list", err); err != nil && !errors.Is(err, caslog.ErrNone) {
		return nil, err
	}
	var all []caslog.Blob
	for _, i := range infos {
		all = append(all, caslog.Blob{Name: i.Name, Time: i.ModTime})
	}
	return all, nil
}

func (p *port) RemoveBlob(ctx context.Context, name string) error {
	call, cancel := p.call(ctx)
	defer cancel()
	o, err := p.blobs(call, false)
	if err == nil {
		err = o.Delete(call, name)
	}
	if err = p.blobFailed(ctx, "remove", err); errors.Is(err, caslog.ErrNone) {
		return nil
	}
	return err
}
