package query_test

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/schemas"
)

var update = flag.Bool("update", false, "write schemas/openapi.yaml anew")

func TestOpenAPIFileIsThatOfTheCode(t *testing.T) {
	doc, err := query.OpenAPI()
	if err != nil {
		t.Fatalf("OpenAPI: %v", err)
	}
	if *update {
		if err := os.WriteFile("../../schemas/openapi.yaml", doc, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(schemas.OpenAPI), string(doc)); diff != "" {
		t.Errorf("schemas/openapi.yaml is not what the code says; go test ./internal/query -update writes it (-file +code):\n%s", diff)
	}
}

func readOpenAPI(t *testing.T) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(schemas.OpenAPI, &doc); err != nil {
		t.Fatalf("read openapi.yaml: %v", err)
	}
	return doc
}

func TestOpenAPIFileAndRouterHaveTheSameRoutes(t *testing.T) {
	described := []string{}
	paths, _ := readOpenAPI(t)["paths"].(map[string]any)
	for path, item := range paths {
		methods, _ := item.(map[string]any)
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	routed := query.Patterns()
	slices.Sort(described)
	slices.Sort(routed)
	if diff := cmp.Diff(described, routed); diff != "" {
		t.Errorf("routes (-file +router):\n%s", diff)
	}
	c := open(t, sample(), query.Config{})
	for _, route := range described {
		method, path, _ := strings.Cut(route, " ")
		if got := c.code(c.do(method, strings.ReplaceAll(path, "{id}", "x"), nil)); got != "401 invalid_token" {
			t.Errorf("%s without a token = %s", route, got)
		}
	}
}

// Every answer is what the description says of it, and nothing beside.
func TestAnswersKeepToTheOpenAPIFile(t *testing.T) {
	var json bytes.Buffer
	doc, err := yaml.YAMLToJSON(schemas.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	json.Write(doc)
	tree, err := jsonschema.UnmarshalJSON(&json)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(jsonschema.SchemeURLLoader{})
	compiler.AssertFormat()
	if err := compiler.AddResource("urn:openapi", tree); err != nil {
		t.Fatal(err)
	}
	c := open(t, sample(), query.Config{})
	for _, tt := range []struct{ token, path, route, status, media string }{
		{"ann", "/v1/orders/o-1", "/v1/orders/{id}", "200", "application/json"},
		{"ann", "/v1/orders/o-1/timeline", "/v1/orders/{id}/timeline", "200", "application/json"},
		{"ann", "/v1/shipments/s-1", "/v1/shipments/{id}", "200", "application/json"},
		{"ann", "/v1/shipments/s-1/timeline?limit=1", "/v1/shipments/{id}/timeline", "200", "application/json"},
		{"ann", "/v1/orders/o-1?as_of=2026-03-03T00:00:00Z", "/v1/orders/{id}", "200", "application/json"},
		{"ann", "/v1/shipments/s-1/timeline?as_of=2026-03-03T00:00:00Z&basis=known", "/v1/shipments/{id}/timeline", "200", "application/json"},
		{"ann", "/v1/orders/o-1?basis=known", "/v1/orders/{id}", "400", "application/problem+json"},
		{"ann", "/v1/orders/o-1/timeline?limit=0", "/v1/orders/{id}/timeline", "400", "application/problem+json"},
		{"eve", "/v1/orders/o-1/timeline", "/v1/orders/{id}/timeline", "401", "application/problem+json"},
		{"shop", "/v1/shipments/s-1", "/v1/shipments/{id}", "403", "application/problem+json"},
		{"ann", "/v1/shipments/s-0/timeline", "/v1/shipments/{id}/timeline", "404", "application/problem+json"},
	} {
		pointer := []string{"paths", tt.route, "get", "responses", tt.status, "content", tt.media, "schema"}
		for i, part := range pointer {
			pointer[i] = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(part)
		}
		schema, err := compiler.Compile("urn:openapi#/" + strings.Join(pointer, "/"))
		if err != nil {
			t.Errorf("%s %s is not described: %v", tt.path, tt.status, err)
			continue
		}
		w := c.get(tt.token, tt.path)
		if http.StatusText(w.Code) == "" || tt.status != w.Result().Status[:3] || tt.media != w.Header().Get("Content-Type") {
			t.Errorf("%s = %s %s, want %s %s", tt.path, w.Result().Status, w.Header().Get("Content-Type"), tt.status, tt.media)
		}
		body, err := jsonschema.UnmarshalJSON(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(body); err != nil {
			t.Errorf("%s: %v", tt.path, err)
		}
	}
}
