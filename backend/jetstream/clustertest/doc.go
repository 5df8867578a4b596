// SPDX-License-Identifier: Apache-2.0

// Package clustertest tests package backend/jetstream with NATS servers in the test's own process. It is a module of its
// own, so that the server is no dependency of the backend.
package clustertest
