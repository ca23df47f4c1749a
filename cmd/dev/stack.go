package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// stack is the broker and the database that the platform runs on.
type stack struct {
	cfg      *config
	broker   *devstack.Broker
	postgres *devstack.Postgres
	analyst  string // URL that psql reads the tenant's rows with
	auth     auth.Config
}

// startStack starts both side by side and prepares the database.
func startStack(ctx context.Context, cfg *config, log *slog.Logger) (*stack, error) {
	s := &stack{cfg: cfg}
	dir, err := filepath.Abs(cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		s.broker, err = devstack.StartBroker(gctx, devstack.BrokerConfig{Dir: filepath.Join(dir, "kafka"), Port: cfg.kafka(), Fresh: cfg.Fresh, Log: log})
		return err
	})
	g.Go(func() (err error) {
		s.postgres, err = devstack.StartPostgres(gctx, devstack.PostgresConfig{Dir: filepath.Join(dir, "postgres"), Port: cfg.postgres(), Fresh: cfg.Fresh, Log: log})
		return err
	})
	if err = g.Wait(); err == nil {
		err = s.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// prepare migrates the schema, makes the login for psql and the secret of tokens,
// which are good as long as the data are there.
func (s *stack) prepare(ctx context.Context) error {
	if _, _, err := readmodel.Migrate(ctx, s.postgres.URL()); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	u, err := url.Parse(s.postgres.URL())
	if err != nil {
		return fmt.Errorf("read the database's URL: %w", err)
	}
	admin, _ := u.User.Password()
	s.auth = auth.Config{Keys: []auth.Key{{Secret: []byte(derived(admin, "tokens"))}}, Issuer: "waybill-dev", Audience: "waybill"}
	password := derived(admin, "analyst")
	if err := readmodel.Analyst(ctx, s.postgres.URL(), "analyst", password, string(s.cfg.Tenant)); err != nil {
		return err
	}
	u.User = url.UserPassword("analyst", password)
	s.analyst = u.String()
	return nil
}

// derived is a secret that stays the same from start to start and does not give
// the administrator's password away.
func derived(admin, use string) string {
	mac := hmac.New(sha256.New, []byte(admin))
	mac.Write([]byte(use))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func (s *stack) close() error {
	var errs []error
	if s.broker != nil {
		errs = append(errs, s.broker.Close())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Close())
	}
	return errors.Join(errs...)
}
