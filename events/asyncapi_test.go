package events_test

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/schemas"
)

func asyncAPI(t *testing.T) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(schemas.AsyncAPI, &doc); err != nil {
		t.Fatalf("read asyncapi.yaml: %v", err)
	}
	return doc
}

// at looks a JSON pointer up.
func at(doc any, pointer string) any {
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		members, _ := doc.(map[string]any)
		doc = members[name]
	}
	return doc
}

func TestAsyncAPIChannelsCarryTheTypesOfTheirTopic(t *testing.T) {
	doc := asyncAPI(t)
	if doc["asyncapi"] != "3.0.0" {
		t.Errorf("asyncapi = %v, want 3.0.0", doc["asyncapi"])
	}
	want := map[string][]string{}
	for _, typ := range events.Types() {
		switch name := string(typ); {
		case strings.HasPrefix(name, "order."):
			want[events.OrdersTopic] = append(want[events.OrdersTopic], name)
		case strings.HasPrefix(name, "shipment."):
			want[events.ShipmentsTopic] = append(want[events.ShipmentsTopic], name)
		default: // facts about facts travel with either
			want[events.OrdersTopic] = append(want[events.OrdersTopic], name)
			want[events.ShipmentsTopic] = append(want[events.ShipmentsTopic], name)
		}
	}
	got := map[string][]string{}
	channels, _ := doc["channels"].(map[string]any)
	for _, ch := range channels {
		topic := fmt.Sprint(at(ch, "/address"))
		messages, _ := at(ch, "/messages").(map[string]any)
		for name, m := range messages {
			if ref := at(m, "/$ref"); ref != "#/components/messages/"+name {
				t.Errorf("channel %s: message %s refers to %v", topic, name, ref)
			}
			got[topic] = append(got[topic], name)
		}
		slices.Sort(got[topic])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages by topic (-vocabulary +asyncapi):\n%s", diff)
	}
}

func TestAsyncAPIMessagesReferToTheirSchema(t *testing.T) {
	messages, _ := at(asyncAPI(t), "/components/messages").(map[string]any)
	if len(messages) != len(events.Types()) {
		t.Errorf("%d messages, want one for each of %d types", len(messages), len(events.Types()))
	}
	for name, m := range messages {
		if ref, want := at(m, "/payload/schema/$ref"), "./events/"+name+".json"; ref != want {
			t.Errorf("message %s: payload refers to %v, want %s", name, ref, want)
		}
	}
}

func TestAsyncAPIReferencesResolve(t *testing.T) {
	doc := asyncAPI(t)
	seen := 0
	references(doc, func(ref string) {
		seen++
		file, pointer, _ := strings.Cut(ref, "#")
		target := any(doc)
		if file != "" {
			raw, err := fs.ReadFile(schemas.Events, path.Clean(file))
			if err != nil {
				t.Errorf("%s: %v", ref, err)
				return
			}
			target = tree(t, raw)
		}
		if pointer != "" && at(target, pointer) == nil {
			t.Errorf("%s leads nowhere", ref)
		}
	})
	if seen == 0 {
		t.Error("the document refers to nothing: the test shows nothing")
	}
}

func references(v any, f func(ref string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, it := range v {
			if ref, ok := it.(string); ok && k == "$ref" {
				f(ref)
				continue
			}
			references(it, f)
		}
	case []any:
		for _, it := range v {
			references(it, f)
		}
	}
}

// The headers of the document are those that Encode writes.
func TestAsyncAPIHeadersAreThoseOfEncode(t *testing.T) {
	described, _ := at(asyncAPI(t), "/components/schemas/headers/properties").(map[string]any)
	m, err := events.Encode(sampleEvent(t, events.TypeOrderPlaced))
	if err != nil {
		t.Fatal(err)
	}
	written := []string{}
	for _, h := range m.Headers {
		written = append(written, h.Key)
	}
	slices.Sort(written)
	if diff := cmp.Diff(keys(described), written); diff != "" {
		t.Errorf("headers (-asyncapi +Encode):\n%s", diff)
	}
}
