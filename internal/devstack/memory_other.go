//go:build !linux

package devstack

// memory returns "": there is no directory in memory that every machine has.
func memory() string { return "" }
