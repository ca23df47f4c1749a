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
		{"an unknown format", "profile: mine\nformat: edifact\n", []string{`format, line 2: want one of`, `"edifact"`}},
		{"a carrier in small letters", good + "carrier: ups\n", []string{`carrier, line 3: want 2 to 32 capital letters`}},
		{"no time zone", good + "clock: Middle-Earth\n", []string{`clock, line 3: "Middle-Earth" is no time zone`}},
		{"no zone for a code", good + "zones: {MT: Mountain}\n", []string{`zones: MT, line 3: "Mountain" is no time zone`}},
		{"no regular expression", good + "redact: ['(']\n", []string{"redact, line 3: "}},
		{"a number where none is", "profile: mine\nformat: x12-214\nnumber: [N1-02]\n", []string{`number, line 3: "N1-02" is no place of a reference`}},
		{"a place where the format has one", good + "partner: [L11:86]\n", []string{"partner, line 3: is for x12-214 only"}},
		{"a base of another format", good + "extends: x12-214\n", []string{"extends, line 3: x12-214 is of format x12-214, this profile of easypost"}},
		{"a base that is not there", good + "extends: nobody\n", []string{`extends, line 3: no such profile: "nobody"`}},
		{"an order's type", good + "codes: [{status: a, type: order.placed.v1}]\n", []string{`rule 1, line 3: type: "order.placed.v1" is no type of a shipment's event`}},
		{"a type without version", good + "codes: [{status: a, type: shipment.departed}]\n", []string{`rule 1, line 3: type: "shipment.departed" is no type`}},
		{"a create", good + "codes: [{type: shipment.created.v1}]\n", []string{"rule 1, line 3: type: shipment.created.v1 cannot come from a code alone"}},
		{"an exception that nobody answers for", good + "codes: [{status: a, type: shipment.exception_opened.v1}]\n", []string{"rule 1, line 3: exception: is required"}},
		{"an unknown party", good + "codes: [{status: a, type: shipment.damaged.v1, exception: {party: me, severity: low}}]\n", []string{"rule 1, line 3: schema_violation: /data/party"}},
		{"no severity", good + "codes: [{status: a, type: shipment.damaged.v1, exception: {party: carrier}}]\n", []string{"rule 1, line 3: schema_violation: /data/severity"}},
		{"handed to on the way", good + "codes: [{status: a, type: shipment.departed.v1, handed_to: locker}]\n", []string{"rule 1, line 3: handed_to: is for shipment.delivered.v1 only"}},
		{"handed to the dog", good + "codes: [{status: a, type: shipment.delivered.v1, handed_to: dog}]\n", []string{"rule 1, line 3: schema_violation: /data/handed_to"}},
		{"a class of its own", good + "codes: [{status: a, type: shipment.departed.v1, class: DREAMT}]\n", []string{"rule 1, line 3: schema_violation: /data/class"}},
		{
			"a rule that is never reached", good + "codes:\n- {status: [a, b], type: shipment.departed.v1}\n- {status: A, reason: x, type: shipment.arrived.v1}\n",
			[]string{"rule 2, line 5: is never reached: rule 1, line 4, takes all that it would"},
		},
		{
			"several faults", good + "carrier: ups\nclock: Nowhere\nsauce: x\nreasons: {a: '', b: " + strings.Repeat("x", 1025) + "}\ncodes:\n- {type: x}\n# none\n- {status: a, type: shipment.damaged.v1, exception: {party: me, severity: low}}\n",
			[]string{"carrier, line 3: ", "clock, line 4: ", "[5:1] unknown field", "reasons: a, line 6: want a word", "reasons: b, line 6: schema_violation", "rule 1, line 8: type: ", "rule 2, line 10: schema_violation: /data/party"},
		},
		{"an edition of none", good + "edition: 0\n", []string{"edition, line 3: want a whole number from 1, not 0"}},
		{"half an edition", good + "edition: 1.5\n", []string{"edition, line 3: want a whole number from 1, not 1.5"}},
		{"a source that no event can have", good + "source: über\ncodes: [{status: a, type: shipment.arrived.v1}]\n", []string{"source, line 3: "}},
		{"a key with a point", good + "carriers: {'a.b c*': ups}\n", []string{"carriers: a.b c*, line 3: want 2"}},
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
