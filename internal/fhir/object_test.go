package fhir

import (
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// What the strict reader took, the quick one must find again, member by member and byte by byte.
func FuzzKnownObjectFindsWhatWasRead(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, ` { "a" : [ {"b":"]}\\\""} , 2.5e3 ] , "c\u0064" : null }`, `{"":"","x":{"y":[]},"z":true}`, `{"a":"\\\\","b":[[],[[1]]]}`, `[]`, `{"a"`, `{"a":}`, `{"a":"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		known, knownErr := KnownObject(data)
		read, err := ParseObject(data)
		if err != nil {
			return // KnownObject is not for this; it must only not panic
		}
		if knownErr != nil {
			t.Fatalf("an object that can be read is not known again: %v", knownErr)
		}
		if !slices.EqualFunc(known.members, read.members, func(a, b member) bool { return a.name == b.name && string(a.value) == string(b.value) }) {
			t.Errorf("known %q, read %q", known.Bytes(), read.Bytes())
		}
		for _, m := range read.members {
			if m.value.Kind() != '[' {
				continue
			}
			a, errA := EditKnown(m.value, func(_ int, o *Object) error { o.Set("x", "y"); return nil })
			b, errB := EditArray(m.value, func(_ int, o *Object) error { o.Set("x", "y"); return nil })
			if errA != nil || errB != nil || string(compact(t, a)) != string(compact(t, b)) {
				t.Errorf("edited %s (%v), want %s (%v)", a, errA, b, errB)
			}
		}
	})
}

// What is written without the encoder is what the encoder would have written.
func TestAMemberIsWrittenAsTheEncoderWould(t *testing.T) {
	for _, v := range []string{"", "plain", `a "quoted" \ back`, "tab\tand\nline", "é €\u2028 \x7f", "<a href='x'>&"} {
		ref := Reference{Reference: v}
		for _, value := range []any{v, ref, Reference{Reference: v, Type: "Patient"}, Reference{Reference: v, Display: v}, Reference{Display: v},
			Reference{Reference: v, Identifier: &Identifier{Value: "1"}}} {
			var o Object
			o.Set("a", value)
			if got, want := string(o.Bytes()), `{"a":`+string(encode(value))+`}`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
	o, err := KnownObject([]byte(`{"resourceType":"X","b":1}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"z", "meta", "id", "b"} {
		o.Set(name, name)
	}
	if got, want := string(o.Bytes()), `{"resourceType":"X","id":"id","meta":"meta","b":"b","z":"z"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A Bundle written entry by entry is the one the encoder would have written.
func TestABundleIsWrittenAsItsStructSays(t *testing.T) {
	three, score := 3, .5
	for _, b := range []Bundle{
		{ResourceType: "Bundle", Type: "searchset"},
		{ResourceType: "Bundle", ID: "i", Type: "searchset", Total: &three, Link: []BundleLink{{"self", "https://x/?a=<b>&c"}}, Entry: []BundleEntry{
			{},
			{FullURL: "urn:\"quoted\"", Resource: jsontext.Value(`{"resourceType":"X","a":[1,"\\u00e9"]}`), Search: &BundleSearch{Mode: "match"}},
			{Search: &BundleSearch{Mode: "match", Score: &score, Extension: []Extension{{URL: "u", ValueCode: "c"}}}},
			{Resource: jsontext.Value(`{"resourceType":"X"}`), Search: &BundleSearch{Mode: "outcome"}, Request: &BundleRequest{Method: "POST", URL: "X"}},
			{Response: &BundleResponse{Status: "201", Outcome: jsontext.Value(`{"a":1}`)}},
		}},
	} {
		if got, want := string(Encode(b)), string(encode(b)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got, want := string(Encode(&b)), string(encode(b)); got != want {
			t.Errorf("by pointer: %s", got)
		}
	}
}

func compact(t *testing.T, v jsontext.Value) jsontext.Value {
	t.Helper()
	out := v.Clone()
	if err := out.Compact(); err != nil {
		t.Fatal(err)
	}
	return out
}
