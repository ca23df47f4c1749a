package readmodel

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// arrayCodec writes the columns of a batch as arrays without boxing each element,
// which was a good part of what a consumer allocates. What it does not know is
// left to pgx.
type arrayCodec struct {
	pgtype.Codec
	element uint32 // its OID
	scratch *scratch
}

// scratch is a connection's memory for the parameters of a statement, which pgx
// would throw away after each. It is used from the first parameter that does not
// fit into pgx's own memory to the last one; by then the statement has been copied
// into a message, and the next one may use it again.
type scratch struct{ buf []byte }

// room returns buf, or a copy of it in the scratch memory, with room for size
// more bytes.
func (s *scratch) room(buf []byte, size int) []byte {
	if cap(buf)-len(buf) >= size {
		return buf
	}
	if need := len(buf) + size; cap(s.buf) < need {
		s.buf = make([]byte, need+need/2) // all parameters of a statement share it
	}
	return append(s.buf[:0], buf...)
}

// registerArrays has a connection's map write the columns of a batch by
// arrayCodec.
func registerArrays(m *pgtype.Map) {
	memory := &scratch{}
	for _, array := range []struct{ oid, element uint32 }{
		{pgtype.TextArrayOID, pgtype.TextOID}, {pgtype.TimestamptzArrayOID, pgtype.TimestamptzOID},
		{pgtype.Int8ArrayOID, pgtype.Int8OID}, {pgtype.Int4ArrayOID, pgtype.Int4OID}, {pgtype.BoolArrayOID, pgtype.BoolOID},
		{pgtype.Float8ArrayOID, pgtype.Float8OID}, {pgtype.ByteaArrayOID, pgtype.ByteaOID}, {pgtype.DateArrayOID, pgtype.DateOID},
		{pgtype.JSONArrayOID, pgtype.JSONOID}, {pgtype.JSONBArrayOID, pgtype.JSONBOID},
		{pgtype.TIDArrayOID, pgtype.TIDOID},
	} {
		if t, ok := m.TypeForOID(array.oid); ok {
			m.RegisterType(&pgtype.Type{Name: t.Name, OID: array.oid, Codec: arrayCodec{t.Codec, array.element, memory}})
		}
	}
}

// PlanEncode knows the columns that the statements of this package pass.
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		if plan := c.plan(value); plan != nil {
			return plan
		}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

func (c arrayCodec) plan(value any) pgtype.EncodePlan {
	switch c.element {
	case pgtype.JSONOID:
		if plan := planArray(c, value, sizeBytes, putBytes); plan != nil {
			return plan
		}
		return planArray(c, value, sizeText, putText)
	case pgtype.TextOID:
		if plan := planArray(c, value, func(t optText) int { return sizeText(string(t)) }, putOptText); plan != nil {
			return plan
		}
		return planArray(c, value, sizeText, putText)
	case pgtype.JSONBOID:
		return planArray(c, value, sizeText, putJSONB)
	case pgtype.TimestamptzOID:
		if plan := planArray(c, value, fixed[optTime], putOptTime(putTime)); plan != nil {
			return plan
		}
		return planArray(c, value, fixed[time.Time], putTime)
	case pgtype.DateOID:
		if plan := planArray(c, value, fixed[optTime], putOptTime(putDate)); plan != nil {
			return plan
		}
		return planArray(c, value, fixed[time.Time], putDate)
	case pgtype.Int8OID:
		return planArray(c, value, fixed[int64], putInt8)
	case pgtype.BoolOID:
		return planArray(c, value, fixed[bool], putBool)
	case pgtype.Float8OID:
		return planArray(c, value, fixed[float64], putFloat8)
	case pgtype.TIDOID:
		return planArray(c, value, fixed[tuple], putTuple)
	case pgtype.ByteaOID:
		return planArray(c, value, sizeBytes, putBytes)
	case pgtype.Int4OID:
		if plan := planArray(c, value, fixed[int32], putInt4); plan != nil {
			return plan
		}
		return planArray(c, value, fixed[int], func(buf []byte, n int) []byte { return putInt4(buf, int32(n)) })
	default:
		return nil
	}
}

// planArray writes slices of V, and of pointers to V with nil as NULL.
func planArray[V any](c arrayCodec, value any, size func(V) int, put func([]byte, V) []byte) pgtype.EncodePlan {
	switch value.(type) {
	case []V:
		return arrayPlan[V]{c.element, c.scratch, size, put}
	case []*V:
		return arrayPlan[*V]{
			c.element, c.scratch,
			func(v *V) int {
				if v == nil {
					return 4
				}
				return size(*v)
			},
			func(buf []byte, v *V) []byte {
				if v == nil {
					return putNull(buf)
				}
				return put(buf, *v)
			},
		}
	default:
		return nil
	}
}

// arrayPlan writes a slice in Postgres' binary format of a one-dimensional array:
// a header, then each element as its length and its bytes.
type arrayPlan[V any] struct {
	element uint32
	scratch *scratch
	size    func(V) int            // of an element, at most, its length included
	put     func([]byte, V) []byte // appends an element, its length first
}

// Encode appends the array.
func (p arrayPlan[V]) Encode(value any, buf []byte) ([]byte, error) {
	values, _ := value.([]V) // the plan is for this type only
	size := 20
	for _, v := range values {
		size += p.size(v)
	}
	buf = appendHeader(p.scratch.room(buf, size), len(values), p.element)
	for _, v := range values {
		buf = p.put(buf, v)
	}
	return buf, nil
}

func appendHeader(buf []byte, n int, element uint32) []byte {
	const mayHoldNulls = 1
	if n == 0 {
		return putWords(buf, 0, mayHoldNulls, element)
	}
	return putWords(buf, 1, mayHoldNulls, element, uint32(n), 1) // dimensions, ..., the index of the first
}

func putWords(buf []byte, words ...uint32) []byte {
	for _, w := range words {
		buf = binary.BigEndian.AppendUint32(buf, w)
	}
	return buf
}

// fixed is the size of an element of up to 8 bytes.
func fixed[V any](V) int { return 12 }

func sizeText(s string) int { return len(s) + 5 } // JSONB has a byte more

func sizeBytes(b []byte) int { return len(b) + 4 }

func putNull(buf []byte) []byte { return putWords(buf, math.MaxUint32) }

func putText(buf []byte, s string) []byte { return append(putWords(buf, uint32(len(s))), s...) }

func putOptText(buf []byte, s optText) []byte {
	if s == "" {
		return putNull(buf)
	}
	return putText(buf, string(s))
}

func putOptTime(put func([]byte, time.Time) []byte) func([]byte, optTime) []byte {
	return func(buf []byte, t optTime) []byte {
		if time.Time(t).IsZero() {
			return putNull(buf)
		}
		return put(buf, time.Time(t))
	}
}

func putJSONB(buf []byte, s string) []byte {
	const version = 1
	return append(append(putWords(buf, uint32(len(s)+1)), version), s...)
}

func putBytes(buf, b []byte) []byte {
	if b == nil {
		return putNull(buf)
	}
	return append(putWords(buf, uint32(len(b))), b...)
}

func putInt8(buf []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(putWords(buf, 8), uint64(n))
}

func putInt4(buf []byte, n int32) []byte { return putWords(buf, 4, uint32(n)) }

func putTuple(buf []byte, t tuple) []byte {
	return binary.BigEndian.AppendUint16(putWords(buf, 6, t.BlockNumber), t.OffsetNumber)
}

func putBool(buf []byte, b bool) []byte {
	if b {
		return append(putWords(buf, 1), 1)
	}
	return append(putWords(buf, 1), 0)
}

func putFloat8(buf []byte, f float64) []byte { return putInt8(buf, int64(math.Float64bits(f))) }

// since2000 is where Postgres counts from, in seconds since 1970.
const since2000 = 946_684_800

func putTime(buf []byte, t time.Time) []byte {
	return putInt8(buf, t.UnixMicro()-since2000*1_000_000)
}

func putDate(buf []byte, t time.Time) []byte {
	y, m, d := t.Date()
	return putInt4(buf, int32((time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()-since2000)/86_400))
}
