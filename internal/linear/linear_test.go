// SPDX-License-Identifier: Apache-2.0

package linear

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCheck rejects histories that no log can have.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		writes []Write
		ok     bool
	}{
		"one after the other": {[]Write{{Client: 0, Key: "k", ID: "a", Call: 1, Return: 4}, {Client: 1, Key: "k", Expect: "a", ID: "b", Call: 2, Return: 3}}, true},
		"two winners":         {[]Write{{Client: 0, Key: "k", ID: "a", Call: 1, Return: 4}, {Client: 1, Key: "k", ID: "b", Call: 2, Return: 3}}, false},
		"two keys":            {[]Write{{Client: 0, Key: "k", ID: "a", Call: 1, Return: 4}, {Client: 1, Key: "l", ID: "b", Call: 2, Return: 3}}, true},
		"a conflict with the past": {[]Write{{Client: 0, Key: "k", ID: "a", Call: 1, Return: 2},
			{Client: 1, Key: "k", Expect: "b", ID: "c", Call: 3, Return: 4, Refused: true, Latest: ""}}, false},
		"a conflict with nothing": {[]Write{{Client: 0, Key: "k", ID: "a", Call: 1, Return: 2, Refused: true}}, false},
	} {
		_, err := Check(c.writes)
		require.Equal(t, c.ok, err == nil, name)
	}
}
