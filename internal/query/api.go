package query

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/limit"
	"github.com/waybill-io/waybill/internal/origin"
)

// ScopeRead is the scope that a token needs.
const ScopeRead = "read"

// Verifier tells who a token speaks for.
type Verifier interface {
	Verify(token string) (auth.Principal, error)
}

// Config says how the API answers.
type Config struct {
	CursorKey []byte                // signs cursors; the same in every process behind one address. Defaults to a random one.
	Timeout   time.Duration         // for one request. Defaults to 2 s.
	PerSecond float64               // requests of one user; twice as many may come at once. Defaults to 50.
	Origins   origin.List           // of other hosts whose pages may read. Defaults to none.
	Metrics   prometheus.Registerer // Defaults to none.
}

// api answers the requests.
type api struct {
	store   Store
	tokens  Verifier
	cursors sealer
	users   *limit.Keys
	log     *slog.Logger
}

// New returns the handler of all paths below /v1/.
func New(cfg Config, store Store, tokens Verifier, log *slog.Logger) (http.Handler, error) {
	if len(cfg.CursorKey) == 0 {
		cfg.CursorKey = []byte(rand.Text() + rand.Text())
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second
	}
	if cfg.PerSecond == 0 {
		cfg.PerSecond = 50
	}
	a := &api{
		store: store, tokens: tokens, cursors: sealer{cfg.CursorKey}, log: log,
		users: limit.NewKeys(cfg.PerSecond, int(2*cfg.PerSecond)),
	}
	mux := http.NewServeMux()
	a.routes(mux)
	seconds, err := newHistogram(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return &door{mux: mux, origins: cfg.Origins, timeout: cfg.Timeout, seconds: seconds}, nil
}

// OpenAPI describes the API as OpenAPI 3.1, in YAML.
func OpenAPI() ([]byte, error) {
	a := &api{}
	return a.routes(http.NewServeMux()).OpenAPI().YAML()
}

// routes registers every operation.
func (a *api) routes(mux humago.Mux) huma.API {
	described := huma.DefaultConfig("Waybill read API", "1.0.0")
	described.OpenAPIPath, described.DocsPath, described.SchemasPath = "", "", ""
	described.CreateHooks = nil // no links to schemas in the answers
	asJSON := huma.Format{Marshal: func(w io.Writer, v any) error { return marshal(w, v) }}
	described.Formats = map[string]huma.Format{"application/json": asJSON, "json": asJSON}
	described.Info.Description = "Orders, shipments and their timelines. Every request sees the tenant of its token only."
	described.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A token with the scope read."},
	}
	h := humago.New(mux, described)
	h.UseMiddleware(a.authenticate, a.checkParameters(h))

	huma.Register(h, operation(h, "order", "/v1/orders/{id}", "The order as it is now, or as it was."), a.order)
	huma.Register(h, operation(h, "order-timeline", "/v1/orders/{id}/timeline",
		"The order with every fact of it and of its shipments, oldest first."), a.orderTimeline)
	huma.Register(h, operation(h, "shipment", "/v1/shipments/{id}", "The shipment as it is now, or as it was."), a.shipment)
	huma.Register(h, operation(h, "shipment-timeline", "/v1/shipments/{id}/timeline",
		"The shipment with every fact of it, oldest first."), a.shipmentTimeline)
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} {
		delete(h.OpenAPI().Components.Schemas.Map(), unused)
	}
	return h
}

func operation(h huma.API, id, path, summary string) huma.Operation {
	problem := h.OpenAPI().Components.Schemas.Schema(problemOf, true, "Problem")
	op := huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary,
		Security:           []map[string][]string{{"token": {}}},
		SkipValidateParams: true, // checkParameters does, and answers as everything else does
		Responses:          map[string]*huma.Response{},
	}
	for status, when := range map[string]string{
		"400": "bad_parameter, bad_cursor", "401": "invalid_token", "403": "forbidden",
		"404": "not_found: the tenant of the token has no such thing, or had none then",
		"422": "history_too_long: the view of the past would take too many events", "429": "rate_limited: ask again after Retry-After",
		"500": "internal", "503": "unavailable: ask again after Retry-After",
	} {
		op.Responses[status] = &huma.Response{Description: when, Content: map[string]*huma.MediaType{problemType: {Schema: problem}}}
	}
	return op
}

type idInput struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9._:-]{1,64}$" doc:"Its id."`
	PastInput
}

type pageInput struct {
	ID     string `path:"id" pattern:"^[A-Za-z0-9._:-]{1,64}$" doc:"Its id."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"200" doc:"How many entries at most."`
	Cursor string `query:"cursor" doc:"The next of the page before, with the same as_of and basis; left out: from the beginning."`
	PastInput
}

type (
	orderOutput    struct{ Body OrderView }
	shipmentOutput struct{ Body ShipmentView }
)

// OrderTimeline is an order with a page of its timeline.
type OrderTimeline struct {
	Order   OrderView `json:"order" doc:"The order as it is now, or was."`
	Entries []Entry   `json:"entries" nullable:"false" doc:"Facts of the order and of its shipments, in fold order, oldest first."`
	Next    string    `json:"next" doc:"The cursor of the next page; empty when there is none."`
}

// ShipmentTimeline is a shipment with a page of its timeline.
type ShipmentTimeline struct {
	Shipment ShipmentView `json:"shipment" doc:"The shipment as it is now, or was."`
	Entries  []Entry      `json:"entries" nullable:"false" doc:"Facts of the shipment and of its numbers, in fold order, oldest first."`
	Next     string       `json:"next" doc:"The cursor of the next page; empty when there is none."`
}

type (
	orderTimelineOutput    struct{ Body OrderTimeline }
	shipmentTimelineOutput struct{ Body ShipmentTimeline }
)

func (a *api) order(ctx context.Context, in *idInput) (*orderOutput, error) {
	view, refused := in.view()
	if refused != nil {
		return nil, refused
	}
	row, err := a.readOrder(ctx, events.OrderID(in.ID), view)
	if err != nil {
		return nil, a.problem(ctx, "read order", err)
	}
	return &orderOutput{OrderView{row, view}}, nil
}

func (a *api) shipment(ctx context.Context, in *idInput) (*shipmentOutput, error) {
	view, refused := in.view()
	if refused != nil {
		return nil, refused
	}
	row, err := a.readShipment(ctx, events.ShipmentID(in.ID), view)
	if err != nil {
		return nil, a.problem(ctx, "read shipment", err)
	}
	return &shipmentOutput{ShipmentView{row, view}}, nil
}

func (a *api) orderTimeline(ctx context.Context, in *pageInput) (*orderTimelineOutput, error) {
	out, err := a.order(ctx, &idInput{in.ID, in.PastInput})
	if err != nil {
		return nil, err
	}
	page, err := a.page(ctx, events.OrderStream, in, out.Body.View)
	if err != nil {
		return nil, err
	}
	return &orderTimelineOutput{OrderTimeline{out.Body, page.Entries, page.Next}}, nil
}

func (a *api) shipmentTimeline(ctx context.Context, in *pageInput) (*shipmentTimelineOutput, error) {
	out, err := a.shipment(ctx, &idInput{in.ID, in.PastInput})
	if err != nil {
		return nil, err
	}
	page, err := a.page(ctx, events.ShipmentStream, in, out.Body.View)
	if err != nil {
		return nil, err
	}
	return &shipmentTimelineOutput{ShipmentTimeline{out.Body, page.Entries, page.Next}}, nil
}

// page reads a page whose Next is a cursor.
func (a *api) page(ctx context.Context, kind events.StreamKind, in *pageInput, view View) (Page, error) {
	t := timeline{tenantOf(ctx), events.Stream{Kind: kind, ID: in.ID}, view.name()}
	after, refused := a.cursors.open(t, in.Cursor)
	if refused != nil {
		return Page{}, refused
	}
	page, err := a.readTimeline(ctx, t.of, after, in.Limit, view)
	if err != nil {
		return Page{}, a.problem(ctx, "read timeline", err)
	}
	page.Next = a.cursors.seal(t, page.Next)
	return page, nil
}

// problem tells the client what it may know of an error and the log the rest.
func (a *api) problem(ctx context.Context, doing string, err error) *Problem {
	if errors.Is(err, ErrNotFound) {
		return notFound()
	}
	if errors.Is(err, ErrTooLong) {
		return refuse(http.StatusUnprocessableEntity, CodeTooLong, "The view of the past would take too many events.")
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // else the client hung up
		a.log.ErrorContext(ctx, "request failed", "request_id", requestID(ctx), "doing", doing, "error", err)
	}
	temporary, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	if ctx.Err() != nil || ok && temporary.Temporary() {
		return refuse(http.StatusServiceUnavailable, CodeUnavailable, "The read model cannot answer now.")
	}
	return refuse(http.StatusInternalServerError, CodeInternal, "The request could not be answered.")
}
