package fanout

import "time"

// Kind says what a field holds.
type Kind uint8

// The kinds of fields.
const (
	KindText   Kind = iota + 1
	KindTexts       // a list of texts
	KindNumber      // a whole number
	KindBoolean
	KindTime
	KindPlace // a longitude and a latitude
)

// Value is what a row has in a field. It refers to the row and costs no
// allocation.
type Value struct {
	kind  Kind
	known bool        // the row has the field
	text  string      // of a text
	n     int64       // the number; 1 for true; microseconds since 1970
	list  list        // of texts
	pos   *[2]float64 // longitude, latitude
}

// Kind says what the field holds, also where the row has none.
func (v Value) Kind() Kind { return v.kind }

// Text is the text of a [KindText]; "" where the row has none.
func (v Value) Text() string { return v.text }

// list is read where it stands.
type list interface {
	len() int
	at(i int) string
}

type listOf[T ~string] []T

func (l *listOf[T]) len() int { return len(*l) }

func (l *listOf[T]) at(i int) string { return string((*l)[i]) }

func text[T ~string](s T) Value {
	return Value{kind: KindText, known: s != "", text: string(s)}
}

func texts[T ~string](l *[]T) Value {
	return Value{kind: KindTexts, known: len(*l) > 0, list: (*listOf[T])(l)}
}

func number(n int64) Value { return Value{kind: KindNumber, known: true, n: n} }

func flag(b bool) Value {
	v := Value{kind: KindBoolean, known: true}
	if b {
		v.n = 1
	}
	return v
}

// instant is a time as the database keeps it, to the microsecond.
func instant(t time.Time) Value {
	return Value{kind: KindTime, known: !t.IsZero(), n: t.UnixMicro()}
}

func place(p *[2]float64) Value { return Value{kind: KindPlace, known: p != nil, pos: p} }

// each calls do with every text of the value, until it returns true, which each
// then returns too.
func (v Value) each(do func(string) bool) bool {
	if v.kind == KindText {
		return v.known && do(v.text)
	}
	if v.list == nil {
		return false
	}
	for i := range v.list.len() {
		if do(v.list.at(i)) {
			return true
		}
	}
	return false
}
