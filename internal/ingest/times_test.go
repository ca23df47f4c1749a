package ingest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/ingest"
)

// A time of the wall's clock is one instant, also where the clocks are changed.
func TestLocalTimes(t *testing.T) {
	tests := []struct{ name, zone, layout, text, want string }{
		{"in winter", "Europe/Berlin", "YYYY-MM-DD HH:mm:ss", "2025-01-15 08:00:00", "2025-01-15T08:00:00+01:00"},
		{"in summer", "Europe/Berlin", "YYYY-MM-DD HH:mm:ss", "2025-07-15 08:00:00", "2025-07-15T08:00:00+02:00"},
		{"just before a gap", "Europe/Berlin", "YYYY-MM-DD HH:mm:ss", "2025-03-30 01:59:59", "2025-03-30T01:59:59+01:00"},
		{"a time that is skipped moves on by the gap", "Europe/Berlin", "YYYY-MM-DD HH:mm:ss", "2025-03-30 02:30:00", "2025-03-30T03:30:00+02:00"},
		{"just behind a gap", "Europe/Berlin", "YYYY-MM-DD HH:mm:ss", "2025-03-30 03:00:00", "2025-03-30T03:00:00+02:00"},
		{"a time that comes twice is the first one", "Europe/Berlin", "YYYY-MM-DD HH:mm:ss", "2025-10-26 02:30:00", "2025-10-26T02:30:00+02:00"},
		{"just behind a fold", "Europe/Berlin", "YYYY-MM-DD HH:mm:ss", "2025-10-26 03:00:00", "2025-10-26T03:00:00+01:00"},
		{"a day that begins at one o'clock", "America/Sao_Paulo", "YYYY-MM-DD HH:mm:ss", "2017-10-15 00:00:00", "2017-10-15T01:00:00-02:00"},
		{"a last hour of a day that comes twice", "America/Sao_Paulo", "YYYY-MM-DD HH:mm:ss", "2018-02-17 23:30:00", "2018-02-17T23:30:00-02:00"},
		{"a day that a place never had", "Pacific/Apia", "YYYY-MM-DD HH:mm:ss", "2011-12-30 12:00:00", "2011-12-31T12:00:00+14:00"},
		{"half an hour", "Australia/Lord_Howe", "YYYY-MM-DD HH:mm:ss", "2025-10-05 02:15:00", "2025-10-05T02:45:00+11:00"},
		{"American", "America/New_York", "MM/DD/YYYY hh:mm a", "03/09/2025 02:30 AM", "2025-03-09T03:30:00-04:00"},
		{"German", "Europe/Berlin", "DD.MM.YYYY 'um' HH:mm 'Uhr'", "05.06.2025 um 07:08 Uhr", "2025-06-05T07:08:00+02:00"},
		{"with its offset", "Europe/Berlin", "YYYY-MM-DD'T'HH:mm:ssZ", "2025-01-15T08:00:00-05:00", "2025-01-15T08:00:00-05:00"},
		{"RFC 3339", "UTC", "rfc3339", "2025-01-15T08:00:00.25+09:00", "2025-01-15T08:00:00.25+09:00"},
		{"seconds since 1970", "Europe/Berlin", "unix", "1750000000", "2025-06-15T17:06:40+02:00"},
		{"milliseconds since 1970", "UTC", "unix_ms", "1750000000123", "2025-06-15T15:06:40.123Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			yaml := strings.NewReplacer("Europe/Berlin", tt.zone, "YYYY-MM-DD HH:mm:ss", tt.layout).Replace(confirmed())
			o := intake(t, ingest.CSV{Mapping: mapping(t, yaml)}, ingest.IntakeConfig{}, file(t, "t.csv", "order,at\no1,"+tt.text+"\n"))
			if o.err != nil || len(o.log) != 1 {
				t.Fatalf("%s: %v %v", tt.text, o.err, o.problems)
			}
			if got := o.log[0].OccurredAt().Format(time.RFC3339Nano); got != tt.want {
				t.Errorf("%s %s is %s, want %s", tt.text, tt.zone, got, tt.want)
			}
			if !o.log[0].Time.Equal(o.log[0].OccurredAt()) {
				t.Errorf("the envelope says %s, the data %s", o.log[0].Time, o.log[0].OccurredAt())
			}
		})
	}
}
