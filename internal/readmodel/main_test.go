package readmodel_test

import (
	"os"
	"testing"

	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// TestMain tries each property on 200 random cases: each is many transactions.
func TestMain(m *testing.M) {
	trackingtest.Checks("200")
	os.Exit(m.Run())
}
