package postgres

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	os.Exit(tests(m))
}

func tests(m *testing.M) int {
	if os.Getenv("IGNITER_POSTGRES_FSYNC") == "" {
		os.Setenv("IGNITER_POSTGRES_FSYNC", "off") // the tests end processes, not the machine
	}
	if shared.address = os.Getenv(sharedAddress); shared.address == "" {
		s, err := newServer()
		if err != nil {
			if _, missing := program("initdb"); missing == nil {
				os.Stderr.WriteString(err.Error() + "\n")
				return 1
			}
			shared.missing = err
		} else {
			defer s.remove()
			shared.address = s.address("postgres", "postgres")
			os.Setenv(sharedAddress, shared.address)
		}
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil && shared.missing != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return code
}
