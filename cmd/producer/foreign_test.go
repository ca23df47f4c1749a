package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/events"
)

// interchange holds two transactions with one scan each.
const interchange = "ISA*00*          *00*          *02*ACMF           *ZZ*SHOP           *260301*1800*U*00401*000000001*0*P*>~" +
	"GS*QM*ACMF*SHOP*20260301*1800*1*X*004010~" +
	"ST*214*0001~B10*PRO-1*S1*ACMF~LX*1~AT7*AF*NS***20260301*0915*CT~MS1*CHICAGO*IL*US~SE*6*0001~" +
	"ST*214*0002~B10*PRO-2*S2*ACMF~LX*1~AT7*Q9*NS***20260301*1000*CT~MS1*JOLIET*IL*US~SE*6*0002~" +
	"GE*2*1~IEA*1*000000001~\n"

func TestACarriersMessagesArePublished(t *testing.T) {
	brokers, flag := newBroker(t)
	file := write(t, "scans.edi", interchange)
	for _, args := range [][]string{{}, {"--format=x12-214"}, {"--carrier=x12-214"}} {
		got := call(t.Context(), map[string]string{"WAYBILL_TENANT": "acme"}, append([]string{flag, "publish", file}, args...)...)
		if n, skipped := got.published(t); got.err != nil || n != 2 || skipped != 0 {
			t.Fatalf("%v: published %d, skipped %d: %v %s", args, n, skipped, got.err, got.stderr)
		}
	}
	log := readLog(t, brokers, 6)
	types := map[string]events.Type{}
	for _, e := range log {
		types[e.Subject] = e.Type()
		if e.Tenant != "acme" {
			t.Errorf("%s is of tenant %s, want acme", e.Subject, e.Tenant)
		}
	}
	if len(log) != 2 || types["trk:ACMF:PRO1"] != events.TypePickedUp || types["trk:ACMF:PRO2"] != events.TypeScanUnmapped {
		t.Errorf("%d different events are in the log: %v; want PRO1 picked up, and PRO2 with a code that nobody knows", len(log), types)
	}
}

// A profile of one's own gives a code its meaning: the scan that was unmapped
// comes again, as another event.
func TestAProfileOfOnesOwn(t *testing.T) {
	brokers, flag := newBroker(t)
	profile := write(t, "acme.yaml", "profile: acme\nformat: x12-214\nextends: x12-214\ncodes: [{status: Q9, type: shipment.out_for_delivery.v1}]\n")
	file := write(t, "scans.txt", interchange)
	for _, carrier := range []string{"x12-214", profile} {
		if got := call(t.Context(), nil, flag, "publish", "--carrier", carrier, file); got.err != nil {
			t.Fatalf("%s: %v %s", carrier, got.err, got.stderr)
		}
	}
	got := map[events.Type]int{}
	for _, e := range readLog(t, brokers, 4) {
		if e.Subject == "trk:ACMF:PRO2" {
			got[e.Type()]++
		}
	}
	if len(got) != 2 || got[events.TypeScanUnmapped] != 1 || got[events.TypeOutForDelivery] != 1 {
		t.Errorf("the scan is %v, want it unmapped, and out for delivery", got)
	}
}

// What a profile got wrong is taken back when its successor is told of it, and
// only that.
func TestAProfileIsCorrected(t *testing.T) {
	brokers, flag := newBroker(t)
	wrong := write(t, "wrong.yaml", "profile: acme\nformat: x12-214\nextends: x12-214\ncodes: [{status: Q9, type: shipment.delivered.v1}]\n")
	right := write(t, "right.yaml", "profile: acme\nformat: x12-214\nextends: x12-214\ncodes: [{status: Q9, type: shipment.out_for_delivery.v1}]\n")
	file := write(t, "scans.edi", interchange)
	for i, args := range [][]string{{"--carrier", wrong}, {"--carrier", right, "--replaces", wrong}, {"--carrier", right, "--replaces", wrong}} {
		got := call(t.Context(), nil, append([]string{flag, "publish", file}, args...)...)
		if n, _ := got.published(t); got.err != nil || n != []int{2, 3, 3}[i] {
			t.Fatalf("%v: published %d: %v %s", args, n, got.err, got.stderr)
		}
	}
	back, types := events.EventID(""), map[events.Type]events.EventID{}
	for _, e := range readLog(t, brokers, 8) {
		types[e.Type()] = e.ID
		if d, ok := e.Data.(*events.Retracted); ok {
			back = d.RetractedID
		}
	}
	if len(types) != 4 || back != types[events.TypeDelivered] {
		t.Errorf("%v is in the log, taken back %q; want the delivery taken back, by one event", types, back)
	}
}

func TestABadMessageKeepsAFileFromBeingPublished(t *testing.T) {
	brokers, flag := newBroker(t)
	file := write(t, "scans.edi", strings.Replace(interchange, "AT7*Q9*NS***20260301", "AT7*Q9*NS***20260231", 1))
	got := call(t.Context(), nil, flag, "publish", file)
	if got.code() != 65 || got.stdout != "" || !strings.Contains(got.stderr, file+`:1: AT7-05 (segment 4 of transaction "0002"): "20260231" is no date`) {
		t.Fatalf("exit code %d: %v\n%s\nwant 65, and file, line, element and segment", got.code(), got.err, got.stderr)
	}
	rejects := filepath.Join(t.TempDir(), "rejects.edi")
	got = call(t.Context(), nil, flag, "publish", "--skip-bad", "--rejects", rejects, file)
	if n, skipped := got.published(t); got.err != nil || n != 1 || skipped != 1 {
		t.Fatalf("published %d, skipped %d: %v", n, skipped, got.err)
	}
	kept, err := os.ReadFile(rejects)
	if err != nil {
		t.Fatal(err)
	}
	got = call(t.Context(), nil, flag, "publish", "--skip-bad", "--rejects", rejects, file)
	if again, err := os.ReadFile(rejects); got.code() != 2 || !strings.Contains(got.err.Error(), rejects+" is there already") || string(again) != string(kept) {
		t.Errorf("with the rejects of another run: exit code %d: %v; they are %q now (%v)", got.code(), got.err, again, err)
	}
	mended := write(t, "mended.edi", strings.Replace(string(kept), "20260231", "20260228", 1))
	if got := call(t.Context(), nil, flag, "publish", mended); got.err != nil {
		t.Fatalf("publish the mended rejects: %v %s\n%s", got.err, got.stderr, kept)
	}
	if log := readLog(t, brokers, 2); len(log) != 2 {
		t.Errorf("%d events are in the log, want both", len(log))
	}
}

func TestACompressedFileThatIsCutOff(t *testing.T) {
	trackers := strings.Repeat(`{"tracking_code":"A1","carrier":"UPS","tracking_details":[]}`+"\n", 5_000)
	for name, text := range map[string]string{"scans.edi.gz": strings.Repeat(interchange, 500), "trackers.json.gz": trackers} {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		for _, left := range []int{packed.Len() / 2, packed.Len() - 4} {
			file := write(t, name, packed.String()[:left])
			format := map[bool]string{true: "x12-214", false: "easypost"}[strings.HasPrefix(name, "scans")]
			got := call(t.Context(), nil, "--brokers", "127.0.0.1:1", "publish", "--format", format, file)
			if got.code() != 65 || !strings.Contains(got.err.Error(), file+": its gzip data is cut off") {
				t.Errorf("%s: exit code %d: %v, want 65, the name and that it is cut off", name, got.code(), got.err)
			}
		}
	}
}

func TestTheCarriersAreListed(t *testing.T) {
	got := call(t.Context(), nil, "carriers")
	for _, want := range []string{"canadapost ", "easypost ", "aftership ", "x12-214 "} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q does not list %s: %v", got.stdout, want, got.err)
		}
	}
	got = call(t.Context(), nil, "carriers", "canadapost")
	mine := write(t, "mine.yaml", got.stdout)
	if again := call(t.Context(), nil, "carriers", mine); again.err != nil || again.stdout != got.stdout || !strings.HasPrefix(again.stderr, mine+" is sound. Rules: 2 of its own, ") {
		t.Errorf("what is printed is no profile: %v %s", again.err, again.stderr)
	}
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"carriers", "nobody"}, 2, "nobody"},
		{[]string{"carriers", "/none.yaml"}, 66, "/none.yaml"},
		{[]string{"carriers", write(t, "bad.yaml", "profile: x\nformat: morse\n")}, 65, "format, line 2: want one of"},
		{[]string{"publish", "--carrier", "nobody", "x.edi"}, 2, "nobody"},
		{[]string{"publish", "--carrier", "canadapost", "--format", "easypost", "x.json"}, 2, "x12-214, not easypost"},
		{[]string{"publish", "--carrier", "canadapost", "--format", "csv", "x.csv"}, 2, "--carrier"},
		{[]string{"publish", "--carrier", "canadapost", "--mapping", "m.yaml", "x.edi"}, 2, "--mapping"},
		{[]string{"publish", "--replaces", "canadapost", "x.ndjson"}, 2, "--replaces: needs --carrier"},
		{[]string{"publish", "--replaces", "canadapost", "x.edi"}, 2, "--replaces: needs --carrier"},
		{[]string{"publish", "--carrier", "canadapost", "--replaces", "easypost", "x.edi"}, 2, "--replaces: the messages of easypost are easypost"},
		{[]string{"publish", "--carrier", "canadapost", "--replaces", "canadapost", "x.edi"}, 2, "--replaces: canadapost cannot take its own place"},
		{[]string{"publish", "--carrier", "canadapost", "--replaces", write(t, "same.yaml", got.stdout), "x.edi"}, 2, "says what canadapost says"},
		{[]string{"publish", "x.json"}, 2, "--format"},
		{[]string{"publish", "a.edi", "b.ndjson"}, 2, "two formats"},
	}
	for _, tt := range tests {
		if got := call(t.Context(), nil, tt.args...); got.code() != tt.code || !strings.Contains(got.err.Error(), tt.want) {
			t.Errorf("%v: exit code %d: %v, want %d and a word on %s", tt.args, got.code(), got.err, tt.code, tt.want)
		}
	}
}
