package watch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/waybill-io/waybill/events/watch"
)

func TestAHandshakeThatIsAnswered(t *testing.T) {
	t.Run("with no room is tried again, not before the server says", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tries, err := knockAt(t, 503, 3*time.Minute)
			if err != nil || tries < 2 || tries > 180/30+1 {
				t.Errorf("%d tries within 3 min, %v; want one every 30 s or so", tries, err)
			}
		})
	})
	for _, status := range []int{200, 204, 301, 302, 307, 400, 401, 403, 405, 426} {
		t.Run(fmt.Sprint("with ", status, " is final"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, err := knockAt(t, status, time.Minute)
				refused, ok := errors.AsType[*watch.HandshakeError](err)
				if tries != 1 || !ok || refused.Status != status || refused.Detail != "go away" && status != 204 {
					t.Errorf("%d tries, Run = %v, want one and the status with what the server said", tries, err)
				}
				if status < 400 != strings.Contains(fmt.Sprint(err), "want …/v1/live") {
					t.Errorf("Run = %v; want the path of the live socket, where there was no other answer", err)
				}
			})
		})
	}
	for _, status := range []int{404, 500, 502, 504} {
		t.Run(fmt.Sprint("with ", status, " is tried again"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tries, err := knockAt(t, status, 5*time.Minute); tries < 3 || err != nil {
					t.Errorf("%d tries, Run = %v, want many", tries, err)
				}
			})
		})
	}
}

// A 404 may be a server that is being replaced, and a path that is wrong: the first
// one says so.
func TestAPathThatIsNotThereMayBeWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newPipes()
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Listener = wire
		server.Start()
		t.Cleanup(server.Close)
		b := newBook(t)
		run(t, watch.Config{URL: "ws://tracker/live", HTTPClient: wire.client(), Subscriptions: []watch.Subscription{{Topic: watch.Orders, Handle: b.handle}}})
		b.until("the answer", func(v seen) bool { return v.Err != nil })
		if v := b.all()[0]; v.Freshness != watch.Connecting || !strings.Contains(fmt.Sprint(v.Err), "404; the path may be wrong: want …/v1/live") {
			t.Errorf("the first view is %s, %v", v.Freshness, v.Err)
		}
	})
}

func TestASocketOfAnotherProtocolIsFinal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ws, err := websocket.Accept(w, r, nil); err == nil {
			_, _, _ = ws.Read(r.Context())
		}
	}))
	t.Cleanup(server.Close)
	r := run(t, watch.Config{URL: server.URL, HTTPClient: httpClient(t), Subscriptions: []watch.Subscription{{Topic: watch.Orders, Handle: func(watch.View) {}}}})
	if refused, ok := errors.AsType[*watch.HandshakeError](r.wait(t)); !ok || refused.Status != 101 {
		t.Errorf("Run = %v, want the end with 101", r.wait(t))
	}
}

func TestAURLWithoutAPathMeansTheLiveSocket(t *testing.T) {
	for url, want := range map[string]string{
		"":              "/v1/live",
		"/":             "/v1/live",
		"?shard=1":      "/v1/live?shard=1",
		"/live":         "/live",
		"/eu/v1/live/":  "/eu/v1/live/",
		"/a%2Fb?x=%20y": "/a%2Fb?x=%20y",
	} {
		asked := make(chan string, 1)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- r.RequestURI
			w.WriteHeader(http.StatusBadRequest)
		}))
		r := run(t, watch.Config{URL: server.URL + url, HTTPClient: httpClient(t), Subscriptions: []watch.Subscription{{Topic: watch.Orders, Handle: func(watch.View) {}}}})
		if got := <-asked; got != want {
			t.Errorf("%q asks for %s, want %s", url, got, want)
		}
		_ = r.wait(t)
		server.Close()
	}
}

// knockAt runs a client against a server that answers each handshake with a
// status, and counts them. The error is Run's if it ended by itself.
func knockAt(t *testing.T, status int, during time.Duration) (int, error) {
	tries, elsewhere := 0, 0
	wire := newPipes()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/live" {
			elsewhere++
		}
		tries++
		w.Header().Set("Retry-After", "30")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"detail":"go away"}`))
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(wire) }()
	c, err := watch.New(watch.Config{
		URL: "ws://tracker/v1/live", HTTPClient: wire.client(),
		Token:         func(context.Context) (string, error) { return "secret", nil },
		Subscriptions: []watch.Subscription{{Topic: watch.Shipments, Handle: func(watch.View) {}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), during)
	defer cancel()
	err = c.Run(ctx)
	_ = server.Close()
	<-served
	if elsewhere > 0 {
		t.Error("a redirect was followed")
	}
	return tries, err
}
