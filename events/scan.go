package events

import "bytes"

// Limits of one event's JSON.
const (
	MaxSize  = 256 << 10 // bytes of data
	MaxDepth = 32        // nested objects and arrays
)

// checkText refuses, before any parser sees it, JSON that is too large, nested
// too deeply, or that names a NUL character, which Postgres cannot store. It
// does not judge the syntax.
func checkText(doc []byte) *Error {
	if len(doc) > MaxSize {
		return refuse(CodeTooLarge, "", "%d bytes, at most %d are allowed", len(doc), MaxSize)
	}
	if bytes.IndexByte(doc, '\\') < 0 && bytes.Count(doc, []byte("{"))+bytes.Count(doc, []byte("[")) <= MaxDepth {
		return nil // as nearly always: nothing is escaped, and there is too little to be too deep
	}
	depth, inString := 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case inString && c == '\\':
			if bytes.HasPrefix(doc[i+1:], []byte("u0000")) {
				return refuse(CodeControlChar, "", "a string holds the character U+0000")
			}
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return refuse(CodeTooDeep, "", "nested deeper than %d", MaxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
