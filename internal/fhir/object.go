package fhir

import (
	"bytes"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// An Object is a JSON object whose members keep their order and their exact bytes, so that one of them can be
// replaced and the rest served as received. Paths are the names to follow from the object; a step into an
// array is not possible: edit the array's elements with [EditArray].
type Object struct {
	members []member
}

type member struct {
	name  string
	value jsontext.Value
}

// ParseObject reads data, which must be one JSON object. Errors are those of [Decode].
func ParseObject(data []byte) (Object, error) {
	var o Object
	d := jsontext.NewDecoder(bytes.NewReader(data))
	t, err := d.ReadToken()
	if err != nil || t.Kind() != '{' {
		return Object{}, asInvalid(data, err)
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return Object{}, asInvalid(data, err)
		}
		n := name.String()
		v, err := d.ReadValue()
		if err != nil {
			return Object{}, asInvalid(data, err)
		}
		o.members = append(o.members, member{name: n, value: v.Clone()})
	}
	return o, nil
}

// KnownObject reads data that was read by [ParseObject] or [Decode] before, as what is stored was: members are found, and
// neither their names nor their values are checked again. The object shares data's memory. Errors are *hie.InvalidError,
// for what is no object at all.
func KnownObject(data []byte) (Object, error) {
	o := Object{members: make([]member, 0, min(16, 3+len(data)/64))}
	if err := o.Know(data); err != nil {
		return Object{}, err
	}
	return o, nil
}

// Know makes o what [KnownObject] returns for data, in the memory o has. After an error o is empty.
func (o *Object) Know(data []byte) error {
	o.Clear()
	if !o.know(data) {
		o.Clear()
		return errDamaged
	}
	return nil
}

// Clear takes everything out of o, which keeps its memory and nothing of what it shared.
func (o *Object) Clear() {
	clear(o.members)
	o.members = o.members[:0]
}

func (o *Object) know(data []byte) bool {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '{' {
		return false
	}
	for i = skipSpace(data, i+1); i < len(data) && data[i] != '}'; {
		end := skipValue(data, i)
		if data[i] != '"' || end < 0 {
			return false
		}
		name, common := commonNames[string(data[i+1:end-1])]
		if !common {
			name = string(data[i+1 : end-1])
		}
		if strings.IndexByte(name, '\\') >= 0 {
			unquoted, err := jsontext.AppendUnquote(nil, data[i:end])
			if err != nil {
				return false
			}
			name = string(unquoted)
		}
		if i = skipSpace(data, end); i >= len(data) || data[i] != ':' {
			return false
		}
		i = skipSpace(data, i+1)
		if end = skipValue(data, i); end < 0 {
			return false
		}
		o.members = append(o.members, member{name: name, value: data[i:end:end]})
		if i = skipSpace(data, end); i < len(data) && data[i] == ',' {
			i = skipSpace(data, i+1)
		}
	}
	return i < len(data)
}

// commonNames are the members that most of what is served again has: their names need no memory of their own.
var commonNames = func() map[string]string {
	out := map[string]string{}
	for _, name := range []string{"resourceType", "id", "meta", "versionId", "lastUpdated", "profile", "extension", "identifier", "masterIdentifier", "status",
		"docStatus", "type", "category", "subject", "date", "author", "custodian", "description", "securityLabel", "relatesTo", "content", "attachment", "format",
		"contentType", "language", "url", "size", "hash", "title", "creation", "context", "text", "data"} {
		out[name] = name
	}
	return out
}()

var errDamaged = hie.Invalid("", "is not a JSON object")

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i, or -1 when there is none.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i); i < 0 {
				return -1
			}
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return -1
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ':', ' ', '\n', '\r', '\t':
		default: // a number or a name
			for i++; i < len(b) && !strings.ContainsRune(",:]} \n\r\t", rune(b[i])); i++ {
			}
			if depth == 0 {
				return i
			}
			continue
		}
		i++
	}
	return -1
}

// skipString returns the end of the string that begins at i, or -1 when it has none.
func skipString(b []byte, i int) int {
	for i++; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		escaped := false // by an odd number of backslashes
		for j := i + n - 1; j >= i && b[j] == '\\'; j-- {
			escaped = !escaped
		}
		if i += n + 1; !escaped {
			return i
		}
	}
}

// EditKnown is [EditArray] for an array of objects that was read before, as in [KnownObject].
func EditKnown(data jsontext.Value, edit func(i int, o *Object) error) (jsontext.Value, error) {
	var o Object
	return AppendKnown(make([]byte, 0, len(data)+256), data, &o, edit)
}

// AppendKnown is [EditKnown] that appends the array to out and has each element in turn in o. After an error what it returns
// is out with part of an array.
func AppendKnown(out []byte, data jsontext.Value, o *Object, edit func(i int, o *Object) error) ([]byte, error) {
	out = append(out, '[')
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '[' {
		return out, errDamaged
	}
	i = skipSpace(data, i+1)
	for n := 0; i < len(data) && data[i] != ']'; n++ {
		end := skipValue(data, i)
		if end < 0 {
			return out, errDamaged
		}
		if n > 0 {
			out = append(out, ',')
		}
		if data[i] == '{' {
			err := o.Know(data[i:end])
			if err == nil {
				err = edit(n, o)
			}
			if err != nil {
				return out, err
			}
			out = o.Append(out)
		} else {
			out = append(out, data[i:end]...)
		}
		if i = skipSpace(data, end); i < len(data) && data[i] == ',' {
			i = skipSpace(data, i+1)
		}
	}
	if i >= len(data) {
		return out, errDamaged
	}
	return append(out, ']'), nil
}

// Value returns the bytes of a member, nil when absent. The caller must not change them.
func (o Object) Value(name string) jsontext.Value {
	for _, m := range o.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// Members returns the names of the object's members in order.
func (o Object) Members() []string {
	out := make([]string, len(o.members))
	for i, m := range o.members {
		out[i] = m.name
	}
	return out
}

// Set replaces a member's value, or adds it: "id" and "meta" directly after resourceType, others at the end.
func (o *Object) Set(name string, value any) {
	var raw jsontext.Value
	switch v := value.(type) {
	case string:
		raw = quote(nil, v)
	case Object:
		raw = v.Bytes()
	case jsontext.Value:
		raw = v
	case Reference:
		if raw = v.plain(); raw == nil {
			raw = Encode(value)
		}
	default:
		raw = Encode(value)
	}
	o.SetRaw(name, raw)
}

// SetRaw is Set with a value that is JSON already. The object shares its memory.
func (o *Object) SetRaw(name string, raw jsontext.Value) {
	for i := range o.members {
		if o.members[i].name == name {
			o.members[i].value = raw
			return
		}
	}
	at := len(o.members)
	if (name == "id" || name == "meta") && at > 0 && o.members[0].name == "resourceType" {
		at = 1
		if name == "meta" && at < len(o.members) && o.members[1].name == "id" {
			at = 2
		}
	}
	o.members = slices.Insert(o.members, at, member{name: name, value: raw})
}

// Delete removes a member; an absent one is no error.
func (o *Object) Delete(name string) {
	for i := range o.members {
		if o.members[i].name == name {
			o.members = append(o.members[:i], o.members[i+1:]...)
			return
		}
	}
}

// Bytes returns the object as JSON.
func (o Object) Bytes() []byte {
	size := 2
	for _, m := range o.members {
		size += len(m.name) + len(m.value) + 4
	}
	return o.Append(make([]byte, 0, size))
}

// Append appends the object as JSON to b.
func (o Object) Append(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o.members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(quote(b, m.name), ':'), m.value...)
	}
	return append(b, '}')
}

// plain returns the JSON of a reference that is nothing but one, nil of any other.
func (r Reference) plain() jsontext.Value {
	if r.Reference == "" || r != (Reference{Reference: r.Reference}) {
		return nil
	}
	return AppendReference(make([]byte, 0, len(r.Reference)+18), r.Reference)
}

// AppendReference appends a Reference that is nothing but a reference, as JSON.
func AppendReference(b []byte, reference string) []byte {
	return append(quote(append(b, `{"reference":`...), reference), '}')
}

// AppendString appends s, which is UTF-8, as a JSON string.
func AppendString(b []byte, s string) []byte { return quote(b, s) }

// quote appends s as a JSON string.
func quote(b []byte, s string) []byte {
	if isPlain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	b, err := jsontext.AppendQuote(b, s)
	if err != nil { // what is no UTF-8 was refused when it was read
		panic("fhir: object: " + err.Error())
	}
	return b
}

// MarshalJSON makes an Object a JSON value, so that it can be nested with Set.
func (o Object) MarshalJSON() ([]byte, error) { return o.Bytes(), nil }

// EditArray applies edit to each object of a JSON array and returns the array; an element that is not an
// object is left as it is.
func EditArray(data jsontext.Value, edit func(i int, o *Object) error) (jsontext.Value, error) {
	var elements []jsontext.Value
	if err := json.Unmarshal(data, &elements); err != nil {
		return nil, asInvalid(data, err)
	}
	for i, e := range elements {
		if e.Kind() != '{' {
			continue
		}
		o, err := ParseObject(e)
		if err != nil {
			return nil, err
		}
		if err := edit(i, &o); err != nil {
			return nil, err
		}
		elements[i] = o.Bytes()
	}
	return Encode(elements), nil
}

// isPlain reports whether s stands in JSON as it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
