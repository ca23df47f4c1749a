package gateway_test

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/schemas"
)

// document is what of the AsyncAPI document the tests are about.
type document struct {
	AsyncAPI string `yaml:"asyncapi"`
	Channels map[string]struct {
		Address    string               `yaml:"address"`
		Messages   map[string]reference `yaml:"messages"`
		CloseCodes []fanout.Closing     `yaml:"x-close-codes"`
	} `yaml:"channels"`
	Operations map[string]struct {
		Action   string      `yaml:"action"`
		Channel  reference   `yaml:"channel"`
		Messages []reference `yaml:"messages"`
	} `yaml:"operations"`
	Components struct {
		Messages map[string]struct {
			Name    string `yaml:"name"`
			Summary string `yaml:"summary"`
			Payload struct {
				Schema reference `yaml:"schema"`
			} `yaml:"payload"`
		} `yaml:"messages"`
	} `yaml:"components"`
}

type reference struct {
	Ref string `yaml:"$ref"`
}

func asyncAPI(t *testing.T) (d document) {
	t.Helper()
	if err := yaml.Unmarshal(schemas.AsyncAPILive, &d); err != nil {
		t.Fatalf("read asyncapi-live.yaml: %v", err)
	}
	return d
}

// side are the frames that client.json or server.json has.
func side(t *testing.T, name string) []string {
	t.Helper()
	text, err := schemas.WS.ReadFile("ws/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		OneOf []struct {
			Ref string `json:"$ref"`
		} `json:"oneOf"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var frames []string
	for _, of := range doc.OneOf {
		frames = append(frames, strings.TrimSuffix(of.Ref, ".json"))
	}
	slices.Sort(frames)
	return frames
}

// Every schema of a frame is a message of one side in the AsyncAPI document, and
// every message has its schema.
func TestAsyncAPIHasEveryFrameOnItsSide(t *testing.T) {
	d := asyncAPI(t)
	if d.AsyncAPI != "3.0.0" || d.Channels["live"].Address != "/v1/live" {
		t.Errorf("asyncapi %s, address %s; want 3.0.0 and /v1/live", d.AsyncAPI, d.Channels["live"].Address)
	}
	var all []string
	for operation, name := range map[string]string{"receiveFrames": "client", "sendFrames": "server"} {
		op := d.Operations[operation]
		if !strings.HasPrefix(operation, op.Action) || op.Channel.Ref != "#/channels/live" {
			t.Errorf("%s: action %s on %s", operation, op.Action, op.Channel.Ref)
		}
		var frames []string
		for _, m := range op.Messages {
			frames = append(frames, path.Base(m.Ref))
		}
		slices.Sort(frames)
		if diff := cmp.Diff(side(t, name), frames); diff != "" {
			t.Errorf("%s (-%s.json +asyncapi):\n%s", operation, name, diff)
		}
		all = append(all, frames...)
	}
	slices.Sort(all)
	if diff := cmp.Diff(frameSchemas(t), all); diff != "" {
		t.Errorf("frames (-schemas/ws +asyncapi):\n%s", diff)
	}
	if diff := cmp.Diff(all, slices.Sorted(maps.Keys(d.Channels["live"].Messages))); diff != "" {
		t.Errorf("messages of the channel (-operations +channel):\n%s", diff)
	}
	if diff := cmp.Diff(all, slices.Sorted(maps.Keys(d.Components.Messages))); diff != "" {
		t.Errorf("messages (-operations +components):\n%s", diff)
	}
	for name, m := range d.Components.Messages {
		if m.Name != name || m.Summary == "" || m.Payload.Schema.Ref != "./ws/"+name+".json" {
			t.Errorf("message %s: name %s, summary %q, schema %s", name, m.Name, m.Summary, m.Payload.Schema.Ref)
		}
		if ref := d.Channels["live"].Messages[name].Ref; ref != "#/components/messages/"+name {
			t.Errorf("the channel's message %s is %s", name, ref)
		}
	}
}

// frameSchemas are the files of schemas/ws that are of one frame each.
func frameSchemas(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(schemas.WS, "ws/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var frames []string
	for _, name := range names {
		if frame := strings.TrimSuffix(path.Base(name), ".json"); frame != "common" && frame != "client" && frame != "server" {
			frames = append(frames, frame)
		}
	}
	return frames
}

func TestAsyncAPIReferencesLeadSomewhere(t *testing.T) {
	var doc map[string]any
	if err := yaml.Unmarshal(schemas.AsyncAPILive, &doc); err != nil {
		t.Fatal(err)
	}
	seen := 0
	references(doc, func(ref string) {
		seen++
		if file, ok := strings.CutPrefix(ref, "./"); ok {
			if _, err := fs.Stat(schemas.WS, file); err != nil {
				t.Errorf("%s: %v", ref, err)
			}
			return
		}
		if lookup(doc, strings.TrimPrefix(ref, "#/")) == nil {
			t.Errorf("%s leads nowhere", ref)
		}
	})
	if seen < 50 {
		t.Errorf("%d references were seen, want all of them", seen)
	}
}

func references(v any, each func(ref string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if ref, ok := member.(string); ok && name == "$ref" {
				each(ref)
				continue
			}
			references(member, each)
		}
	case []any:
		for _, member := range v {
			references(member, each)
		}
	}
}

// lookup follows a JSON pointer without its first slash.
func lookup(doc any, pointer string) any {
	for name := range strings.SplitSeq(pointer, "/") {
		members, _ := doc.(map[string]any)
		doc = members[name]
	}
	return doc
}

func TestAsyncAPIHasTheTableOfCloseCodes(t *testing.T) {
	if diff := cmp.Diff(fanout.Closings(), asyncAPI(t).Channels["live"].CloseCodes); diff != "" {
		t.Errorf("close codes (-code +asyncapi):\n%s", diff)
	}
}

// The document and the schemas name the errors, the reasons to start over and the
// topics that there are.
func TestPublishedCodesAreThoseOfTheCode(t *testing.T) {
	for _, tt := range []struct {
		file, pointer string
		want          []string
	}{
		{"common", "$defs/topic/enum", texts(fanout.Topics())},
		{"reset", "properties/code/enum", texts(fanout.ResetCodes())},
		{"err", "properties/code/enum", texts(fanout.Codes())},
	} {
		text, err := schemas.WS.ReadFile("ws/" + tt.file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		list, _ := lookup(doc, tt.pointer).([]any)
		var got []string
		for _, v := range list {
			got = append(got, fmt.Sprint(v))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s.json %s (-code +schema):\n%s", tt.file, tt.pointer, diff)
		}
	}
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}
