package main

import (
	"fmt"
	"net"
	"strings"
)

// A notifier tells systemd how a service does, as sd_notify(3) says, where systemd asks for that.
type notifier struct{ environ []string }

func (n notifier) say(lines ...string) {
	for _, v := range n.environ {
		path, ok := strings.CutPrefix(v, "NOTIFY_SOCKET=")
		if !ok || path == "" {
			continue
		}
		nc, err := net.Dial("unixgram", path) // "@" begins an abstract name here too
		if err != nil {
			return // there is nobody to tell
		}
		_, _ = nc.Write([]byte(strings.Join(lines, "\n")))
		_ = nc.Close()
	}
}

// reloading says that SIGHUP has come, with the time that systemd orders events by.
func (n notifier) reloading() { n.say("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonic())) }
