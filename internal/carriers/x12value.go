package carriers

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events"
)

// x12Date reads CCYYMMDD, and YYMMDD with the century that is told apart, or else
// of this one.
func x12Date(s, century string) (time.Time, bool) {
	if len(s) == 6 {
		s = or(century, "20") + s
	}
	if len(s) != 8 || !digits(s) {
		return time.Time{}, false
	}
	day, err := time.Parse("20060102", s)
	return day, err == nil
}

// x12Clock reads HHMM, HHMMSS, HHMMSSD and HHMMSSDD. Nothing is the whole day.
func x12Clock(s string) (time.Duration, events.Precision, bool) {
	if s == "" {
		return 0, events.ToDay, true
	}
	if !digits(s) {
		return 0, "", false
	}
	var precision events.Precision
	switch len(s) {
	case 4:
		precision = events.ToMinute
	case 6:
		precision = events.ToSecond
	case 7, 8:
		precision = events.ToMillisecond
	default:
		return 0, "", false
	}
	n, _ := strconv.Atoi((s + "0000")[:8]) // digits
	hour, minute, second, hundredth := n/1_000_000, n/10_000%100, n/100%100, n%100
	if hour > 23 || minute > 59 || second > 59 {
		return 0, "", false
	}
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute +
		time.Duration(second)*time.Second + time.Duration(hundredth)*10*time.Millisecond, precision, true
}

// x12Coordinate is a way to write coordinates: the element of the longitude,
// which that of the latitude follows, and how to read one.
type x12Coordinate struct {
	longitude int
	read      func(string) (float64, bool)
	want      string
}

// x12Coordinates are the ways of an MS1, the second since release 8020.
func x12Coordinates() []x12Coordinate {
	return []x12Coordinate{{4, x12Sexagesimal, "DDDMMSS"}, {9, x12Decimal, "decimal degrees"}}
}

// degrees reads a coordinate of an MS1 and the hemisphere in its element. It is
// nil where the hemisphere is not told and the number does not tell it either.
func (t *x12Transaction) degrees(s x12Segment, form x12Coordinate, n int, most float64, hemisphere int, plus, minus string) *float64 {
	d, ok := form.read(s.at(n))
	if !ok || math.Abs(d) > most {
		t.problem(s, s.place(n), "%s is no coordinate: want %s", quoted(s.at(n)), form.want)
		return nil
	}
	switch side := s.at(hemisphere); {
	case side == minus:
		d = -math.Abs(d)
	case side == "" && (d < 0 || form.longitude == 9): // signed
	case side == "":
		return nil
	case side != plus:
		t.problem(s, s.place(hemisphere), "%s is no direction: want %s or %s", quoted(side), plus, minus)
		return nil
	}
	return &d
}

// x12Sexagesimal reads DDDMMSS and DDDMMSS.SS.
func x12Sexagesimal(s string) (float64, bool) {
	whole, fraction, point := strings.Cut(s, ".")
	if len(whole) != 7 || !digits(whole) || point && (!digits(fraction) || len(fraction) > 6) {
		return 0, false
	}
	degree, _ := strconv.ParseFloat(whole[:3], 64)
	minute, _ := strconv.ParseFloat(whole[3:5], 64)
	second, err := strconv.ParseFloat(whole[5:]+"."+fraction+"0", 64)
	if err != nil || minute > 59 || second >= 60 {
		return 0, false
	}
	return math.Round((degree+minute/60+second/3600)*1e7) / 1e7, true
}

// x12Decimal reads decimal degrees.
func x12Decimal(s string) (float64, bool) {
	if strings.Trim(s, "+-.0123456789") != "" || len(s) > 16 {
		return 0, false
	}
	d, err := strconv.ParseFloat(s, 64)
	return d, err == nil
}
