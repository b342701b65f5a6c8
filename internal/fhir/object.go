package fhir

import (
	"bytes"

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
	raw := jsontext.Value(Encode(value))
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
	o.members = append(o.members[:at], append([]member{{name: name, value: raw}}, o.members[at:]...)...)
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
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o.members {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := jsontext.AppendQuote(nil, m.name)
		if err != nil { // a name that was read can be written
			panic("fhir: object: " + err.Error())
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
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
