// Package protocol is what clients and servers say to each other: requests, answers, streams and
// errors, each the body of a frame of package wire.
package protocol
