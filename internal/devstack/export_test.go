package devstack

import (
	"context"
	"log/slog"
)

// Fetch fetches a server from another repository than Maven Central.
func Fetch(ctx context.Context, repository, platform, digest, cache string) (string, error) {
	d := depot{repository, platform, map[string]string{"test": digest}, cache, slog.New(slog.DiscardHandler)}
	return d.fetch(ctx)
}

// FetchReal fetches this machine's server from Maven Central.
func FetchReal(ctx context.Context) (string, error) {
	return mavenCentral(PostgresConfig{Log: slog.New(slog.DiscardHandler)}).fetch(ctx)
}

// Memory returns a directory in memory, or "".
func Memory() string { return memory() }
