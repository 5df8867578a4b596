// SPDX-License-Identifier: Apache-2.0

package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/igniter-store/igniter/backend"
)

// Metadata of a stream.
const (
	metaFormat    = "igniter_format"
	metaLog       = "igniter_log"
	metaAncestors = "igniter_ancestors"

	format = "1"
)

func streamName(log string) string { return "IGNITER_" + log }

// configOf returns the configuration of a new stream.
func (o *Options) configOf(id backend.LogID, inCluster bool) (jetstream.StreamConfig, error) {
	ancestors, err := json.Marshal(o.ancestors)
	if err != nil {
		return jetstream.StreamConfig{}, err
	}
	replicas := o.Replicas
	if replicas == 0 {
		replicas = 1
		if inCluster {
			replicas = 3
		}
	}
	return jetstream.StreamConfig{
		Name:               streamName(o.Log),
		Description:        "a log of Igniter; only Igniter may publish here",
		Subjects:           []string{subjects(o.Log, id) + "*"},
		Retention:          jetstream.LimitsPolicy,
		Storage:            jetstream.FileStorage,
		Discard:            jetstream.DiscardNew,
		MaxMsgs:            -1,
		MaxBytes:           -1,
		MaxMsgsPerSubject:  -1,
		MaxMsgSize:         -1,
		Replicas:           replicas,
		Duplicates:         100 * time.Millisecond, // the minimum
		DenyPurge:          true,
		AllowAtomicPublish: true,
		Metadata:           map[string]string{metaFormat: format, metaLog: id.String(), metaAncestors: string(ancestors)},
	}, nil
}

// subjects returns the beginning of a log's subjects.
func subjects(log string, id backend.LogID) string { return "igniter." + log + "." + id.String() + "." }

// identityOf returns the identity in a stream's metadata.
func identityOf(c *jetstream.StreamConfig) (id backend.LogID, ancestors []backend.Ancestor, err error) {
	if f := c.Metadata[metaFormat]; f != format {
		return id, nil, &backend.InvalidError{Field: "log", Reason: fmt.Sprintf("stream %s is not a log that this version knows: its metadata %s is %q, not %q", c.Name, metaFormat, f, format)}
	}
	err = id.UnmarshalText([]byte(c.Metadata[metaLog]))
	if err == nil {
		err = json.Unmarshal([]byte(c.Metadata[metaAncestors]), &ancestors)
	}
	if err != nil || id == (backend.LogID{}) {
		return id, nil, &backend.InvalidError{Field: "log", Reason: fmt.Sprintf("the metadata of stream %s has no identity of a log: %v", c.Name, err)}
	}
	return id, ancestors, nil
}

// checkConfig refuses a stream that may lose or change messages.
func (o *Options) checkConfig(c *jetstream.StreamConfig, id backend.LogID) error {
	for _, f := range []struct {
		field string
		ok    bool
		want  string
	}{
		{"subjects", len(c.Subjects) == 1 && c.Subjects[0] == subjects(o.Log, id)+"*", subjects(o.Log, id) + "*"},
		{"retention", c.Retention == jetstream.LimitsPolicy, "limits"},
		{"storage", c.Storage == jetstream.FileStorage, "file"},
		{"discard", c.Discard == jetstream.DiscardNew, "new"},
		{"max_age", c.MaxAge == 0, "0"},
		{"max_msgs", c.MaxMsgs <= 0, "-1"},
		{"max_msgs_per_subject", c.MaxMsgsPerSubject <= 0, "-1"},
		{"deny_purge", c.DenyPurge, "true"},
		{"allow_rollup_hdrs", !c.AllowRollup, "false"},
		{"allow_msg_ttl", !c.AllowMsgTTL, "false"},
		{"allow_direct", !c.AllowDirect, "false"}, // so that messages are read from the leader
		{"allow_atomic", c.AllowAtomicPublish, "true"},
		{"no_ack", !c.NoAck, "false"},
		{"sealed", !c.Sealed, "false"},
		{"mirror, sources, republish, subject_transform", c.Mirror == nil && len(c.Sources) == 0 && c.RePublish == nil && c.SubjectTransform == nil, "not set"},
		{"num_replicas", o.Replicas == 0 || c.Replicas == o.Replicas, strconv.Itoa(o.Replicas)},
	} {
		if !f.ok {
			return &backend.InvalidError{Field: f.field, Reason: fmt.Sprintf("of stream %s: a log needs %s; change the stream, with `nats stream edit` for example", c.Name, f.want)}
		}
	}
	if c.DenyDelete && !o.Salvage {
		return &backend.InvalidError{Field: "deny_delete", Reason: fmt.Sprintf("of stream %s: a prune could not erase facts, and servers do not take this setting back; open the log with salvage, and import an export into a new one", c.Name)}
	}
	return nil
}

// openStream returns the log's stream, which it creates if none exists.
func (o *Options) openStream(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	s, err := js.Stream(ctx, streamName(o.Log))
	switch {
	case err == nil && o.mustBeNew:
		return nil, &backend.InvalidError{Field: "log", Reason: fmt.Sprintf("stream %s exists", streamName(o.Log))}
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return s, err
	case o.MustExist:
		return nil, &backend.InvalidError{Field: "log", Reason: fmt.Sprintf("there is no stream %s", streamName(o.Log))}
	}
	config, err := o.configOf(backend.NewLogID(), js.Conn().ConnectedClusterName() != "")
	if err != nil {
		return nil, err
	}
	s, err = js.CreateStream(ctx, config)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) && !o.mustBeNew { // another process has created it, with another identity
		return js.Stream(ctx, streamName(o.Log))
	}
	return s, err
}

// checkVersion refuses servers with known faults.
func checkVersion(version string, replicas int) error {
	least := [3]int{2, 12, 3}
	if replicas > 1 {
		least = [3]int{2, 15, 0}
	}
	var v [3]int
	number, _, _ := strings.Cut(version, "-")
	for i, part := range strings.SplitN(number, ".", 3) {
		v[i], _ = strconv.Atoi(part)
	}
	for i := range v {
		if v[i] != least[i] {
			if v[i] > least[i] {
				return nil
			}
			return &backend.InvalidError{Field: "address", Reason: fmt.Sprintf("the server has version %s: a log with %d replicas needs %d.%d.%d or later", version, replicas, least[0], least[1], least[2])}
		}
	}
	return nil
}
