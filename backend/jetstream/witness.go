// SPDX-License-Identifier: Apache-2.0

package jetstream

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// witnessKey is the key of the witness in the log's bucket.
const witnessKey = "head"

// bucket returns the bucket of the texts that are stored beside the log: IGNITER_NAME.
func (p *port) bucket(ctx context.Context, create bool) (jetstream.KeyValue, error) {
	kv, err := p.js.KeyValue(ctx, streamName(p.opts.Log))
	if errors.Is(err, jetstream.ErrBucketNotFound) && create {
		kv, err = p.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: streamName(p.opts.Log), Description: "the end of a log of Igniter", Replicas: p.stream.CachedInfo().Config.Replicas})
		if errors.Is(err, jetstream.ErrBucketExists) {
			kv, err = p.js.KeyValue(ctx, streamName(p.opts.Log))
		}
	}
	return kv, err
}

func (p *port) Remember(ctx context.Context, text string) error {
	kv, err := p.bucket(ctx, true)
	if err == nil {
		_, err = kv.PutString(ctx, witnessKey, text)
	}
	return err
}

func (p *port) Recall(ctx context.Context) (string, error) {
	call, cancel := p.call(ctx)
	defer cancel()
	kv, err := p.bucket(call, false)
	var e jetstream.KeyValueEntry
	if err == nil {
		e, err = kv.Get(call, witnessKey)
	}
	if errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrKeyNotFound) {
		return "", nil
	}
	if err != nil {
		return "", p.failedTo(ctx, "read the witness", err)
	}
	return string(e.Value()), nil
}
