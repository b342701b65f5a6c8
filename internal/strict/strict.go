// Package strict reads the JSON files that operators write (clients, directory, policy packs) to the letter: what the
// format does not have, or what stands there twice, is a mistake somebody wants to be told of.
package strict

import (
	"errors"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode reads data into v. An *hie.InvalidError names the place of the first fault under path ("sites[3].zone") and
// quotes no value: an unknown member, one that occurs twice, a wrong type, what is not JSON.
func Decode(path string, data []byte, v any) error {
	err := json.Unmarshal(data, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		rule := "has the wrong JSON type"
		if errors.Is(e.Err, json.ErrUnknownName) {
			rule = "is not a member of this format"
		}
		return hie.Invalid(place(path, e.JSONPointer), rule)
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		rule := "is not well-formed JSON"
		if errors.Is(e.Err, jsontext.ErrDuplicateName) {
			rule = "occurs twice in one object"
		}
		return hie.Invalid(place(path, e.JSONPointer), rule)
	}
	return hie.Invalid(path, "cannot be read as JSON")
}

// place writes /sites/3/zone under path as path.sites[3].zone.
func place(path string, p jsontext.Pointer) string {
	for token := range p.Tokens() {
		if token != "" && strings.Trim(token, "0123456789") == "" {
			path += "[" + token + "]"
		} else {
			path += "." + token
		}
	}
	return strings.TrimPrefix(path, ".")
}
