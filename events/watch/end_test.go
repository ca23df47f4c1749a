package watch_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-io/waybill/events/watch"
)

// On a first connection there are no rows that could be taken away.
func TestARefusalAtFirstIsOnlyARefusal(t *testing.T) {
	for name, answer := range map[string]string{
		"at once":       `{"t":"err","sid":%[1]v,"code":"forbidden","msg":"not yours"}`,
		"after a reset": `{"t":"reset","sid":%[1]v,"code":"authz","retry_ms":0}` + "\n" + `{"t":"err","sid":%[1]v,"code":"forbidden","msg":"not yours"}`,
	} {
		t.Run(name, func(t *testing.T) {
			b, r := against(t, func(p *peer) {
				p.say(fmt.Sprintf(answer, sid(p.greet()[0])))
				p.linger()
			})
			if _, ok := errors.AsType[*watch.RefusedError](r.wait(t)); !ok {
				t.Errorf("Run = %v, want the refusal", r.wait(t))
			}
			for _, v := range b.all() {
				if v.Event != watch.Checked {
					t.Errorf("it was told that rows are %s, and there were none", v.Event)
				}
			}
			if v := b.last(); v.Freshness != watch.Refused {
				t.Errorf("the last view is %s, want refused", v.Freshness)
			}
		})
	}
}

// The last view says that it is the last one.
func TestACloseThatIsFinalIsToldAsTheEnd(t *testing.T) {
	b, r := against(t, func(p *peer) {
		begin(p)
		p.close(4505, "because")
	})
	err := r.wait(t)
	v := b.last()
	if closed, ok := errors.AsType[*watch.CloseError](v.Err); !ok || closed.Code != 4505 || !errors.Is(err, v.Err) {
		t.Errorf("the last view has %v, Run = %v", v.Err, err)
	}
	if v.Freshness != watch.Ended || v.Freshness.Current() || len(v.Rows) != 1 || !v.Retry.IsZero() {
		t.Errorf("the last view is %s with %d rows, next try %v; want ended, 1, none", v.Freshness, len(v.Rows), v.Retry)
	}
	if told(b, func(v seen) bool { return v.Freshness == watch.Reconnecting }) {
		t.Error("it was told to come back, and did not")
	}
}

// Each time that a connection is lost or cannot be had, it is told when the next
// one is tried.
func TestTheNextTryIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lost = 4
		began := make(chan time.Time, 100)
		b := bubble(t, watch.Config{}, func(p *peer) {
			began <- time.Now()
			if p.n == lost+1 {
				begin(p)
				p.linger()
			}
		})
		b.at(7)
		var tries []time.Time
		for _, v := range b.all() {
			if !v.Retry.IsZero() {
				tries = append(tries, v.Retry)
			}
		}
		<-began // the first connection was no second try
		if len(tries) != lost || len(began) != lost {
			t.Fatalf("%d tries were told and %d made, want %d", len(tries), len(began), lost)
		}
		for i, told := range tries {
			if at := <-began; !at.Equal(told) {
				t.Errorf("try %d was at %v, told was %v", i, at, told)
			}
		}
		if v := b.last(); !v.Retry.IsZero() {
			t.Errorf("live, and the next try is at %v", v.Retry)
		}
	})
}
