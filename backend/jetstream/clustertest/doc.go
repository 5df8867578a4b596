// SPDX-License-Identifier: Apache-2.0

// Package clustertest tests package backend/jetstream with NATS servers in the test's own process. It is a module of its
// own, so that the backend does not depend on the server.
package clustertest
