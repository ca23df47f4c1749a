package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Address is host:port.
type Address string

// UnmarshalText refuses what is no host:port.
func (a *Address) UnmarshalText(text []byte) error {
	_, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return errors.New("want host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 && port != "0" {
		return fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	*a = Address(text)
	return nil
}

// Brokers are seed addresses of Kafka.
type Brokers []string

// UnmarshalText reads a comma-separated list of host:port.
func (b *Brokers) UnmarshalText(text []byte) error {
	*b = nil
	for part := range strings.SplitSeq(string(text), ",") {
		var a Address
		if err := a.UnmarshalText([]byte(strings.TrimSpace(part))); err != nil {
			host := part[strings.LastIndex(part, "@")+1:] // what stands before may be a password
			return fmt.Errorf("broker %q: %w", host, err)
		}
		*b = append(*b, string(a))
	}
	return nil
}

// DatabaseURL is where Postgres is.
type DatabaseURL string

// UnmarshalText wants a postgres:// URL. The error never repeats it: it may hold
// a password.
func (u *DatabaseURL) UnmarshalText(text []byte) error {
	parsed, err := url.Parse(string(text))
	if err != nil || parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" {
		return errors.New("want postgres://user:password@host:port/database, with what is special in a password as %XX")
	}
	*u = DatabaseURL(text)
	return nil
}

// Tenant names a customer of the platform.
type Tenant string

// UnmarshalText refuses what is no tenant id.
func (t *Tenant) UnmarshalText(text []byte) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-"
	if len(text) == 0 || len(text) > 64 || strings.Trim(string(text), allowed) != "" {
		return errors.New("want 1 to 64 characters of A-Z a-z 0-9 . _ : -")
	}
	*t = Tenant(text)
	return nil
}

// Secret is read from a file, so that it stands in no process list.
type Secret []byte

// UnmarshalText reads the file that text names; one line end at its end is cut.
func (s *Secret) UnmarshalText(text []byte) error {
	content, err := os.ReadFile(string(text))
	if err != nil {
		return fmt.Errorf("read the secret: %w", err)
	}
	trimmed := strings.TrimRight(string(content), "\r\n")
	if trimmed == "" {
		return errors.New("the secret's file is empty")
	}
	*s = Secret(trimmed)
	return nil
}

// Logging is how a command logs.
type Logging struct {
	LogLevel  slog.Level `help:"Least level that is logged: debug, info, warn, error." default:"info"`
	LogFormat string     `help:"Format of the log: auto is text on a terminal, else JSON." enum:"auto,text,json" default:"auto"`
}

// NotEmpty refuses a flag's empty value.
func NotEmpty(flag, value string) error {
	if value == "" {
		return fmt.Errorf("%s: is empty", flag)
	}
	return nil
}

// AtLeast refuses a flag's value below the least allowed.
func AtLeast[N int | int64 | float64 | time.Duration](flag string, value, least N) error {
	if value < least {
		return fmt.Errorf("%s: %v is less than %v", flag, value, least)
	}
	return nil
}

// Check reports all problems at once.
func Check(problems ...error) error { return errors.Join(problems...) }
