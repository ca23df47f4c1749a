package watch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-io/waybill/events/watch"
)

// An expired token is renewed in the connection.
func TestATokenIsRenewedInTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, got, hellos := 0, make(chan any, 10), make(chan any, 10)
		cfg := watch.Config{Token: func(context.Context) (string, error) {
			time.Sleep(time.Second) // meanwhile frames are read
			tokens++
			return fmt.Sprint("token ", tokens), nil
		}}
		b := bubble(t, cfg, func(p *peer) {
			hellos <- p.hearA("hello")["token"]
			p.say(welcome, snap(1, map[string]int{"S-1": 1}, 1, false), live(1, 7, 1))
			p.say(`{"t":"authreq","within_ms":25000}`, `{"t":"authreq","within_ms":25000}`, delta(1, 7, 8, "S-2", 1))
			got <- p.hearA("auth")["token"]
			p.linger()
		})
		b.at(8)
		if len(got) > 0 {
			t.Error("the delta waited for the token")
		}
		if token := <-got; token != "token 2" {
			t.Errorf("renewed with %v, want the second token", token)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(hellos) != 1 || tokens != 2 {
			t.Errorf("%d connections and %d tokens, want 1 and 2", len(hellos), tokens)
		}
	})
}

// Without a new token the server closes; the next connection asks for one again,
// and an error of that is like a server that is away.
func TestATokenThatCannotBeHadIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := 0
		cfg := watch.Config{Token: func(context.Context) (string, error) {
			if tokens++; tokens > 1 && tokens < 5 {
				return "", errors.New("no tokens today")
			}
			return "good", nil
		}}
		b := bubble(t, cfg, func(p *peer) {
			begin(p)
			if p.n == 1 {
				p.say(`{"t":"authreq","within_ms":25000}`)
				time.Sleep(25 * time.Second)
				p.close(4005, "token expired")
			}
			p.linger()
		})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if tokens < 5 || b.last().Freshness != watch.Reconnecting && b.last().Freshness != watch.Live {
			t.Errorf("%d tokens were asked for, %s", tokens, b.last().Freshness)
		}
		if !told(b, func(v seen) bool { return v.Err != nil && strings.Contains(v.Err.Error(), "no tokens today") }) {
			t.Error("that there is no token was not told")
		}
	})
}
