package carriers_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/carriers"
)

// What is wrong within a transaction is a problem of that message; the others of
// the file are read.
func TestBadTransactionsSayWhatIsWrongAndWhere(t *testing.T) {
	const good = "B10*1*2*FRGT~\nLX*1~\nAT7*D1*NS***20260301*0915*ET~\nMS1*ALBANY*NY*US~"
	in := func(line int, place, reason string) carriers.Problem {
		if where := fmt.Sprintf(` (segment %d of transaction "0001")`, line-2); line > 2 { // its ST stands in line 3
			return carriers.Problem{Line: line, Place: strings.TrimSpace(place + where), Reason: reason}
		}
		return carriers.Problem{Line: line, Place: place + ` (transaction "0001")`, Reason: reason}
	}
	swap := func(from, to string) string { return x12File(strings.Replace(good, from, to, 1)) }
	tests := []struct {
		name, file string
		want       []carriers.Problem
	}{
		{"no status at all", x12File("B10*1*2*FRGT~\nLX*1~"), []carriers.Problem{in(3, "AT7", "is missing: there is no status")}},
		{"no status code", swap("D1*NS", "*"), []carriers.Problem{in(6, "AT7-01", "a status is required")}},
		{"no date", swap("20260301*0915*ET", ""), []carriers.Problem{in(6, "AT7-05", "a date is required")}},
		{"no date but a time", swap("20260301*", "*"), []carriers.Problem{in(6, "AT7-05", "a date is required")}},
		{"a 13th month", swap("20260301", "20191332"), []carriers.Problem{in(6, "AT7-05", `"20191332" is no date: want CCYYMMDD or YYMMDD`)}},
		{"a 29th of February", swap("20260301", "20260229"), []carriers.Problem{in(6, "AT7-05", `"20260229" is no date: want CCYYMMDD or YYMMDD`)}},
		{"a date with hyphens", swap("20260301", "2026-03-01"), []carriers.Problem{in(6, "AT7-05", `"2026-03-01" is no date: want CCYYMMDD or YYMMDD`)}},
		{"a long-gone date", swap("20260301", "00010101"), []carriers.Problem{in(6, "AT7-01", "schema_violation: time: lies outside the years 2000 to 2100")}},
		{"24 o'clock", swap("0915", "2400"), []carriers.Problem{in(6, "AT7-06", `"2400" is no time of day: want HHMM, HHMMSS or HHMMSSDD`)}},
		{"60 minutes", swap("0915", "0960"), []carriers.Problem{in(6, "AT7-06", `"0960" is no time of day: want HHMM, HHMMSS or HHMMSSDD`)}},
		{"60 seconds", swap("0915", "235960"), []carriers.Problem{in(6, "AT7-06", `"235960" is no time of day: want HHMM, HHMMSS or HHMMSSDD`)}},
		{"five digits", swap("0915", "09150"), []carriers.Problem{in(6, "AT7-06", `"09150" is no time of day: want HHMM, HHMMSS or HHMMSSDD`)}},
		{"a time in words", swap("0915", "noon"), []carriers.Problem{in(6, "AT7-06", `"noon" is no time of day: want HHMM, HHMMSS or HHMMSSDD`)}},
		{"no number", swap("B10*1", "B10*"), []carriers.Problem{in(6, "B10-01", "there is no tracking number: want L11:2I or MAN:CP or B10-01")}},
		{"no B10", swap("B10*1*2*FRGT", "L11*1*XX"), []carriers.Problem{in(3, "B10-03", "is required: the profile x12-214 has no carrier of its own"), in(6, "B10-01", "there is no tracking number: want L11:2I or MAN:CP or B10-01")}},
		{"no carrier", swap("FRGT", ""), []carriers.Problem{in(4, "B10-03", "is required: the profile x12-214 has no carrier of its own")}},
		{"an unusable number", swap("B10*1", "B10*!"), []carriers.Problem{in(6, "B10-01", `"!" cannot be used: want 1 to 48 letters and digits`)}},
		{"no carrier and many statuses", x12File("B10*1*2~\n" + strings.Repeat("AT7*D1*NS***20260301*0915*ET~\n", 3)), []carriers.Problem{in(4, "B10-03", "is required: the profile x12-214 has no carrier of its own")}},
		{"an unusable number and many statuses", x12File("B10*!*2*FRGT~\n" + strings.Repeat("AT7*D1*NS***20260301*0915*ET~\n", 3)), []carriers.Problem{in(5, "B10-01", `"!" cannot be used: want 1 to 48 letters and digits`)}},
		{"latin-1", swap("ALBANY", "MONTR\xc9AL"), []carriers.Problem{in(7, "MS1-01", "invalid UTF-8")}},
		{"latin-1 in a name", swap("LX*1~", "N1*ST*Andr\xe9~"), []carriers.Problem{in(5, "N1-02", "invalid UTF-8")}},
		{"no segment", swap("LX*1", "?PENDING"), []carriers.Problem{in(5, "", `"?PENDING" is no segment's id`)}},
		{"101 elements", swap("LX*1", "LX"+strings.Repeat("*1", 101)), []carriers.Problem{in(5, "LX", "has more than 99 elements")}},
		{"a longitude of 90 minutes", swap("US~", "US*1049003*0394421*W*N~"), []carriers.Problem{in(7, "MS1-04", `"1049003" is no coordinate: want DDDMMSS`)}},
		{"a latitude beyond the pole", swap("US~", "US*1045903*0904421*W*N~"), []carriers.Problem{in(7, "MS1-05", `"0904421" is no coordinate: want DDDMMSS`)}},
		{"a longitude without latitude", swap("US~", "US*1045903**W*N~"), []carriers.Problem{in(7, "MS1-05", `"" is no coordinate: want DDDMMSS`)}},
		{"hemispheres the wrong way round", swap("US~", "US*1045903*0394421*N*W~"), []carriers.Problem{
			in(7, "MS1-06", `"N" is no direction: want E or W`), in(7, "MS1-07", `"W" is no direction: want N or S`),
		}},
		{"infinite degrees", swap("US~", "US*****"+"*NaN*Inf~"), []carriers.Problem{in(7, "MS1-09", `"NaN" is no coordinate: want decimal degrees`), in(7, "MS1-10", `"Inf" is no coordinate: want decimal degrees`)}},
		{"a wrong count", strings.Replace(x12File(good), "SE*6*", "SE*0000000007*", 1), []carriers.Problem{in(8, "SE-01", `says "0000000007", and there are 6 segments`)}},
		{"no count", strings.Replace(x12File(good), "SE*6*", "SE**", 1), []carriers.Problem{in(8, "SE-01", `says "", and there are 6 segments`)}},
		{"another control number", strings.Replace(x12File(good), "SE*6*0001", "SE*6*0002", 1), []carriers.Problem{in(8, "SE-02", `says "0002", and the control number is "0001"`)}},
		{"no end of the transaction", strings.Replace(x12File(good), "SE*6*0001~\n", "", 1), []carriers.Problem{{Line: 8, Place: `SE (transaction "0001")`, Reason: "is missing"}}},
		{"an acknowledgement", strings.Replace(strings.Replace(x12File("AK1*QM*7~\nAK9*A*1*1*1~"), "ST*214", "ST*997", 1), "GS*QM", "GS*FA", 1), []carriers.Problem{
			in(3, "ST-01", `transaction set "997" of group "FA" is no 214`),
		}},
		{"an invoice among statuses", strings.Replace(x12File("B3**1~"), "ST*214", "ST*210", 1), []carriers.Problem{in(3, "ST-01", `transaction set "210" of group "QM" is no 214`)}},
		{"a 214 in a group of another kind", strings.Replace(x12File(good), "GS*QM", "GS*IM", 1), []carriers.Problem{in(2, "GS-01", `group "IM" is not QM, of 214s`)}},
		{"a group of no date", strings.Replace(x12File(good), "20260301*1800*7", "20260399*1800*7", 1), []carriers.Problem{in(2, "GS-04", `"20260399" is no date: want CCYYMMDD or YYMMDD`)}},
		{"a group of no time", strings.Replace(x12File(good), "20260301*1800*7", "20260301*1860*7", 1), []carriers.Problem{in(2, "GS-05", `"1860" is no time of day: want HHMM, HHMMSS or HHMMSSDD`)}},
		{"several faults", x12File("B10*1*2*FRGT~\nAT7*D1*NS***20269901*0915~\nAT7*D1*NS***20260301*9915~\nMS1*X*NY*US*1*2*W*N~"), []carriers.Problem{
			in(5, "AT7-05", `"20269901" is no date: want CCYYMMDD or YYMMDD`),
			in(6, "AT7-06", `"9915" is no time of day: want HHMM, HHMMSS or HHMMSSDD`),
			in(7, "MS1-04", `"1" is no coordinate: want DDDMMSS`), in(7, "MS1-05", `"2" is no coordinate: want DDDMMSS`),
		}},
		{"a secret that is no date", swap("20260301", "20260301"+strings.Repeat("x", 100)), []carriers.Problem{
			in(6, "AT7-05", `"20260301xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..." is no date: want CCYYMMDD or YYMMDD`),
		}},
		{"escape codes", swap("20260301", "\x1b[31m"), []carriers.Problem{in(6, "AT7-05", `"\x1b[31m" is no date: want CCYYMMDD or YYMMDD`)}},
	}
	p := x12Profile(t, "x12-214")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, err := x12Read(p, tt.file+x12File(good))
			if err != nil || len(all) != 2 {
				t.Fatalf("%d messages, error %v, want the bad one and a good one", len(all), err)
			}
			if diff := cmp.Diff(tt.want, all[0].Problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if len(all[0].Events) != 0 || len(all[1].Events) != 1 || len(all[1].Problems) != 0 {
				t.Errorf("%d events of the bad one, %d of the good one", len(all[0].Events), len(all[1].Events))
			}
			again, err := x12Read(p, string(all[0].Raw))
			if err != nil || len(again) != 1 || len(again[0].Problems) != len(tt.want) {
				t.Errorf("read again: %+v, error %v, want the same problems", again, err)
			}
		})
	}
}

func TestAMissingTimeOfTheGroupIsThatOfTheInterchange(t *testing.T) {
	p, file := x12Profile(t, "x12-214"), x12File("B10*1*2*FRGT~\nAT7*D1*NS***20260301*0915*ET~")
	file = strings.Replace(file, "20260301*1800*7", "**7", 1)
	if got := x12Events(t, p, file)[0].RecordedAt.UTC().Format("2006-01-02T15:04"); got != "2026-03-01T18:00" {
		t.Errorf("recorded at %s, want ISA-09 and ISA-10", got)
	}
}

func TestARejectedMessageCanBeCorrectedAndReadAgain(t *testing.T) {
	p := x12Profile(t, "x12-214")
	bad := x12File("B10*1*2*FRGT~\nAT7*D1*NS***20261301*0915*ET~", "B10*2*2*FRGT~\nAT7*D1*NS***20260301*0915*ET~")
	all, err := x12Read(p, bad)
	if err != nil || len(all) != 2 || len(all[0].Problems) != 1 {
		t.Fatalf("%+v, error %v", all, err)
	}
	corrected := strings.Replace(string(all[0].Raw), "20261301", "20260301", 1)
	if made := x12Events(t, p, corrected); len(made) != 1 || made[0].Subject != "trk:FRGT:1" {
		t.Errorf("corrected: %+v, want one event", made)
	}
}

// What is wrong with an envelope ends the file.
func TestBrokenEnvelopesEndTheFile(t *testing.T) {
	good := x12File("B10*1*2*FRGT~\nAT7*D1*NS***20260301*0915*ET~")
	swap := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not in the file", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	cut := func(before string) string { return good[:strings.Index(good, before)] }
	tests := []struct {
		name, file, place, reason string
		line, before              int // messages before
	}{
		{"no X12", "order_id,status\n1,placed\n", "", "no interchange begins here: want ISA", 1, 0},
		{"JSON", "{}", "", "no interchange begins here: want ISA", 1, 0},
		{"EDIFACT", "UNA:+.? 'UNB+UNOC:3'", "", "no interchange begins here: want ISA", 1, 0},
		{"two bytes", "IS", "", "no interchange begins here: want ISA", 1, 0},
		{"UTF-16", "\xff\xfeI\x00S\x00A\x00*\x00", "", "no interchange begins here: want ISA", 1, 0},
		{"a word", "ISABELLA", "", "no interchange begins here: want ISA", 1, 0},
		{"text between interchanges", good + "\n-- end of file --\n" + good, "", "no interchange begins here: want ISA", 10, 1},
		{"a null byte after it", good + "\x00", "", "no interchange begins here: want ISA", 9, 1},
		{"cut in the header", good[:60], "ISA-08", "the file ends within the header of an interchange", 1, 0},
		{"cut at the end of the header", good[:105], "ISA-16", "the file ends within the header of an interchange", 1, 0},
		{"a header of ten elements", "ISA*00*" + strings.Repeat("x*", 8) + "\nGS*QM*1~\nST*214*1~\n", "ISA-11", "want at most 1 characters", 1, 0},
		{"a header too wide", swap("FRGT           *ZZ", "FRGT            *ZZ"), "ISA-06", "want at most 15 characters", 1, 0},
		{"a latin-1 sender", swap("FRGT           *ZZ", "FR\xc9T           *ZZ"), "ISA-06", "invalid UTF-8", 1, 0},
		{"a control number in words", swap("*000000007*0*P", "*seven    *0*P"), "ISA-13", `"seven    " is no control number`, 1, 0},
		{"a letter between components", swap("*P*>~", "*P*X~"), "ISA-16", "'X' cannot separate components", 1, 0},
		{"components as elements", swap("*P*>~", "*P**~"), "ISA-16", "'*' cannot separate components", 1, 0},
		{"a letter to end a segment", swap("*P*>~\n", "*P*>G"), "ISA-16", "'G' cannot end a segment", 1, 0},
		{"one mark for two purposes", swap("*P*>~", "*P*~~"), "ISA-16", "'~' cannot end a segment", 1, 0},
		{"cut after the header", cut("GS*"), "IEA", "the file ends within interchange 000000007, of line 1", 2, 0},
		{"cut in a transaction", cut("AT7"), "IEA", "the file ends within interchange 000000007, of line 1", 5, 0},
		{"cut in a segment", cut("NS***"), "IEA", "the file ends within interchange 000000007, of line 1", 5, 0},
		{"cut before GE", cut("GE*"), "IEA", "the file ends within interchange 000000007, of line 1", 7, 1},
		{"cut before IEA", cut("IEA*"), "IEA", "the file ends within interchange 000000007, of line 1", 8, 1},
		{"cut within IEA", good[:len(good)-4], "IEA-02", `says "0000000", and the control number is "000000007"`, 8, 1},
		{"the next begins before IEA", cut("IEA*") + good, "IEA", "is missing: interchange 000000007, of line 1, is still open", 8, 1},
		{"the next begins before GE", cut("GE*") + good, "IEA", "is missing: interchange 000000007, of line 1, is still open", 7, 1},
		{"another group begins before GE", swap("GE*1*7~\n", "GS*QM*A*B*20260301*1800*8*X*004010~\n"), "GE", `is missing: group "7", of line 2, is still open`, 7, 1},
		{"no GE", swap("GE*1*7~\n", ""), "GE", `is missing: group "7", of line 2, is still open`, 7, 1},
		{"a group too many", swap("IEA*1*", "IEA*00002*"), "IEA-01", `says "00002", and there are 1 groups`, 8, 1},
		{"another interchange's end", swap("IEA*1*000000007", "IEA*1*000000008"), "IEA-02", `says "000000008", and the control number is "000000007"`, 8, 1},
		{"a transaction too few", swap("GE*1*7", "GE*000000*7"), "GE-01", `says "000000", and there are 1 transactions`, 7, 1},
		{"a count in words", swap("GE*1*7", "GE*one*7"), "GE-01", `says "one", and there are 1 transactions`, 7, 1},
		{"another group's end", swap("GE*1*7", "GE*1*8"), "GE-02", `says "8", and the control number is "7"`, 7, 1},
		{"a group without number", swap("*1800*7*X", "*1800**X"), "GS-06", "a control number is required", 2, 0},
		{"a group's latin-1 sender", swap("GS*QM*FRGT", "GS*QM*FR\xc9T"), "GS-02", "invalid UTF-8", 2, 0},
		{"no group", swap("GS*QM*FRGT*SHIPPER*20260301*1800*7*X*004010~\n", ""), "ST", "stands outside of a group", 2, 0},
		{"no ST", swap("ST*214*0001~\n", ""), "B10", "stands outside of a transaction", 3, 0},
		{"a second SE", swap("GE*1", "SE*4*0001~\nGE*1"), "SE", "stands outside of a transaction", 7, 1},
		{"a second GE", swap("IEA*1", "GE*1*7~\nIEA*1"), "GE", "closes no group", 8, 1},
		{"text between groups", swap("IEA*1", "hello world~\nIEA*1"), "", `"hello world" is no segment's id`, 8, 1},
		{"a lost terminator", swap("AT7*", "K1*"+strings.Repeat("x", 70<<10)), "", "a segment is longer than 64 KiB: its terminator '~' is missing", 5, 0},
		{"an endless transaction", swap("AT7*", strings.Repeat("LX*1~\n", 200_000)+"AT7*"), "ST", `transaction "0001" is longer than 1024 KiB`, 3, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, err := x12Read(x12Profile(t, "x12-214"), tt.file)
			broken, ok := errors.AsType[*carriers.FormatError](err)
			if !ok {
				t.Fatalf("error = %v, want a FormatError", err)
			}
			if diff := cmp.Diff(carriers.Problem{Line: tt.line, Place: tt.place, Reason: tt.reason}, broken.Problem); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
			if len(all) != tt.before {
				t.Errorf("%d messages before it, want %d", len(all), tt.before)
			}
		})
	}
}

// An acknowledgement of an interchange may stand before its groups, and a group
// may be empty.
func TestEnvelopesThatAreFine(t *testing.T) {
	file := x12File("B10*1*2*FRGT~\nAT7*D1*NS***20260301*0915*ET~")
	for name, file := range map[string]string{
		"TA1":             strings.Replace(file, "GS*", "TA1*000000001*260301*1200*A*000~\nGS*", 1),
		"an empty group":  strings.Replace(strings.Replace(file, "GS*", "GS*FA*A*B*20260301*1800*6*X*004010~\nGE*0*6~\nGS*", 1), "IEA*1*", "IEA*2*", 1),
		"empty segments":  strings.Replace(file, "GE*1", "~~\n~GE*1", 1),
		"padded elements": strings.Replace(file, "AT7*D1*NS***20260301*0915*ET", "AT7*D1  *NS **  *20260301*0915 *ET", 1),
		"control numbers": strings.Replace(file, "SE*4*0001", "SE*04*1", 1),
	} {
		if made := x12Events(t, x12Profile(t, "x12-214"), file); len(made) != 1 {
			t.Errorf("%s: %d events, want 1", name, len(made))
		}
	}
}

func TestProblemsOfAMessageAreNotListedForEver(t *testing.T) {
	all, err := x12Read(x12Profile(t, "x12-214"), x12File("B10*1*2*FRGT~\n"+strings.Repeat("AT7*D1*NS***20261301*0915*ET~\n", 10_000)))
	if err != nil || len(all) != 1 || len(all[0].Problems) != 51 {
		t.Fatalf("%d messages, error %v, want one with 51 problems", len(all), err)
	}
	if got := all[0].Problems[50].Reason; !strings.HasPrefix(got, "and more") {
		t.Errorf("the last problem is %q", got)
	}
}

func TestTooManyStatusesAreRefused(t *testing.T) {
	all, err := x12Read(x12Profile(t, "x12-214"), x12File("B10*1*2*FRGT~\n"+strings.Repeat("AT7*D1*NS***20260301*0915*ET~\n", 10_001)))
	want := []carriers.Problem{{Line: 10_005, Place: `AT7 (segment 10003 of transaction "0001")`, Reason: "there are more than 10000 statuses"}}
	if err != nil || len(all) != 1 || len(all[0].Events) != 0 {
		t.Fatalf("%d messages, error %v", len(all), err)
	}
	if diff := cmp.Diff(want, all[0].Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestProfilesWithoutAUsableNumber(t *testing.T) {
	for _, place := range []string{"N1-02", "N1:ST", "L11", "L11:", "B10", "B10-0", "B10-00", "l11:2i", "L11-01:2I"} {
		p, err := carriers.Open(profileFile(t, "profile: mine\nformat: x12-214\nnumber: ['"+place+"']\n"))
		if err == nil {
			_, err = x12Read(p, x12File("B10*1*2*FRGT~"))
		}
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is no place of a reference", place)) {
			t.Errorf("%s: error = %v, want it refused", place, err)
		}
	}
}

// A file of any length is read in the memory of one transaction.
func TestMemoryIsThatOfOneTransaction(t *testing.T) {
	p, one := x12Profile(t, "x12-214"), []byte(x12File("B10*1*2*FRGT~\nAT7*D1*NS***20260301*0915*ET~"))
	const copies = 3_000
	seen := 0
	for m, err := range p.Messages(bytes.NewReader(bytes.Repeat(one, copies)), "acme", x12Now()) {
		if err != nil || len(m.Events) != 1 {
			t.Fatalf("after %d: %d events, error %v", seen, len(m.Events), err)
		}
		if cap(m.Raw) > 2*len(one)+64 {
			t.Fatalf("after %d: %d bytes are kept of a message of %d", seen, cap(m.Raw), len(one))
		}
		if want := 3 + seen*(bytes.Count(one, []byte("\n"))); m.Line != want {
			t.Fatalf("message %d begins in line %d, want %d", seen, m.Line, want)
		}
		seen++
	}
	if seen != copies {
		t.Errorf("%d messages, want %d", seen, copies)
	}
}
