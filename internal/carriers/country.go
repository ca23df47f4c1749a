package carriers

import (
	"strings"

	"golang.org/x/text/language"
)

// country is the ISO 3166-1 alpha-2 code of a country's alpha-2 or alpha-3 code,
// or "" of anything else.
func country(s string) string {
	s = strings.ToUpper(strings.TrimSpace(s))
	if len(s) != 2 && len(s) != 3 {
		return ""
	}
	region, err := language.ParseRegion(s)
	if err != nil || !region.IsCountry() {
		return ""
	}
	return region.String()
}
