// SPDX-License-Identifier: Apache-2.0

// Package jetstream keeps a log in a stream of NATS JetStream, which a cluster of servers replicates. Several processes may
// write the log. An app that imports the package can open a log by configuration:
//
//	backend: jetstream
//	address: nats://a:4222,nats://b:4222,nats://c:4222
//	settings: {log: orders, replicas: 3, durable: true}
//
// # The stream
//
// The stream of log NAME is IGNITER_NAME. Its metadata has the log's identity, and its subjects are
// igniter.NAME.IDENTITY.f for facts, .k for the remaining facts of pruned units, .n for notes, .i for the names of indexes,
// and .m for marks. A message is a unit of package backend/internal/caslog: the facts of one write or of several that
// waited together. It is published on the condition that the stream's last sequence is the one that the writer knows. The
// log relies on no other guarantee of JetStream. A unit above the server's limit of a message is published as an atomic
// batch of messages.
//
// Only this package may publish on igniter.NAME.>; a foreign message makes the log corrupt.
//
// # Durability
//
// With the default configuration of a server, an acknowledged message may be only in the memory of the operating system for
// two minutes. Replicas protect it against the loss of one machine, but not against a power cut of all machines. Set
// sync_interval: always in the configuration of each server, and Durable in the Options.
package jetstream
