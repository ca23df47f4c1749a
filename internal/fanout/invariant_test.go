package fanout_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// packages are the folders of the tests that docs/protocol.md names, from here.
var packages = map[string]string{
	"fanout": ".", "fanouttest": "fanouttest", "gateway": "../gateway", "readmodel": "../readmodel",
	"e2e": "../../cmd/internal/e2e", "tracker-ws": "../../cmd/tracker-ws",
}

// Every invariant of the protocol has tests, and they are there.
func TestTheTestsOfTheInvariantsAreThere(t *testing.T) {
	doc, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (I\d+) \|.*$`).FindAllStringSubmatch(string(doc), -1)
	named := regexp.MustCompile("`([a-z0-9-]+)\\.(Test\\w+)`")
	for i, row := range rows {
		if want := fmt.Sprint("I", i+1); row[1] != want {
			t.Fatalf("row %d is of %s, want %s", i+1, row[1], want)
		}
		tests := named.FindAllStringSubmatch(row[0], -1)
		if len(tests) == 0 {
			t.Errorf("%s has no test", row[1])
		}
		for _, test := range tests {
			if !has(t, packages[test[1]], test[2]) {
				t.Errorf("%s: package %s has no %s", row[1], test[1], test[2])
			}
		}
	}
	if len(rows) != 16 {
		t.Errorf("%d invariants, want 16", len(rows))
	}
}

// has reports whether a test stands in a folder.
func has(t *testing.T, folder, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}
