package gateway

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// flaw says why a frame cannot be read, naming the field where there is one. It
// says nothing of what the field holds, which may be a token.
func flaw(err error) string {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(e.Err, jsontext.ErrDuplicateName) {
		return fmt.Sprintf("the field %s stands twice", field(e.JSONPointer))
	}
	e, ok := errors.AsType[*json.SemanticError](err)
	switch {
	case !ok:
		return "the frame is not JSON"
	case e.JSONPointer == "":
		return "the frame is not a JSON object"
	case errors.Is(e.Err, json.ErrUnknownName):
		return fmt.Sprintf("there is no field %s", field(e.JSONPointer))
	}
	return fmt.Sprintf("the field %s has the wrong type", field(e.JSONPointer))
}

// mostField is how many bytes of a field's name are repeated to the client.
const mostField = 48

func field(at jsontext.Pointer) string {
	name := strings.TrimPrefix(string(at), "/")
	if short := cut(name, mostField); short != name {
		name = short + "…"
	}
	return fmt.Sprintf("%q", name)
}

// cut is as much of a text as n bytes hold in whole characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
