package locatorfhir

import (
	"testing"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// BenchmarkReady reads a DocumentReference and makes it ready for a store: what a bulk load spends on a line
// before the database.
func BenchmarkReady(b *testing.B) {
	n, err := directory.NewNetwork(1, []directory.Organization{{ID: "o", Name: "O", Identifier: "urn:o", Active: true}},
		[]directory.Site{{ID: "s", Org: "o", Name: "S", Authorities: []string{"urn:mrn"}, Zone: "America/New_York", Active: true, Membership: directory.Live, Endpoints: site.Endpoints}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	x := locator.New(nil, func() *directory.Network { return n }, hie.NewIDs(nil), nil)
	at, _ := n.Site("s")
	at.Endpoints[0].Protocol = "fhir-r4"
	text := encode(b, document())
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		p, err := ReadPublished(text, known)
		if err != nil {
			b.Fatal(err)
		}
		s, err := p.Submission(at, 7)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := x.Ready(hie.Actor{Organization: "o"}, s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkServe(b *testing.B) {
	p, err := Read(site, 7, encode(b, document()))
	if err != nil {
		b.Fatal(err)
	}
	p.Version = 1
	b.ReportAllocs()
	for b.Loop() {
		DocumentReference(p, Public{ID: "d", Patient: "p", URL: base + "/Binary/h"})
	}
}
