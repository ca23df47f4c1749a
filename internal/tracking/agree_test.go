package tracking_test

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/internal/scenario"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
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

func TestFoldAgreesWithTheOracleOnArbitraryEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		evs := trackingtest.Arbitrary(25).Draw(t, "events")
		if diff := disagreement(knownOf(t, evs...)); diff != "" {
			t.Fatalf("the package differs from the oracle (-oracle +package):\n%s", diff)
		}
	})
}

func TestFoldAgreesWithTheOracleOnHistories(t *testing.T) {
	for seed := range uint64(3) {
		for i := range 60 {
			if diff := disagreement(knownOf(t, scenario.Order(seed, i)...)); diff != "" {
				t.Fatalf("order %d of seed %d: the package differs from the oracle (-oracle +package):\n%s", i, seed, diff)
			}
		}
	}
}
