// SPDX-License-Identifier: Apache-2.0

package uuidtext_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/uuidtext"
)

func TestRoundTrip(t *testing.T) {
	for range 1000 {
		want := uuid.New()
		id, ok := uuidtext.Parse(want.String())
		require.True(t, ok)
		require.Equal(t, [16]byte(want), id)
		require.Equal(t, want.String(), uuidtext.String(id))
	}
}

func TestParseRefuses(t *testing.T) {
	good := "0197c0de-0123-7abc-8def-0123456789ab"
	for i := range good {
		for _, bad := range []string{"g", "A", "-", " ", "\x00", "\xff"} {
			if text := good[:i] + bad + good[i+1:]; text != good {
				_, ok := uuidtext.Parse(text)
				require.False(t, ok, "%q", text)
			}
		}
	}
	for _, text := range []string{"", good[:35], good + "0", "{" + good + "}", strings.ToUpper(good), strings.ReplaceAll(good, "-", "")} {
		_, ok := uuidtext.Parse([]byte(text))
		require.False(t, ok, "%q", text)
	}
}

func TestAllocations(t *testing.T) {
	text, dst := uuid.NewString(), make([]byte, 0, 64)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		id, _ := uuidtext.Parse(text)
		dst = uuidtext.Append(dst[:0], id)
	}))
}
