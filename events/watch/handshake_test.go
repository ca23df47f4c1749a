package watch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

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
	for _, status := range []int{400, 401, 403, 405, 426} {
		t.Run(fmt.Sprint("with ", status, " is final"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, err := knockAt(t, status, time.Minute)
				refused, ok := errors.AsType[*watch.HandshakeError](err)
				if tries != 1 || !ok || refused.Status != status || refused.Detail != "go away" {
					t.Errorf("%d tries, Run = %v, want one and the status with what the server said", tries, err)
				}
			})
		})
	}
	for _, status := range []int{200, 302, 404, 500, 502, 504} {
		t.Run(fmt.Sprint("with ", status, " is tried again"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tries, err := knockAt(t, status, 5*time.Minute); tries < 3 || err != nil {
					t.Errorf("%d tries, Run = %v, want many", tries, err)
				}
			})
		})
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
