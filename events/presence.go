package events

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// zeroable is data with required fields whose zero is a value: only the text
// tells whether they were given.
type zeroable interface {
	// missing names the first such field that body, which was read without an
	// error, does not give, or "".
	missing(body jsontext.Value) string
}

func (*Position) missing(body jsontext.Value) string {
	var given struct {
		Lat *float64 `json:"lat"`
		Lon *float64 `json:"lon"`
	}
	switch err := json.Unmarshal(body, &given); {
	case err != nil || given.Lat == nil:
		return "/lat"
	case given.Lon == nil:
		return "/lon"
	}
	return ""
}

func (*OrderAmended) missing(body jsontext.Value) string {
	var given struct {
		Lines []struct {
			Qty *int64 `json:"qty"`
		} `json:"lines"`
	}
	if err := json.Unmarshal(body, &given); err != nil {
		return "/lines"
	}
	for i, l := range given.Lines {
		if l.Qty == nil {
			return "/lines/" + strconv.Itoa(i) + "/qty"
		}
	}
	return ""
}
