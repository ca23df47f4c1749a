//go:build !linux && !darwin

package gateway

// limitNotSent does nothing: the platform has no TCP_NOTSENT_LOWAT.
func limitNotSent(uintptr) { _ = notSent }
