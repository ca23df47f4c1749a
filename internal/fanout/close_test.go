package fanout_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/internal/fanout"
)

func TestTheTableOfCloseCodesIsComplete(t *testing.T) {
	seen := make(map[fanout.CloseCode]bool)
	for _, row := range fanout.Closings() {
		if seen[row.Code] {
			t.Errorf("%d stands twice", row.Code)
		}
		seen[row.Code] = true
		if row.Reconnect != row.Code.Reconnect() {
			t.Errorf("%d: reconnect %v, its range says %v", row.Code, row.Reconnect, row.Code.Reconnect())
		}
		if row.Meaning != row.Code.String() || len(row.Meaning) > 123 || strings.TrimSpace(row.Meaning) == "" {
			t.Errorf("%d: %q is no reason for a close frame", row.Code, row.Meaning)
		}
	}
}

// The page for people who write clients has the same codes, and says the same of
// coming back.
func TestTheProtocolPageHasEveryCode(t *testing.T) {
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range fanout.Closings() {
		if row.Code < 4000 {
			continue
		}
		answer := "no"
		if row.Reconnect {
			answer = "yes"
		}
		line := regexp.MustCompile(fmt.Sprintf(`(?m)^\| %d \|.*\| %s[^|]*\|$`, row.Code, answer))
		if !line.Match(text) {
			t.Errorf("docs/protocol.md has no row for %d that says %q", row.Code, answer)
		}
	}
	for _, code := range []fanout.Code{
		fanout.BadRequest, fanout.Unauthenticated, fanout.Forbidden, fanout.UnknownTopic, fanout.BadFilter,
		fanout.Limit, fanout.RateLimited, fanout.Overloaded, fanout.Internal,
	} {
		answer := "no"
		if code.Retryable() {
			answer = "yes"
		}
		if !strings.Contains(string(text), fmt.Sprintf("| `%s` | %s |", code, answer)) {
			t.Errorf("docs/protocol.md has no row for %s that says %q", code, answer)
		}
	}
}
