package carriers_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/internal/carriers"
)

func TestBuiltInProfilesAreSound(t *testing.T) {
	names := carriers.Builtin()
	for _, format := range carriers.Formats() {
		if !slices.Contains(names, format) {
			t.Errorf("format %s has no profile of its own", format)
		}
	}
	for _, name := range names {
		p, err := carriers.Open(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Name != name || p.About == "" || strings.Contains(p.About, "\n") {
			t.Errorf("%s: is called %q and about %q, want its file's name and one line", name, p.Name, p.About)
		}
	}
}

func profileFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestBadProfilesAreRefusedWithAllThatIsWrong(t *testing.T) {
	const good = "profile: mine\nformat: easypost\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", []string{`profile: want 1 to 40 small letters`, `format: want one of aftership, easypost, x12-214, not ""`}},
		{"no YAML", "profile: [", []string{"mine.yaml"}},
		{"an unknown key", good + "sauce: urn:x\n", []string{`unknown field "sauce"`}},
		{"a key twice", good + "format: x12-214\n", []string{`"format" already defined`}},
		{"an unknown format", "profile: mine\nformat: edifact\n", []string{`format: want one of`, `"edifact"`}},
		{"a carrier in small letters", good + "carrier: ups\n", []string{`carrier: want 2 to 32 capital letters`}},
		{"no time zone", good + "clock: Middle-Earth\n", []string{`clock: "Middle-Earth" is no time zone`}},
		{"no zone for a code", good + "zones: {MT: Mountain}\n", []string{`zones: MT: "Mountain" is no time zone`}},
		{"no regular expression", good + "redact: ['(']\n", []string{"redact: "}},
		{"a number where none is", "profile: mine\nformat: x12-214\nnumber: [N1-02]\n", []string{`number: "N1-02" is no place of a reference`}},
		{"a place where the format has one", good + "partner: [L11:86]\n", []string{"partner: is for x12-214 only"}},
		{"a base of another format", good + "extends: x12-214\n", []string{"extends: x12-214 is of format x12-214, this profile of easypost"}},
		{"a base that is not there", good + "extends: nobody\n", []string{`extends: no such profile: "nobody"`}},
		{"an order's type", good + "codes: [{status: a, type: order.placed.v1}]\n", []string{`codes[0]: type: "order.placed.v1" is no type of a shipment's event`}},
		{"a type without version", good + "codes: [{status: a, type: shipment.departed}]\n", []string{`codes[0]: type: "shipment.departed" is no type`}},
		{"a create", good + "codes: [{type: shipment.created.v1}]\n", []string{"codes[0]: type: shipment.created.v1 cannot come from a code alone"}},
		{"an exception that nobody answers for", good + "codes: [{status: a, type: shipment.exception_opened.v1}]\n", []string{"codes[0]: exception: is required"}},
		{"an unknown party", good + "codes: [{status: a, type: shipment.damaged.v1, exception: {party: me, severity: low}}]\n", []string{"codes[0]: schema_violation: /data/party"}},
		{"no severity", good + "codes: [{status: a, type: shipment.damaged.v1, exception: {party: carrier}}]\n", []string{"codes[0]: schema_violation: /data/severity"}},
		{"handed to on the way", good + "codes: [{status: a, type: shipment.departed.v1, handed_to: locker}]\n", []string{"codes[0]: handed_to: is for shipment.delivered.v1 only"}},
		{"handed to the dog", good + "codes: [{status: a, type: shipment.delivered.v1, handed_to: dog}]\n", []string{"codes[0]: schema_violation: /data/handed_to"}},
		{"a class of its own", good + "codes: [{status: a, type: shipment.departed.v1, class: DREAMT}]\n", []string{"codes[0]: schema_violation: /data/class"}},
		{
			"a rule that is never reached", good + "codes:\n- {status: [a, b], type: shipment.departed.v1}\n- {status: A, reason: x, type: shipment.arrived.v1}\n",
			[]string{"codes[1]: is never reached: codes[0] takes all that it would"},
		},
		{"several faults", good + "carrier: ups\nclock: Nowhere\ncodes: [{type: x}]\n", []string{"carrier: ", "clock: ", "codes[0]: type: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := carriers.Open(profileFile(t, tt.text))
			if _, ok := errors.AsType[*carriers.ProfileError](err); !ok {
				t.Fatalf("error = %v, want a ProfileError", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v\nwant it to say %s", err, want)
				}
			}
		})
	}
}

func TestProfileThatExtendsItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	text := "profile: mine\nformat: easypost\nextends: " + file + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := carriers.Open(file); err == nil || !strings.Contains(err.Error(), "extends itself") {
		t.Errorf("error = %v, want it to say that it extends itself", err)
	}
}

func TestNobodysProfile(t *testing.T) {
	if _, err := carriers.Open("nobody"); !errors.Is(err, carriers.ErrNoProfile) || !strings.Contains(err.Error(), "canadapost") {
		t.Errorf("error = %v, want ErrNoProfile with the names that there are", err)
	}
	if _, err := carriers.Open("none.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want os.ErrNotExist", err)
	}
}
