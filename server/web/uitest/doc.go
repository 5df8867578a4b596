// SPDX-License-Identifier: Apache-2.0

// Package uitest tests the inspector in a browser: the system's Chromium, driven by playwright-core, with the checks of
// axe-core. "npm ci" in this folder fetches both. Without them, or without a browser, the tests are skipped.
package uitest
