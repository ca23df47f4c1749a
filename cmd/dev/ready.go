package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/cmd/internal/wire"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/ops"
)

// ready is what the ready file says.
type ready struct {
	Page     string `json:"page"`
	API      string `json:"api"`
	WS       string `json:"ws"`
	Ops      string `json:"ops"`
	Brokers  string `json:"brokers"`
	Postgres string `json:"postgres"` // an analyst's login
	Owner    string `json:"owner"`    // the same database, for bin/consumer's commands
	Tenant   string `json:"tenant"`
	Token    string `json:"token"` // good for an hour; POST /dev/token gives another
}

// announce waits until everything answers, then says where.
func (s *stack) announce(ctx context.Context, stdout io.Writer) error {
	if err := s.answers(ctx); err != nil {
		return nil // ctx has ended before it did
	}
	signer, err := auth.NewSigner(s.auth)
	if err != nil {
		return fmt.Errorf("sign tokens: %w", err)
	}
	token, _, err := signer.Mint(wire.DevPrincipal(string(s.cfg.Tenant)), time.Hour)
	if err != nil {
		return fmt.Errorf("sign a token: %w", err)
	}
	r := ready{
		Page: "http://" + local(s.cfg.page()) + "/", API: "http://" + local(s.cfg.page()), WS: "ws://" + local(s.cfg.page()) + "/v1/live",
		Ops: "http://" + local(s.cfg.ops()), Brokers: strings.Join(s.broker.Brokers(), ","), Postgres: s.analyst, Owner: s.postgres.URL(),
		Tenant: string(s.cfg.Tenant), Token: token,
	}
	s.print(stdout, r)
	if s.cfg.ReadyFile == "" {
		return nil
	}
	return r.write(s.cfg.ReadyFile)
}

// answers polls readiness and the page until both say yes.
func (s *stack) answers(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := ops.Get(ctx, local(s.cfg.ops()), "/readyz"); err == nil && pageAnswers(ctx, local(s.cfg.page())) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func pageAnswers(ctx context.Context, addr string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// write replaces the file as a whole: whoever waits for it reads all of it.
func (r ready) write(name string) error {
	doc, err := json.Marshal(r, jsontext.Multiline(true))
	if err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	if err := os.WriteFile(name+".new", append(doc, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	return nil
}

func (s *stack) print(w io.Writer, r ready) {
	traffic := "no simulated traffic; start it with --simulate EVENTS_PER_S"
	if s.cfg.Simulate > 0 {
		traffic = fmt.Sprintf("%g simulated events per second", s.cfg.Simulate)
	}
	fmt.Fprintf(w, `
Waybill is running: %s

  dashboard  %s
  live       %s
  psql       psql "%s"
  publish    bin/producer publish --brokers %s FILE
  operate    export WAYBILL_DATABASE_URL="%s" WAYBILL_BROKERS=%s
             bin/consumer verify | rebuild | positions | deadletters list
  watch      bin/tracker-ws watch --dev-token --url %s
  links      bin/tracker-ws link create --tenant %s --base-url %s --shipment ID
  ops        %s/readyz   %s/metrics
  data       %s (--fresh begins anew)

Ctrl-C stops everything; the data stay.
`, traffic, r.Page, r.WS, r.Postgres, r.Brokers, r.Owner, r.Brokers, r.WS, r.Tenant, r.API, r.Ops, r.Ops, s.cfg.Data)
}
