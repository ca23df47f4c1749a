package gateway_test

import (
	"io/fs"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/gateway"
	"github.com/waybill-io/waybill/schemas"
)

// published reads the examples of every frame's schema, by its name.
func published(t *testing.T) map[string][]jsontext.Value {
	t.Helper()
	names, err := fs.Glob(schemas.WS, "ws/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	out := make(map[string][]jsontext.Value)
	for _, name := range names {
		text, err := schemas.WS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Examples []jsontext.Value `json:"examples"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		frame := strings.TrimSuffix(path.Base(name), ".json")
		if len(doc.Examples) == 0 && frame != "common" && frame != "client" && frame != "server" {
			t.Errorf("%s has no example", name)
		}
		out[frame] = doc.Examples
	}
	return out
}

func fromClient(frame string) bool {
	switch frame {
	case "hello", "sub", "unsub", "auth", "pong", "ack":
		return true
	}
	return false
}

func TestThePublishedExamplesFitTheirSchemas(t *testing.T) {
	check, err := fanouttest.PublishedSchemas()
	if err != nil {
		t.Fatal(err)
	}
	for frame, examples := range published(t) {
		side, other := "server", "client"
		if fromClient(frame) {
			side, other = other, side
		}
		for _, ex := range examples {
			if err := check.Check(frame, ex); err != nil {
				t.Errorf("%s: %v", frame, err)
			}
			if err := check.Check(side, ex); err != nil {
				t.Errorf("%s is none of %s: %v", ex, side, err)
			}
			if check.Check(other, ex) == nil {
				t.Errorf("%s is one of %s as well", ex, other)
			}
			if err := check.Check(frame, withField(ex)); err == nil {
				t.Errorf("%s: a field that is not published fits", frame)
			}
		}
	}
}

func withField(frame jsontext.Value) []byte {
	return append([]byte(`{"unpublished":1,`), frame[1:]...)
}

// What is published for clients is what the gateway takes, and nothing more.
func TestTheGatewayTakesThePublishedFramesOfClients(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Commands: 1000, Errors: 1000})
	token := s.token(auth.Principal{})
	for frame, examples := range published(t) {
		if !fromClient(frame) {
			continue
		}
		for _, ex := range examples {
			text := strings.ReplaceAll(string(ex), `"eyJ"`, `"`+token+`"`)
			c := s.dial()
			if frame != "hello" {
				c.hello(token)
			}
			c.sendText(text)
			c.sendText(`{"t":"unsub","sid":1000,"last":true}`)
			if f := c.frame("err", 1); f.SID == nil || *f.SID != 1000 {
				t.Errorf("%s is answered with %+v", text, f)
			}
			if frame == "hello" {
				continue
			}
			c.sendText(string(withField(jsontext.Value(text))))
			if f := c.frame("err", 2); f.Code != "bad_request" {
				t.Errorf("%s with a field that is not published is answered with %+v", text, f)
			}
		}
	}
}

func FuzzFrame(f *testing.F) {
	for _, text := range []string{
		`{"t":"sub","sid":1,"topic":"orders","filter":{"f":"id","op":"eq","v":"a"},"since":{"epoch":"e","seq":1,"shape":"s"}}`,
		`{"t":"unsub","sid":1}`, "{\"t\":\"pong\"}\n{\"t\":\"ack\",\"sid\":1,\"q\":2}", `{`, "\xff",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := start(t, hubConfig(), gateway.Config{DrainWindow: time.Millisecond, CloseWait: 10 * time.Millisecond})
		c := s.connect(auth.Principal{})
		c.sendText(strings.ToValidUTF8(text, "?"))
		c.frame("welcome", 1)
		c.leave()
	})
}
