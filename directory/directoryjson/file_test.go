package directoryjson

import (
	"errors"
	"strings"
	"testing"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const sample = `{
  "organizations": [
    {"id": "mercy", "name": "Mercy Health", "identifier": "urn:org:mercy", "kind": "hospital", "jurisdiction": "US-MD"},
    {"id": "gone", "name": "Gone", "parent": "mercy", "identifier": "urn:org:gone", "active": false}
  ],
  "sites": [{"id": "mercy-main", "org": "mercy", "name": "Mercy Main", "authorities": ["urn:oid:1.1"], "zone": "America/New_York",
    "regimes": ["part2"], "labelled": true, "privilegedRoles": ["ed"], "publishes": true,
    "endpoints": [{"id": "mercy-fhir", "address": "https://mercy.example/fhir/", "capability": {"search": "patient.identifier"}}]}],
  "defaults": [{"network": true, "purposeClass": "TREAT", "category": "*", "rule": "basic-normal"}]
}`

func TestAFileIsReadWhole(t *testing.T) {
	f, err := Read([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	none, err := directory.NewNetwork(0, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if f, err = f.Enter(none); err != nil || f.Sites[0].Membership != directory.Joining {
		t.Fatalf("a site whose file does not say so is %q, %v; want joining", f.Sites[0].Membership, err)
	}
	if _, err := f.Network(1); err != nil {
		t.Fatal(err)
	}
	s := f.Sites[0]
	if !f.Organizations[0].Active || f.Organizations[1].Active || !s.Active {
		t.Error("active is true when left out and false when said")
	}
	if e := s.Endpoints[0]; e.Protocol != "fhir-r4" || e.Address != "https://mercy.example/fhir" || e.Capability["search"] != "patient.identifier" {
		t.Errorf("endpoint = %+v", e)
	}
	again, err := Read(Write(f))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(f, again, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("a file does not survive writing and reading (-was +is):\n%s", d)
	}
}

func TestAFileIsReadStrictly(t *testing.T) {
	for _, tt := range []struct{ name, old, new, path string }{
		{"an unknown member", `"labelled": true`, `"labeled": true`, "sites[0].labeled"},
		{"a wrong type", `"publishes": true`, `"publishes": "yes"`, "sites[0].publishes"},
		{"a wrong type in a list", `["part2"]`, `[2]`, "sites[0].regimes[0]"},
		{"a member twice", `"rule": "basic-normal"`, `"rule": "deny", "rule": "permit"`, "defaults[0].rule"},
		{"another case of a name", `"zone"`, `"Zone"`, "sites[0].Zone"},
		{"a second document", "}]\n}", "}]\n} {}", ""},
		{"half a document", "}]\n}", "}]", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(sample, tt.old, tt.new, 1)
			if text == sample {
				t.Fatal("the sample was not spoilt")
			}
			_, err := Read([]byte(text))
			if inv, ok := errors.AsType[*hie.InvalidError](err); !ok || inv.Path != tt.path {
				t.Errorf("err = %v, want an InvalidError at %q", err, tt.path)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Read(b)
		if err != nil {
			if _, ok := errors.AsType[*hie.InvalidError](err); !ok {
				t.Errorf("a file that cannot be read gives %T", err)
			}
			return
		}
		again, err := Read(Write(file))
		if err != nil {
			t.Fatalf("what was read cannot be read again once written: %v", err)
		}
		if d := cmp.Diff(file, again, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("writing changed it (-was +is):\n%s", d)
		}
	})
}
