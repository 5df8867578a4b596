// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/internal/linear"
	"github.com/igniter-store/igniter/internal/pgserver"
)

func TestMain(m *testing.M) {
	code := tests(m)
	pgserver.Clean()
	os.Exit(code)
}

// bg is the context of processes and servers.
var bg = context.Background()

func tests(m *testing.M) int {
	if linear.IsWorker() {
		if err := race(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			return 1
		}
		return 0
	}
	remove := func() {}
	if shared.address = os.Getenv(sharedAddress); shared.address == "" {
		s, err := pgserver.New()
		if err != nil {
			if _, missing := pgserver.Program("initdb"); missing == nil {
				os.Stderr.WriteString(err.Error() + "\n")
				return 1
			}
			shared.missing = err
		} else {
			remove = s.Remove
			shared.address = s.Address("postgres", "postgres")
			os.Setenv(sharedAddress, shared.address)
		}
	}
	code := m.Run()
	remove()
	if err := goleak.Find(); code == 0 && err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return code
}
