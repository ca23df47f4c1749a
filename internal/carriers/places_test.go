package carriers_test

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func TestPlacesAreCodesWithTimeZones(t *testing.T) {
	text, err := os.ReadFile("places.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var places map[string]string
	if err := yaml.UnmarshalWithOptions(text, &places, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`^[A-Z]{2}(-[A-Z]{2,3})?$`)
	divided := map[string]int{}
	for place, zone := range places {
		if !code.MatchString(place) {
			t.Errorf("%q is no code of a country, or of a part of one", place)
		}
		if _, err := time.LoadLocation(zone); err != nil {
			t.Errorf("%s: %v", place, err)
		}
		if len(place) > 2 {
			divided[place[:2]]++
		}
	}
	// With the District of Columbia and five territories; with the territories.
	if diff := cmp.Diff(divided, map[string]int{"US": 56, "CA": 13, "AU": 8, "BR": 27, "MX": 32}); diff != "" {
		t.Errorf("parts of countries: got -, want +:\n%s", diff)
	}
	for country := range divided {
		if places[country] != "" {
			t.Errorf("%s has several zones, and yet %s as a whole", country, places[country])
		}
	}
	for place, want := range map[string]string{"NO": "Europe/Oslo", "CA-NL": "America/St_Johns", "US-IN": "America/Indiana/Indianapolis", "AU-SA": "Australia/Adelaide", "ES": ""} {
		if got := places[place]; got != want {
			t.Errorf("%s: zone %q, want %q", place, got, want)
		}
	}
}
