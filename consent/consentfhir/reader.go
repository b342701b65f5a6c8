package consentfhir

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A reader reads JSON of a known shape token by token; nearly all of the time that answering a case takes is reading it. After the
// first error it reads nothing more. A null is what is absent; a value of another type than the one asked for is an error.
type reader struct {
	dec *jsontext.Decoder
	// whole is everything dec reads: texts are then parts of it. Where it is "" they are copies.
	whole string
	// noNulls says that null is no entry of a list.
	noNulls bool
	// filed says that a Consent is read which somebody filed: there, systems of codings count, and what modifies any element. Of
	// one in a case only the elements count that spec consent-cases lists, and codes alone.
	filed bool
	// modified says that something passed over changes the meaning of what stands around it.
	modified bool
	err      error
}

var (
	errType      = errors.New("has another JSON type")
	errNullEntry = errors.New("null is no entry")
)

// wrong makes the value last read an error.
func (r *reader) wrong(err error) {
	if r.err == nil {
		r.err = &json.SemanticError{JSONPointer: r.dec.StackPointer(), Err: err}
	}
}

// there reports whether the next value is none of null.
func (r *reader) there() bool { return r.err == nil && r.dec.PeekKind() != 'n' }

// value reads the next value, which holds until the next is read; of an error it is nil.
func (r *reader) value() jsontext.Value {
	if r.err != nil {
		return nil
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		r.err = err
		return nil
	}
	return v
}

// skip passes over the next value, which may be of any shape.
func (r *reader) skip() {
	if r.err == nil {
		r.err = r.dec.SkipValue()
	}
}

// opens reads the start of an object or list and reports whether one is there.
func (r *reader) opens(kind jsontext.Kind) bool {
	if r.err != nil {
		return false
	}
	switch r.dec.PeekKind() {
	case kind:
		_, r.err = r.dec.ReadToken()
		return r.err == nil
	case 'n':
		r.skip()
	default:
		if r.skip(); r.err == nil { // what is no JSON is that, and not of another type
			r.wrong(errType)
		}
	}
	return false
}

// more reports whether something follows before end, which it reads where nothing does.
func (r *reader) more(end jsontext.Kind) bool {
	if r.err != nil {
		return false
	}
	if r.dec.PeekKind() != end {
		return true
	}
	_, r.err = r.dec.ReadToken()
	return false
}

// members yields the name of each member of an object, whose value must then be read or skipped. The name holds until then.
func (r *reader) members(yield func(name []byte) bool) {
	if !r.opens('{') {
		return
	}
	for r.more('}') {
		name := r.value()
		if r.err != nil {
			return
		}
		text, escaped := unquoted(name)
		if escaped {
			text, r.err = jsontext.AppendUnquote(nil, name)
		}
		if r.err != nil || !yield(text) {
			return
		}
	}
}

// unquoted is what stands between the quotes of v, a string; escaped says that something there stands for something else.
func unquoted(v jsontext.Value) (_ []byte, escaped bool) {
	text := v[1 : len(v)-1]
	return text, bytes.IndexByte(text, '\\') >= 0
}

// text reads a string.
func (r *reader) text() string {
	v := r.value()
	switch v.Kind() {
	case '"':
		text, escaped := unquoted(v)
		if escaped {
			text, r.err = jsontext.AppendUnquote(nil, v)
			return string(text)
		}
		if r.whole != "" {
			end := int(r.dec.InputOffset()) - len(`"`)
			return r.whole[end-len(text) : end]
		}
		return string(text)
	case 'n', 0:
	default:
		r.wrong(errType)
	}
	return ""
}

// emptied is what an empty string is read as where "" is what is absent. FHIR has no empty strings, and of a case only null is
// absent: one that is there and empty is a value nobody knows.
//
// Source: FHIR R4 json.html (a string is never empty); spec consent-cases, "Case", 11, 12, 16 and 17.
const emptied = "(empty)"

// said is text, "" only where nothing is there.
func (r *reader) said() string {
	there := r.there()
	s := r.text()
	if s == "" && there && r.err == nil {
		return emptied
	}
	return s
}

// flag reads true or false.
func (r *reader) flag() bool {
	v := r.value()
	switch v.Kind() {
	case 't':
		return true
	case 'f', 'n', 0:
	default:
		r.wrong(errType)
	}
	return false
}

// number reads a number, which must be one that can be held.
func (r *reader) number() float64 {
	v := r.value()
	switch v.Kind() {
	case '0':
		n, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			r.wrong(errType)
		}
		return n
	case 'n', 0:
	default:
		r.wrong(errType)
	}
	return 0
}

// list reads a list whose entries read reads into place: nil where it is absent, and not where it is empty.
func list[T any](r *reader, read func(r *reader, out *T)) []T {
	if !r.opens('[') {
		return nil
	}
	out := []T{}
	for r.more(']') {
		if r.noNulls && !r.there() {
			if r.skip(); r.err == nil {
				r.wrong(errNullEntry)
			}
			return out
		}
		out = append(out, *new(T))
		read(r, &out[len(out)-1])
	}
	return out
}

// texts and saids read a list of what [reader.text] and [reader.said] read.
func texts[T ~string](r *reader) []T {
	return list(r, func(r *reader, out *T) { *out = T(r.text()) })
}

func saids[T ~string](r *reader) []T {
	return list(r, func(r *reader, out *T) { *out = T(r.said()) })
}

// values reads a list of values of any shape, which are kept.
func (r *reader) values() []jsontext.Value {
	if !r.opens('[') {
		return nil
	}
	var out []jsontext.Value
	for r.more(']') {
		out = append(out, r.value().Clone())
	}
	return out
}
