//go:build !linux

package stacktest

// memory returns "": there is no directory in memory that every machine has.
func memory() string { return "" }
