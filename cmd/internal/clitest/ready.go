package clitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/internal/ops"
)

// Ready waits until the command at an ops address says that it is ready.
func Ready(t testing.TB, opsAddr string) {
	t.Helper()
	Eventually(t, func() error {
		_, err := ops.Get(t.Context(), opsAddr, "/readyz")
		return err
	})
}

// NotReady waits until the command at an ops address answers that it is not
// ready because of a check that has been tried, and returns what that says.
func NotReady(t testing.TB, opsAddr, check string) ops.Status {
	t.Helper()
	var status ops.Status
	Eventually(t, func() error {
		text, err := ops.Get(t.Context(), opsAddr, "/readyz")
		if err == nil {
			return errors.New("it says that it is ready")
		}
		if !strings.Contains(err.Error(), "503") {
			return err
		}
		var report ops.Report
		if err := json.Unmarshal([]byte(text), &report); err != nil {
			return err
		}
		var there bool
		if status, there = report.Checks[check]; !there || status.OK || status.Detail == "starting" {
			return fmt.Errorf("check %s says %+v", check, status)
		}
		return nil
	})
	return status
}
