package carriers_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A remark is about the status in whose loop it stands, or else about all of the
// loop around it.
func TestRemarksAreTheWordsOfAStatus(t *testing.T) {
	file := x12File(`
B10*1*2*FRGT~
K1*ALL OF IT*IS FRAGILE~
LX*1~
AT7*X4*NS***20260301*0900*ET~
MS1*ALBANY*NY*US~
MS2*FRGT*53012~
K1*DOCK 7~
K1**GATE 2~
AT7*SD*HB*AB*NA*20260301*0915*ET~
K1*CALL JOE AT 555-010-0199 FIRST~
AT7*AH*AG***20260301*1000*ET~
LX*2~
AT7*X4*NS***20260301*1100*ET~
L11*7*XX~
K1*PALLET~
LX*3~
AT7*D1*NS***20260301*1200*ET~
MS1*RENO*NV*US~
K1*LEFT AT DOOR, SIGNED BY: J TESTER*5 HIGH STREET~
`)
	var got []string
	for _, e := range x12Events(t, x12Profile(t, "x12-214"), file) {
		got = append(got, x12Raw(e).Text)
	}
	want := []string{"DOCK 7; GATE 2", "appointment AB NA;  FIRST", "ALL OF IT IS FRAGILE", "PALLET", "LEFT AT DOOR"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
}
