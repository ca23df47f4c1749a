package readmodel_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// Who logs in as an analyst is told what is missing, and of whom.
func TestALoginThatMayNotWriteIsNamed(t *testing.T) {
	owner := stacktest.Postgres(t)
	if _, _, err := readmodel.Migrate(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	if err := readmodel.Analyst(t.Context(), owner, "curious", "secret", "acme"); err != nil {
		t.Fatal(err)
	}
	analyst, err := url.Parse(owner)
	if err != nil {
		t.Fatal(err)
	}
	analyst.User = url.UserPassword("curious", "secret")
	store, err := readmodel.OpenStore(t.Context(), readmodel.Config{URL: analyst.String()})
	if err == nil {
		store.Close()
	}
	if err == nil || !strings.Contains(err.Error(), `the login "curious" may not act as waybill_projector`) || strings.Contains(err.Error(), "secret") {
		t.Errorf("OpenStore = %v", err)
	}
}
