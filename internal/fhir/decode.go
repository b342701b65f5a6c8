package fhir

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/concord-hie/concord/hie"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth bounds how deeply received JSON may nest.
const MaxDepth = 64

// Decode reads data into v, a pointer to one of this package's structs. Duplicate members, invalid UTF-8,
// wrong types and wrong-case names are refused with an *hie.InvalidError whose path is the element's FHIRPath;
// members the struct does not name are ignored. v must not be used after an error.
func Decode(data []byte, v any) error {
	if err := checkDepth(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return asInvalid(data, err)
	}
	return nil
}

// ResourceType returns the resourceType of a JSON resource, or an *hie.InvalidError.
func ResourceType(data []byte) (string, error) {
	var h Header
	if err := Decode(data, &h); err != nil {
		return "", err
	}
	if h.ResourceType == "" {
		return "", hie.Required("resourceType")
	}
	return h.ResourceType, nil
}

// Encode writes v as JSON. It panics only for a type that cannot be JSON, which is a bug in this program. The resources of
// a Bundle must be JSON.
func Encode(v any) []byte {
	switch b := v.(type) {
	case Bundle:
		return encodeBundle(b)
	case *Bundle:
		return encodeBundle(*b)
	}
	return encode(v)
}

func encode(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic("fhir: encode: " + err.Error())
	}
	return b
}

func checkDepth(data []byte) error {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > MaxDepth {
				return hie.Invalid("", "is nested too deeply")
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}

// asInvalid turns a JSON error into one that names the place and quotes nothing.
func asInvalid(data []byte, err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return &hie.InvalidError{Path: expression(data, semantic.JSONPointer), Rule: "has the wrong JSON type", Code: "structure"}
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		rule := "is not well-formed JSON"
		if errors.Is(syntactic.Err, jsontext.ErrDuplicateName) {
			rule = "occurs twice in one object"
		}
		return &hie.InvalidError{Path: expression(data, syntactic.JSONPointer), Rule: rule, Code: "structure"}
	}
	return &hie.InvalidError{Rule: "cannot be read as JSON", Code: "structure"}
}

// expression turns a JSON pointer into FHIRPath: /content/0/format -> DocumentReference.content[0].format.
// A step that is no element this package knows (it may be anything a sender wrote) ends the path.
func expression(data []byte, p jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString(rootType(data))
	for token := range p.Tokens() {
		switch {
		case token != "" && strings.Trim(token, "0123456789") == "":
			b.WriteString("[" + token + "]")
		case elements()[token]:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(token)
		default:
			return b.String()
		}
	}
	return b.String()
}

// rootType peeks at a resource's type even when the rest of it cannot be read.
func rootType(data []byte) string {
	d := jsontext.NewDecoder(strings.NewReader(string(data)), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return ""
	}
	for {
		name, err := d.ReadToken()
		if err != nil || name.Kind() != '"' {
			return ""
		}
		isType := name.String() == "resourceType"
		if !isType {
			if err := d.SkipValue(); err != nil {
				return ""
			}
			continue
		}
		if t, err := d.ReadToken(); err == nil && t.Kind() == '"' && slices.Contains(resourceTypes, t.String()) {
			return t.String()
		}
		return ""
	}
}

// resourceTypes are the types an error may name; another may be anything a sender wrote.
var resourceTypes = []string{"AuditEvent", "Binary", "Bundle", "Consent", "DocumentReference", "Endpoint", "List", "OperationOutcome",
	"Organization", "Parameters", "Patient"}

// elements are the names of all elements this package's structs have: what an error may name.
var elements = sync.OnceValue(func() map[string]bool {
	names, seen := map[string]bool{}, map[reflect.Type]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			return
		}
		seen[t] = true
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names[name] = true
			walk(f.Type)
		}
	}
	for _, t := range []reflect.Type{reflect.TypeFor[Bundle](), reflect.TypeFor[Parameters](), reflect.TypeFor[Header](), reflect.TypeFor[Patient](),
		reflect.TypeFor[DocumentReference](), reflect.TypeFor[List](), reflect.TypeFor[Consent]()} {
		walk(t)
	}
	return names
})
