package carriers_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
)

// details replaces the scans of a payload.
func details(t testing.TB, doc, field string, change func([]jsontext.Value) []jsontext.Value) string {
	t.Helper()
	var m map[string]jsontext.Value
	if err := json.Unmarshal([]byte(doc), &m); err != nil {
		t.Fatal(err)
	}
	for _, outer := range []string{"result", "msg", "data", "tracking"} {
		if inner, ok := m[outer]; ok {
			m[outer] = jsontext.Value(details(t, string(inner), field, change))
		}
	}
	if list, ok := m[field]; ok {
		var all []jsontext.Value
		if err := json.Unmarshal(list, &all); err != nil {
			t.Fatal(err)
		}
		m[field], _ = json.Marshal(change(all))
	}
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// jsonIDs maps ids to content hashes.
func jsonIDs(t testing.TB, all []events.Event) map[events.EventID]string {
	t.Helper()
	ids := map[events.EventID]string{}
	for _, e := range all {
		h, err := e.ContentHash()
		if err != nil {
			t.Fatal(err)
		}
		ids[e.ID] = fmt.Sprintf("%s %x", e.Type(), h)
	}
	if len(ids) != len(all) {
		t.Errorf("%d events have %d ids", len(all), len(ids))
	}
	return ids
}

// Services repeat all that they know with every webhook.
func TestAScanIsTheSameEventInEveryPayload(t *testing.T) {
	for format, field := range map[string]string{"easypost": "tracking_details", "aftership": "checkpoints"} {
		p := jsonProfile(t, format)
		for _, file := range []string{"usps", "fedex", "dhl", "canadapost"} {
			doc := jsonFile(t, format+"/"+file+".json")
			whole := jsonIDs(t, jsonEvents(t, p, doc))
			var scans int
			before := map[events.EventID]string{}
			for n := 1; ; n++ {
				cut := details(t, doc, field, func(all []jsontext.Value) []jsontext.Value {
					scans = len(all)
					return all[:min(n, len(all))]
				})
				now := jsonIDs(t, jsonEvents(t, p, cut))
				for id, content := range before {
					if now[id] != content {
						t.Errorf("%s %s: with %d scans, event %s is %q, and was %q", format, file, n, id, now[id], content)
					}
				}
				if len(now) <= len(before) && n <= scans {
					t.Errorf("%s %s: scan %d adds no event", format, file, n)
				}
				before = now
				if n >= scans {
					break
				}
			}
			if diff := cmp.Diff(before, whole); diff != "" {
				t.Errorf("%s %s: piece by piece -, at once +:\n%s", format, file, diff)
			}
			shuffled := details(t, doc, field, func(all []jsontext.Value) []jsontext.Value {
				rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				return all
			})
			if diff := cmp.Diff(jsonIDs(t, jsonEvents(t, p, shuffled)), whole); diff != "" {
				t.Errorf("%s %s: shuffled -, in order +:\n%s", format, file, diff)
			}
		}
	}
}
