package tracking_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain checks each property on 300 random cases unless -rapid.checks says
// otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "rapid.checks" })
	if !said {
		if err := flag.Set("rapid.checks", "300"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
