// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/query"
)

// TestParseTime: a text is the time that people mean by it, or an error.
func TestParseTime(t *testing.T) {
	now := time.Date(2026, 3, 29, 1, 30, 0, 0, time.FixedZone("", 3600)) // half an hour before clocks are changed in Berlin
	for text, want := range map[string]string{
		"now": "2026-03-29T00:30:00Z", "7d": "2026-03-22T00:30:00Z", "-7d": "2026-03-22T00:30:00Z", "1.5d": "2026-03-27T12:30:00Z", "1d2h": "2026-03-27T22:30:00Z", "90m": "2026-03-28T23:00:00Z",
		"2026-11-24": "2026-11-24T00:00:00Z", "2026-11-24T10:00": "2026-11-24T10:00:00Z", "2026-11-24T10:00:00+02:00": "2026-11-24T08:00:00Z", "2026-11-24T10:00-02:30": "2026-11-24T12:30:00Z", "2026-11-24 10:00": "2026-11-24T10:00:00Z",
		"1795514400": "2026-11-24T10:00:00Z", "1795514400.25": "2026-11-24T10:00:00.25Z", "5.0": "1970-01-01T00:00:05Z", "-5.5": "1969-12-31T23:59:54.5Z", "1e9": "2001-09-09T01:46:40Z",
	} {
		got, err := query.ParseTime(text, now)
		require.NoError(t, err, text)
		require.Equal(t, want, got.UTC().Format(time.RFC3339Nano), text)
	}
	// A year, a day and a number of seconds ago must not be taken for seconds since 1970, nor milliseconds, nor a time to come for one ago.
	for _, text := range []string{"", "-", "2026", "20261124", "90", "-90", "0", "1795514400000", "+1h", "+7d", "--7d", "-1h-30m", "7", "2026-11", "2026-02-30", "24.11.2026", "10:00", "yesterday", "NaNd", "Infd", "1e300d", "0001-01-01", "99999d"} {
		_, err := query.ParseTime(text, now)
		require.Error(t, err, text)
	}
	m, err := query.ParseMoment("20261124", now)
	require.NoError(t, err)
	require.EqualValues(t, 20261124, m.Seq, "where a seq may be given, it is one; beyond the log's end it is an error")
}
