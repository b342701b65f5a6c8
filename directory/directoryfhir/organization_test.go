package directoryfhir

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheDirectoryAsFHIR(t *testing.T) {
	site := directory.Site{ID: "mercy-main", Org: "mercy", Name: "Mercy Main", Authorities: []string{"urn:oid:1.1", "http://mercy.example/mrn"},
		Zone: "America/New_York", Active: true, Membership: directory.Live, Endpoints: []directory.Endpoint{{ID: "mercy-fhir", Protocol: "fhir-r4", Address: "https://mercy.example/fhir"}}}
	closed := site
	closed.Active = false
	for _, tt := range []struct {
		golden   string
		resource any
	}{
		{"organization.json", Organization(directory.Organization{ID: "mercy", Name: "Mercy Health", Identifier: "urn:org:mercy", Kind: "hospital", Active: true})},
		{"organization-unit.json", Organization(directory.Organization{ID: "shelter", Name: "Shelter", Parent: "city", Identifier: "urn:org:shelter", Kind: "housing-agency"})},
		{"site.json", Site(site)},
		{"endpoint.json", Endpoint(site, site.Endpoints[0])},
		{"endpoint-closed.json", Endpoint(closed, site.Endpoints[0])},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			got := jsontext.Value(fhir.Encode(tt.resource))
			if err := got.Indent(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", tt.golden)
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)+"\n"); d != "" {
				t.Errorf("(-golden +got)\n%s", d)
			}
		})
	}
}
