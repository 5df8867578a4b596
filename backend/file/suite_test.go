package file_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
	"github.com/igniter-store/igniter/backend/backendtest/framed"
	"github.com/igniter-store/igniter/backend/file"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opener returns an Opener of logs with the options, except their path.
func opener(opts file.Options) backendtest.Opener {
	return func(t testing.TB, dir string) backend.Backend {
		opts := opts
		opts.Path = dir
		l, err := file.Open(t.Context(), opts)
		require.NoError(t, err)
		return l
	}
}

// TestSuite runs the conformance suite without excuses under each policy, and with segments so small that
// most cases have several.
func TestSuite(t *testing.T) {
	require.Empty(t, backendtest.Skipped(nil))
	for name, opts := range map[string]file.Options{
		"always":          {}, // TestFramesSuite has never
		"interval, small": {Sync: file.SyncInterval, SyncInterval: 1e6, SegmentSize: 4 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backendtest.Run(t, opener(opts), nil)
		})
	}
}

// TestFramesSuite runs the suite over the frames that the log yields.
func TestFramesSuite(t *testing.T) {
	t.Parallel()
	open := opener(file.Options{Sync: file.SyncNever, SegmentSize: 64 << 10})
	backendtest.Run(t, func(t testing.TB, dir string) backend.Backend { return framed.Log(open(t, dir).(*file.Log)) }, nil)
}

func Benchmark(b *testing.B) { backendtest.Benchmark(b, opener(file.Options{})) }
