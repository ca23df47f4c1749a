package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/waybill-io/waybill/cmd/internal/cli"
)

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
