package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/events/watch"
)

// shown is what was shown last to the server.
type shown struct {
	link atomic.Bool // the secret of a link, and no token
}

// by notes what source gives.
func (s *shown) by(source tokens) tokens {
	return func(ctx context.Context) (string, error) {
		token, err := source(ctx)
		if err == nil {
			s.link.Store(strings.HasPrefix(token, "wbl_"))
		}
		return token, err
	}
}

// name makes an error that speaks of a token one of the link that stood in its
// place.
func (s *shown) name(err error) error {
	closed, ok := errors.AsType[*watch.CloseError](err)
	if !ok || !s.link.Load() {
		return err
	}
	switch closed.Code {
	case 4501:
		return &watch.CloseError{Code: 4501, Reason: "no such link, or it was revoked or has expired"}
	case 4505:
		return &watch.CloseError{Code: 4505, Reason: "the link was revoked or has expired"}
	}
	return err
}

// tokens gives the token for a connection.
type tokens func(context.Context) (string, error)

// errNoDevTokens ends the command: waiting does not mend it.
var errNoDevTokens = errors.New("--dev-token: this host gives no development tokens, only make demo does: give --token-file")

// source says where the token comes from.
func (c *watchConfig) source(getenv func(string) string) (tokens, error) {
	switch token := getenv("WAYBILL_TOKEN"); {
	case c.TokenFile != "":
		return fileToken(c.TokenFile), nil
	case c.DevToken:
		return devToken(c.URL), nil
	case token != "":
		return func(context.Context) (string, error) { return token, nil }, nil
	}
	return nil, &cli.UsageError{Err: errors.New("no token: give --token-file, the variable WAYBILL_TOKEN, or with make demo --dev-token")}
}

func fileToken(name string) tokens {
	return func(context.Context) (string, error) { return readToken(name) }
}

// devToken asks the host of the live socket for a token, each time a new one.
func devToken(live string) tokens {
	return func(ctx context.Context) (string, error) {
		at, err := url.Parse(live)
		if err != nil {
			return "", err
		}
		scheme := map[string]string{"ws": "http", "wss": "https"}[at.Scheme]
		if scheme == "" {
			scheme = at.Scheme
		}
		ask := url.URL{Scheme: scheme, Host: at.Host, Path: "/dev/token"}
		return postForToken(ctx, ask.String())
	}
}

func postForToken(ctx context.Context, at string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return "", failed.Err // the address is known
	}
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode >= 400 && resp.StatusCode < 500 {
		return "", errNoDevTokens
	}
	var answer struct {
		Token string `json:"token"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer)
	if resp.StatusCode != http.StatusOK || err != nil || answer.Token == "" {
		return "", fmt.Errorf("ask for a development token: status %d", resp.StatusCode)
	}
	return answer.Token, nil
}
