package ingest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/internal/ingest"
)

func TestTheMappingInTheReferenceIsGood(t *testing.T) {
	doc, err := os.ReadFile("../../examples/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	_, yaml, _ := strings.Cut(string(doc), "```yaml\n")
	yaml, _, found := strings.Cut(yaml, "```")
	if !found {
		t.Fatal("the reference shows no mapping")
	}
	o := intake(t, ingest.CSV{Mapping: mapping(t, yaml)}, ingest.IntakeConfig{}, file(t, "f.csv",
		"order;placed;changed;article;pieces;price\no1;02.03.2026 09:15:00;02.03.2026 09:16:00; MUG ;2;1.012,50\no2;-;;;;\n"))
	check(t, o, 1, nil)
}

func TestTheExamplesAreGood(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.ndjson")
	if err != nil || len(files) < 2 {
		t.Fatalf("examples %v, %v", files, err)
	}
	for _, name := range files {
		o := intake(t, ingest.NDJSON{}, ingest.IntakeConfig{}, &ingest.File{Name: name})
		if o.err != nil || o.result.Published == 0 {
			t.Errorf("%s: %d events, %v %v", name, o.result.Published, o.err, o.problems)
		}
	}
}
