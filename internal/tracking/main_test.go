package tracking_test

import (
	"os"
	"testing"

	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// TestMain tries each property on 300 random cases; make properties on 10,000.
func TestMain(m *testing.M) {
	trackingtest.Checks("300")
	os.Exit(m.Run())
}
