// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/companion"
)

// Relation.One is ErrNotFound for a record that was pruned, and for the zero Record.
func TestRelationsOfPrunedRecords(t *testing.T) {
	s := openStore(t)
	articles, err := companion.NewRecords[Article](s, "articles")
	require.NoError(t, err)
	comments, err := companion.NewRecords[Comment](s, "comments")
	require.NoError(t, err)
	of, err := companion.NewRelation(articles, comments, "article")
	require.NoError(t, err)
	_, err = articles.Put(t.Context(), "a1", Article{Title: "Lamp"})
	require.NoError(t, err)
	for range 3 {
		_, err = comments.Put(t.Context(), "c1", Comment{Article: "a1"})
		require.NoError(t, err)
	}
	history := collect(t, comments.History(t.Context(), "c1", companion.Moment{}))
	for _, comment := range history {
		one, err := of.One(t.Context(), comment, companion.Moment{})
		require.NoError(t, err)
		require.Equal(t, "Lamp", one.Value.Title)
	}
	require.NoError(t, comments.Retain(companion.Retention{Versions: 1}))
	_, err = s.Compact(t.Context())
	require.NoError(t, err)
	for i, comment := range append(history, companion.Record[Comment]{}) {
		_, err = of.One(t.Context(), comment, companion.Moment{})
		if i == 2 { // the latest
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, map[bool]error{true: companion.ErrCompacted, false: companion.ErrNotFound}[i < 2], i)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = of.One(ctx, history[2], companion.Moment{})
	require.ErrorIs(t, err, context.Canceled)
}
