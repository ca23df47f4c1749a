package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
)

// kept is a list of revocations that can be away.
type kept struct {
	mu  sync.Mutex
	all []auth.Revocation
	err error
}

func (k *kept) Revocations(context.Context) ([]auth.Revocation, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all, k.err
}

// set is what a reading finds from now on.
func (k *kept) set(all []auth.Revocation, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all, k.err = all, err
}

func guard(t *testing.T, k *kept) *auth.Guard {
	t.Helper()
	return auth.NewGuard(verifier(t), k, slog.New(slog.DiscardHandler))
}

func TestWhatARevocationTakesBack(t *testing.T) {
	issued := now
	ann := auth.Principal{Tenant: "acme", Subject: "ann", ID: "t-1", Issued: issued}
	tests := []struct {
		name string
		one  auth.Revocation
		want bool
	}{
		{"her tokens up to now", auth.Revocation{Tenant: "acme", Subject: "ann", Before: issued.Add(time.Second)}, true},
		{"her tokens before this one", auth.Revocation{Tenant: "acme", Subject: "ann", Before: issued}, false},
		{"the token", auth.Revocation{Tenant: "acme", ID: "t-1"}, true},
		{"the token, where it is hers", auth.Revocation{Tenant: "acme", Subject: "ann", ID: "t-1"}, true},
		{"the token, where it is somebody else's", auth.Revocation{Tenant: "acme", Subject: "bob", ID: "t-1"}, false},
		{"another token of hers", auth.Revocation{Tenant: "acme", Subject: "ann", ID: "t-2", Before: issued.Add(time.Hour)}, false},
		{"somebody else", auth.Revocation{Tenant: "acme", Subject: "bob", Before: issued.Add(time.Hour)}, false},
		{"her name at another tenant", auth.Revocation{Tenant: "rival", Subject: "ann", Before: issued.Add(time.Hour)}, false},
		{"her token's id at another tenant", auth.Revocation{Tenant: "rival", ID: "t-1"}, false},
		{"nobody", auth.Revocation{Tenant: "acme", Before: issued.Add(time.Hour)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := guard(t, &kept{all: []auth.Revocation{tt.one, {Tenant: "acme", Subject: "carol", Before: issued.Add(time.Hour)}}})
			if g.Revoked(ann) {
				t.Fatal("revoked before the list was read")
			}
			if err := g.Load(t.Context()); err != nil {
				t.Fatalf("Load: %v", err)
			}
			if got := g.Revoked(ann); got != tt.want {
				t.Errorf("Revoked = %v, want %v", got, tt.want)
			}
		})
	}
	g := guard(t, &kept{all: []auth.Revocation{{Tenant: "acme", ID: ""}, {Tenant: "acme", Subject: "bob", ID: "t-1"}}})
	if err := g.Load(t.Context()); err != nil {
		t.Fatalf("Load: %v", err)
	}
	if g.Revoked(auth.Principal{Tenant: "acme", Subject: "ann"}) {
		t.Error("a token without an id is revoked by its id")
	}
}

// Tokens are issued in whole seconds: of the second in which its subject is
// revoked all are taken back, rather than none.
func TestTheLatestOfARevocationCounts(t *testing.T) {
	early := auth.Revocation{Tenant: "acme", Subject: "ann", Before: now}
	late := auth.Revocation{Tenant: "acme", Subject: "ann", Before: now.Add(time.Millisecond)}
	for _, all := range [][]auth.Revocation{{early, late}, {late, early}} {
		g := guard(t, &kept{all: all})
		if err := g.Load(t.Context()); err != nil {
			t.Fatalf("Load: %v", err)
		}
		if !g.Revoked(auth.Principal{Tenant: "acme", Subject: "ann", Issued: now}) {
			t.Errorf("with %v the token of that second is good", all)
		}
	}
}

func TestARevokedTokenIsRefused(t *testing.T) {
	signer, err := auth.NewSigner(config())
	if err != nil {
		t.Fatalf("NewSigner: %v", err)
	}
	token, _, err := signer.Mint(auth.Principal{Subject: "ann", Tenant: "acme"}, time.Hour)
	if err != nil {
		t.Fatalf("Mint: %v", err)
	}
	k := &kept{}
	g := guard(t, k)
	p, err := g.Verify(token)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	k.set([]auth.Revocation{{Tenant: "acme", ID: p.ID}}, nil)
	if err := g.Load(t.Context()); err != nil {
		t.Fatalf("Load: %v", err)
	}
	if _, err := g.Verify(token); !errors.Is(err, auth.ErrInvalidToken) || auth.Reason(err) != "revoked" {
		t.Errorf("Verify of a revoked token: %v, want %v because it is revoked", err, auth.ErrInvalidToken)
	}
	if _, err := g.Verify("x"); auth.Reason(err) != "malformed" {
		t.Errorf("Verify of a bad token: %v, want malformed", err)
	}
}

func TestTheListIsReadThreeTimesASecondAndHoldsWhileItCannotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		k := &kept{}
		g := guard(t, k)
		var calls atomic.Int32
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx, func() { calls.Add(1) }) }()
		ann := auth.Principal{Tenant: "acme", Subject: "ann", ID: "t-1", Issued: now}
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		pass(time.Second)
		if calls.Load() != 0 {
			t.Errorf("changed %d times although nothing did", calls.Load())
		}
		k.set([]auth.Revocation{{Tenant: "acme", ID: "t-1"}}, nil)
		pass(300 * time.Millisecond)
		if !g.Revoked(ann) || calls.Load() != 1 {
			t.Errorf("after 300 ms: revoked %v, changed %d times; want true, 1", g.Revoked(ann), calls.Load())
		}
		k.set(nil, errors.New("the database is away"))
		pass(time.Minute)
		if !g.Revoked(ann) || calls.Load() != 1 {
			t.Errorf("while the list cannot be read: revoked %v, changed %d times; want true, 1", g.Revoked(ann), calls.Load())
		}
		if age := g.Age(); age < time.Minute || age > time.Minute+time.Second {
			t.Errorf("the list is %v old, want a minute", age)
		}
		k.set(nil, nil)
		pass(time.Second)
		if g.Revoked(ann) {
			t.Error("still revoked although it is off the list")
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
