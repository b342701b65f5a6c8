package locator

import (
	"testing"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

func codings(system string, codes ...string) []hie.Coding {
	var out []hie.Coding
	for _, c := range codes {
		out = append(out, hie.Coding{System: system, Code: c})
	}
	return out
}

func TestNoPointerAimsElsewhere(t *testing.T) {
	site := directory.Site{ID: "s", Endpoints: []directory.Endpoint{
		{ID: "e1", Address: "https://fhir.example.org/r4"}, {ID: "e2", Address: "http://10.0.0.5:8080/base"}}, Membership: directory.Live}
	for _, tt := range []struct {
		url, endpoint, path string
		ok                  bool
	}{
		{"https://fhir.example.org/r4/Binary/1", "e1", "Binary/1", true},
		{"https://FHIR.example.org:443/r4/Binary/1?x=1", "e1", "Binary/1?x=1", true},
		{"https://fhir.example.org/files/1.pdf", "e1", "/files/1.pdf", true},
		{"http://10.0.0.5:8080/base/Binary/2", "e2", "Binary/2", true},
		{"Binary/3", "e1", "Binary/3", true},
		{"https://evil.example.org/r4/Binary/1", "", "", false},
		{"https://fhir.example.org.evil.org/r4/Binary/1", "", "", false},
		{"https://fhir.example.org@evil.org/r4/Binary/1", "", "", false},
		{"https://user@fhir.example.org/r4/Binary/1", "", "", false},
		{"http://fhir.example.org/r4/Binary/1", "", "", false},
		{"https://fhir.example.org:8443/r4/Binary/1", "", "", false},
		{"http://10.0.0.5/base/Binary/2", "", "", false},
		{"//evil.example.org/x", "", "", false},
		{"/etc/passwd", "", "", false},
		{"../admin", "", "", false},
		{"Binary/../../admin", "", "", false},
		{"Binary/%2e%2e/%2e%2e/admin", "", "", false},
		{"Binary%2f..%2fadmin", "", "", false},
		{"Binary\\1", "", "", false},
		{"file:///etc/passwd", "", "", false},
		{"urn:uuid:7d5bb8ac-68ee-4926-85e7-b8aac8e1f09d", "", "", false},
		{"data:text/plain;base64,AAAA", "", "", false},
		{"javascript:alert(1)", "", "", false},
		{"Binary/1#x", "", "", false},
		{"https://fhir.example.org/r4/", "", "", false},
		{"https://fhir.example.org", "", "", false},
		{"https://fhir.example.org/r4/Binary//1", "", "", false},
		{"Binary/1 ", "", "", false},
		{"", "", "", false},
		{".", "", "", false},
		{"?x", "", "", false},
	} {
		l, ok := Locate(site, tt.url)
		if ok != tt.ok || l.Endpoint != tt.endpoint || l.Path != tt.path {
			t.Errorf("%q = %+v %v, want %s %s %v", tt.url, l, ok, tt.endpoint, tt.path, tt.ok)
		}
	}
	if _, ok := Locate(directory.Site{}, "Binary/1"); ok {
		t.Error("a site without endpoints has no addresses")
	}
}

func FuzzLocate(f *testing.F) {
	n, err := directory.NewNetwork(1, []directory.Organization{{ID: "o", Name: "O", Identifier: "urn:o"}},
		[]directory.Site{{ID: "s", Org: "o", Name: "S", Authorities: []string{"urn:s"}, Zone: "UTC",
			Endpoints: []directory.Endpoint{{ID: "e", Protocol: "fhir-r4", Address: "https://fhir.example.org/r4"}}, Membership: directory.Live}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	site, _ := n.Site("s")
	for _, s := range []string{"https://fhir.example.org/r4/Binary/1?a=b", "Binary/1", "https://fhir.example.org/x", "//evil/x", "..", "https://fhir.example.org@evil/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		l, ok := Locate(site, raw)
		if !ok {
			return
		}
		address, ok := Address(n, l)
		if !ok {
			t.Fatalf("a location without address")
		}
		if len(address) > maxURL {
			return // the endpoint's address made it longer
		}
		again, ok := Locate(site, address)
		if !ok || again != l {
			t.Errorf("an address does not lead back to its location")
		}
	})
}
