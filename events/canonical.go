package events

import (
	"bytes"
	"unicode/utf8"
)

// canonicalize writes the canonical form (RFC 8785) of a JSON document to room,
// which has twice the document's length, and returns how long it is; or reports
// false when the document is not a plain one. Plain are texts without escapes,
// names in ASCII, numbers of few digits and objects with few members, as nearly
// all events have them. What it writes is what [jsontext.Value.Canonicalize]
// makes of the document, at a third of the cost; whatever is not plain, or no
// JSON, is left to that.
func canonicalize(room, doc []byte) (int, bool) {
	c := canonical{doc: doc, room: room}
	ok := c.value(0) && c.next() == 0 && c.at == len(doc)
	return c.size, ok
}

// canonical is a walk through a document. Its methods report whether what they
// found is plain. The room is never replaced, so that it can be on the stack.
type canonical struct {
	doc  []byte
	at   int
	room []byte // the first size bytes are written
	size int
}

// member is where in the output a member of an object lies. Its name is between
// quotes.
type member struct{ begin, colon, end int }

const (
	plainMembers = 32
	plainDepth   = 8
	plainDigits  = 15 // any decimal of so many is the shortest that names its float64
)

// next skips white space and returns the byte behind it, or 0 at the end.
func (c *canonical) next() byte {
	for ; c.at < len(c.doc); c.at++ {
		switch b := c.doc[c.at]; b {
		case ' ', '\t', '\n', '\r':
		default:
			return b
		}
	}
	return 0
}

// take copies the next n bytes.
func (c *canonical) take(n int) {
	c.size += copy(c.room[c.size:], c.doc[c.at:c.at+n])
	c.at += n
}

func (c *canonical) value(depth int) bool {
	switch c.next() {
	case '{':
		return depth < plainDepth && c.object(depth+1)
	case '[':
		return depth < plainDepth && c.array(depth+1)
	case '"':
		return c.text(false)
	case 't':
		return c.literal("true")
	case 'f':
		return c.literal("false")
	case 'n':
		return c.literal("null")
	default:
		return c.number()
	}
}

func (c *canonical) array(depth int) bool {
	c.take(1)
	if c.next() == ']' {
		c.take(1)
		return true
	}
	for c.value(depth) {
		switch c.next() {
		case ',':
			c.take(1)
		case ']':
			c.take(1)
			return true
		default:
			return false
		}
	}
	return false
}

// object writes the members as they come, and sorts them then.
func (c *canonical) object(depth int) bool {
	c.take(1)
	if c.next() == '}' {
		c.take(1)
		return true
	}
	var members [plainMembers]member
	for n := range members {
		if !c.member(&members[n], depth) {
			return false
		}
		switch c.next() {
		case ',':
			c.take(1)
		case '}':
			ok := c.sort(members[:n+1])
			c.take(1)
			return ok
		default:
			return false
		}
	}
	return false
}

func (c *canonical) member(m *member, depth int) bool {
	m.begin = c.size
	if c.next() != '"' || !c.text(true) || c.next() != ':' {
		return false
	}
	m.colon = c.size
	c.take(1)
	if !c.value(depth) {
		return false
	}
	m.end = c.size
	return true
}

// sort brings the members, which are the end of the output, into the order of
// their names. For ASCII that is the order of bytes. No two may be the same.
func (c *canonical) sort(members []member) bool {
	begin, moved := members[0].begin, false
	for i, m := range members {
		name := c.name(m)
		for ; i > 0; i-- {
			order := bytes.Compare(c.name(members[i-1]), name)
			if order == 0 {
				return false
			}
			if order < 0 {
				break
			}
			members[i], moved = members[i-1], true
		}
		members[i] = m
	}
	if !moved {
		return true
	}
	end := c.size
	for i, m := range members {
		if i > 0 {
			c.room[end] = ','
			end++
		}
		end += copy(c.room[end:], c.room[m.begin:m.end])
	}
	copy(c.room[begin:], c.room[c.size:end])
	return true
}

func (c *canonical) name(m member) []byte { return c.room[m.begin+1 : m.colon-1] }

// text takes a string that is written as it reads.
func (c *canonical) text(ascii bool) bool {
	n := bytes.IndexByte(c.doc[c.at+1:], '"')
	if n < 0 {
		return false
	}
	content, all := c.doc[c.at+1:c.at+1+n], byte(0)
	for _, b := range content {
		if b < ' ' || b == '\\' {
			return false
		}
		all |= b
	}
	if all >= utf8.RuneSelf && (ascii || !utf8.Valid(content)) {
		return false
	}
	c.take(n + 2)
	return true
}

func (c *canonical) literal(word string) bool {
	if !bytes.HasPrefix(c.doc[c.at:], []byte(word)) {
		return false
	}
	c.take(len(word))
	return true
}

// number takes a number without an exponent that has few digits, no zeros that
// it could do without, and is not so small that it would get an exponent.
func (c *canonical) number() bool {
	rest := c.doc[c.at:]
	sign := 0
	if len(rest) > 0 && rest[0] == '-' {
		sign = 1
	}
	whole := digits(rest[sign:])
	zero := whole == 1 && rest[sign] == '0'
	if whole == 0 || whole > plainDigits || whole > 1 && rest[sign] == '0' {
		return false
	}
	n := sign + whole
	if n == len(rest) || rest[n] != '.' {
		c.take(n)
		return !(zero && sign == 1)
	}
	fraction := rest[n+1:]
	fraction = fraction[:digits(fraction)]
	most := len(fraction)
	if most == 0 || whole+most > plainDigits || fraction[most-1] == '0' || zero && fraction[0] == '0' {
		return false
	}
	c.take(n + 1 + most)
	return true
}

// digits counts the digits that text begins with.
func digits(text []byte) int {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return n
}
