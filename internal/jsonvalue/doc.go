// Package jsonvalue reads JSON as bytes: it checks values, skips over them, and finds their members
// and elements, the texts that strings stand for and the values that numbers have, without building
// a tree. It also writes the canonical form. No other package scans JSON by hand.
package jsonvalue
