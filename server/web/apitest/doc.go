// SPDX-License-Identifier: Apache-2.0

// Package apitest checks server/web/openapi.json, and that answers match it. It is a module of its own, so that programs
// which embed Igniter do not get its dependencies.
package apitest
