package carriers_test

import (
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/waybill-io/waybill/internal/carriers"
)

// The documentation has every word that a built-in profile gives for a reason.
func TestEveryReasonIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/carriers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range carriers.Builtin() {
		var file struct {
			Reasons map[string]string
			Codes   []struct {
				ReasonCode string `yaml:"reason_code"`
			}
		}
		if err := yaml.Unmarshal(jsonProfile(t, name).Text(), &file); err != nil {
			t.Fatal(err)
		}
		words := map[string]bool{}
		for _, word := range file.Reasons {
			words[word] = true
		}
		for _, c := range file.Codes {
			words[c.ReasonCode] = true
		}
		delete(words, "")
		for word := range words {
			if !strings.Contains(string(text), "`"+word+"`") {
				t.Errorf("%s: docs/carriers.md does not say what %s means", name, word)
			}
		}
	}
}
