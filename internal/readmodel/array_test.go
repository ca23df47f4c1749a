package readmodel

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgtype"
)

// Arrays are what pgx would write, but for the flag that says that there may be
// NULLs.
func TestArraysAreWrittenAsPgxWritesThem(t *testing.T) {
	zone := time.FixedZone("", -7*3600)
	some := time.Date(2019, 11, 3, 23, 15, 0, 123_456_789, zone)
	old := time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	tests := []struct {
		oid   uint32
		value any
	}{
		{pgtype.TextArrayOID, []string{"a", "", "ü\u2028"}},
		{pgtype.TextArrayOID, []*string{new("a"), nil, new("")}},
		{pgtype.JSONArrayOID, []string{`{"a":1}`, `[]`}},
		{pgtype.JSONArrayOID, [][]byte{[]byte(`{"a":1}`), []byte(`[]`)}},
		{pgtype.JSONBArrayOID, []string{`{"a":1}`, `[]`}},
		{pgtype.TimestamptzArrayOID, []time.Time{some, old}},
		{pgtype.TimestamptzArrayOID, []*time.Time{&some, nil, &old}},
		{pgtype.DateArrayOID, []*time.Time{&some, nil, &old}},
		{pgtype.Int8ArrayOID, []int64{0, -1, math.MaxInt64, math.MinInt64}},
		{pgtype.Int4ArrayOID, []int{0, -1, math.MaxInt32, math.MinInt32}},
		{pgtype.Int4ArrayOID, []int32{0, -1, math.MaxInt32, math.MinInt32}},
		{pgtype.BoolArrayOID, []bool{true, false}},
		{pgtype.Float8ArrayOID, []*float64{new(-0.5), nil, new(math.Inf(1))}},
		{pgtype.ByteaArrayOID, [][]byte{{0, 1, 2}, {}, nil}},
		{pgtype.TIDArrayOID, []tuple{{BlockNumber: 70_000, OffsetNumber: 9, Valid: true}}},
	}
	theirs := pgtype.NewMap()
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d %T", tt.oid, tt.value), func(t *testing.T) {
			ours := arrayCodecOf(t, tt.oid).PlanEncode(theirs, tt.oid, pgtype.BinaryFormatCode, tt.value)
			if plan := arrayCodecOf(t, tt.oid).plan(tt.value); plan == nil {
				t.Fatal("is left to pgx")
			}
			for _, before := range [][]byte{nil, []byte("before"), make([]byte, 3, 4096)} {
				got, err := ours.Encode(tt.value, before)
				if err != nil {
					t.Fatal(err)
				}
				want, err := theirs.Encode(tt.oid, pgtype.BinaryFormatCode, tt.value, before)
				if err != nil {
					t.Fatal(err)
				}
				want[len(before)+7] = 1
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("encoded (-pgx +ours):\n%s", diff)
				}
			}
		})
	}
}

// A zero value that stands for NULL is written as pgx writes a nil pointer.
func TestZeroValuesThatMeanNullAreNull(t *testing.T) {
	day := time.Date(2019, 11, 3, 23, 15, 0, 0, time.FixedZone("", -7*3600))
	tests := []struct {
		oid       uint32
		ours, pgx any
	}{
		{pgtype.TextArrayOID, []optText{"a", "", "b"}, []*string{new("a"), nil, new("b")}},
		{pgtype.TimestamptzArrayOID, []optTime{optTime(day), {}}, []*time.Time{&day, nil}},
		{pgtype.DateArrayOID, []optTime{{}, optTime(day)}, []*time.Time{nil, &day}},
	}
	ours, theirs := pgtype.NewMap(), pgtype.NewMap()
	registerArrays(ours)
	for _, tt := range tests {
		got, err := ours.Encode(tt.oid, pgtype.BinaryFormatCode, tt.ours, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := theirs.Encode(tt.oid, pgtype.BinaryFormatCode, tt.pgx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%T (-pgx +ours):\n%s", tt.ours, diff)
		}
	}
}

// The parameters of a statement share memory that grows while they are written,
// and that the next statement uses again: none may spoil another one.
func TestParametersOfAStatementDoNotSpoilEachOther(t *testing.T) {
	ours, theirs := pgtype.NewMap(), pgtype.NewMap()
	registerArrays(ours)
	for statement := range 3 {
		var got, want [][]byte
		var buf, all []byte
		for i, n := range []int{3, 500, 1, 20_000, 7} {
			texts := make([]*string, n) // NULLs, so that pgx sets the flag too
			for j := range texts[1:] {
				texts[j] = new(fmt.Sprint(statement, i, j))
			}
			before, other := len(buf), len(all)
			var err error
			if buf, err = ours.Encode(pgtype.TextArrayOID, pgtype.BinaryFormatCode, texts, buf); err != nil {
				t.Fatal(err)
			}
			if all, err = theirs.Encode(pgtype.TextArrayOID, pgtype.BinaryFormatCode, texts, all); err != nil {
				t.Fatal(err)
			}
			got, want = append(got, buf[before:]), append(want, all[other:])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("statement %d (-pgx +ours):\n%s", statement, diff)
		}
	}
}

func arrayCodecOf(t *testing.T, oid uint32) arrayCodec {
	t.Helper()
	m := pgtype.NewMap()
	registerArrays(m)
	typ, ok := m.TypeForOID(oid)
	if !ok {
		t.Fatalf("no type %d", oid)
	}
	c, ok := typ.Codec.(arrayCodec)
	if !ok {
		t.Fatalf("type %d is written by %T", oid, typ.Codec)
	}
	return c
}

func BenchmarkArrays(b *testing.B) {
	texts := make([]string, 5000)
	times := make([]*time.Time, 5000)
	for i := range texts {
		texts[i], times[i] = "a text of about twenty bytes", new(time.Unix(int64(i), 0))
	}
	plain, fast := pgtype.NewMap(), pgtype.NewMap()
	registerArrays(fast)
	for _, m := range []struct {
		name string
		*pgtype.Map
	}{{"pgx", plain}, {"ours", fast}} {
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Encode(pgtype.TextArrayOID, pgtype.BinaryFormatCode, texts, nil); err != nil {
					b.Fatal(err)
				}
				if _, err := m.Encode(pgtype.TimestamptzArrayOID, pgtype.BinaryFormatCode, times, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
