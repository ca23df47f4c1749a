package readmodel_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain tries each property on 200 random cases unless -rapid.checks says
// otherwise: each is many transactions.
func TestMain(m *testing.M) {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "rapid.checks" })
	if !said {
		if err := flag.Set("rapid.checks", "200"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
