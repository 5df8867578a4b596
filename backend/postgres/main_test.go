package postgres

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	os.Exit(tests(m))
}

// bg is the context of processes and servers.
var bg = context.Background()

func tests(m *testing.M) int {
	if log := os.Getenv(asWorker); log != "" {
		if err := work(log); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			return 1
		}
		return 0
	}
	if os.Getenv("IGNITER_POSTGRES_FSYNC") == "" {
		os.Setenv("IGNITER_POSTGRES_FSYNC", "off") // the tests end processes, not the machine
	}
	remove := func() {}
	if shared.address = os.Getenv(sharedAddress); shared.address == "" {
		s, err := newServer()
		if err != nil {
			if _, missing := program("initdb"); missing == nil {
				os.Stderr.WriteString(err.Error() + "\n")
				return 1
			}
			shared.missing = err
		} else {
			remove = s.remove
			shared.address = s.address("postgres", "postgres")
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
