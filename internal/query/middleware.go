package query

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
)

var problemOf = reflect.TypeFor[Problem]()

type key int

const (
	tenantKey key = iota
	requestKey
)

func tenantOf(ctx context.Context) events.TenantID {
	tenant, _ := ctx.Value(tenantKey).(events.TenantID)
	return tenant
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey).(string)
	return id
}

// answer writes a problem in place of the operation.
func answer(ctx huma.Context, p *Problem) {
	_, w := humago.Unwrap(ctx)
	p.write(w)
}

// authenticate lets a request pass whose token is valid, whose bearer may read
// and does not ask too often. Why a token is not valid is for the log only.
func (a *api) authenticate(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	principal, err := a.tokens.Verify(bearer(r))
	if err != nil {
		a.log.WarnContext(r.Context(), "token refused", "request_id", requestID(r.Context()), "reason", auth.Reason(err))
		answer(ctx, refuse(http.StatusUnauthorized, CodeInvalidToken, "The request needs a valid token."))
		return
	}
	if !principal.Has(ScopeRead) {
		answer(ctx, refuse(http.StatusForbidden, CodeForbidden, "The token does not let its bearer read."))
		return
	}
	if !a.users.Allow(principal.Tenant+"|"+principal.Subject, time.Now()) {
		answer(ctx, refuse(http.StatusTooManyRequests, CodeRateLimited, "There are too many requests of one user."))
		return
	}
	next(huma.WithValue(ctx, tenantKey, events.TenantID(principal.Tenant)))
}

// bearer returns the token of a request, or "" when it has none or several.
func bearer(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// checkParameters holds a request against its operation's description: what is
// not described is refused, and so is what is given twice.
func (a *api) checkParameters(h huma.API) func(huma.Context, func(huma.Context)) {
	registry := h.OpenAPI().Components.Schemas
	return func(ctx huma.Context, next func(huma.Context)) {
		here := ctx.URL()
		query, err := url.ParseQuery(here.RawQuery)
		if err != nil {
			answer(ctx, badParameter("", "The query cannot be read."))
			return
		}
		if p := strangers(ctx.Operation(), query); p != nil {
			answer(ctx, p)
			return
		}
		for _, param := range ctx.Operation().Parameters {
			if p := check(registry, param, ctx.Param(param.Name), query); p != nil {
				answer(ctx, p)
				return
			}
		}
		next(ctx)
	}
}

// strangers refuses parameters that are unknown or stand twice.
func strangers(op *huma.Operation, query url.Values) *Problem {
	known := map[string]bool{}
	for _, param := range op.Parameters {
		known[param.Name] = param.In == "query"
	}
	for name, values := range query {
		if !known[name] {
			return badParameter("", "There is a query parameter that this path does not have.")
		}
		if len(values) > 1 {
			return badParameter(name, "The parameter stands twice.")
		}
	}
	return nil
}

// check holds one parameter against its schema. An id that nothing can have
// names nothing.
func check(registry huma.Registry, param *huma.Param, path string, query url.Values) *Problem {
	value, refused := any(path), notFound()
	if param.In == "query" {
		if !query.Has(param.Name) {
			return nil
		}
		value, refused = query.Get(param.Name), badParameter(param.Name, wanted(param.Schema))
	}
	if param.Schema.Type == huma.TypeInteger {
		n, err := strconv.Atoi(query.Get(param.Name))
		if err != nil {
			return refused
		}
		value = n
	}
	found := &huma.ValidateResult{}
	huma.Validate(registry, param.Schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, found)
	if len(found.Errors) > 0 {
		return refused
	}
	return nil
}

// wantsMoment says what a moment looks like.
const wantsMoment = "The parameter wants a moment in RFC 3339, such as 2026-03-01T09:00:00Z or 2026-03-01T10:00:00%2B01:00."

// wanted says what a parameter may be, where its value is not that.
func wanted(s *huma.Schema) string {
	switch {
	case s.Format == "date-time":
		return wantsMoment
	case len(s.Enum) > 0:
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = fmt.Sprint(v)
		}
		return "The parameter wants " + strings.Join(values, " or ") + "."
	case s.Type == huma.TypeInteger && s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf("The parameter wants a whole number from %v to %v.", *s.Minimum, *s.Maximum)
	}
	return "The parameter has a value that it cannot have."
}
