package locatortest

import (
	"context"
	"crypto/sha1"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// General and Clinic are two organisations with a site each, G1 (which labels its documents) and C1.
var (
	General = hie.Actor{Organization: "general", Client: "general-emr"}
	Clinic  = hie.Actor{Organization: "clinic", Client: "clinic-emr"}
)

// Network returns the directory of General and Clinic.
func Network(t testing.TB) func() *directory.Network {
	t.Helper()
	n, err := directory.NewNetwork(1,
		[]directory.Organization{
			{ID: "general", Name: "General", Identifier: "urn:org:general", Active: true},
			{ID: "ward", Parent: "general", Name: "Ward", Identifier: "urn:org:ward", Active: true},
			{ID: "clinic", Name: "Clinic", Identifier: "urn:org:clinic", Active: true}},
		[]directory.Site{
			{ID: "g1", Org: "general", Name: "G1", Authorities: []string{"urn:g1"}, Zone: "UTC", Labelled: true, Active: true, Membership: directory.Live, Publishes: true,
				Endpoints: []directory.Endpoint{{ID: "g1e", Protocol: "fhir-r4", Address: "https://g1.example.org/fhir"}}},
			{ID: "c1", Org: "clinic", Name: "C1", Authorities: []string{"urn:c1"}, Zone: "UTC", Active: true, Membership: directory.Live, Publishes: true,
				Endpoints: []directory.Endpoint{{ID: "c1e", Protocol: "fhir-r4", Address: "https://c1.example.org/fhir"}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() *directory.Network { return n }
}

// A Fixture is an Index over a store, with a clock that moves by a microsecond at each look.
type Fixture struct {
	*locator.Index
	Store locator.Store
}

// New returns a Fixture over store.
func New(t testing.TB, store locator.Store) Fixture {
	t.Helper()
	now := &atomic.Int64{}
	now.Store(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).UnixMicro())
	return Fixture{Store: store, Index: locator.New(store, Network(t), hie.NewIDs(nil), func() time.Time { return time.UnixMicro(now.Add(1)).UTC() })}
}

// SHA1 returns the hash of content.
func SHA1(content string) []byte {
	h := sha1.Sum([]byte(content))
	return h[:]
}

// Doc returns a submission to General's site G1 under uid, written on day of 2026.
func Doc(record hie.SourcePatientID, uid string, day int, change ...func(*locator.Pointer)) locator.Submission {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day)
	p := locator.Pointer{Record: record, Site: "g1", Status: locator.Current, MasterIdentifier: hie.Identifier{System: "urn:ietf:rfc:3986", Value: uid},
		Types: []hie.Coding{{System: "http://loinc.org", Code: "34133-9"}}, Categories: []hie.Coding{{System: "urn:cat", Code: "clinical-note"}},
		Date: locator.Span{Start: at, End: at.Add(time.Second)}, ContentType: "application/pdf", Size: 3, Hash: SHA1(uid),
		Location: locator.Location{Site: "g1", Endpoint: "g1e", Path: "Binary/" + uid}, Received: []byte(`{"resourceType":"DocumentReference"}`)}
	for _, c := range change {
		c(&p)
	}
	return locator.Submission{Pointer: p, Path: "DocumentReference"}
}

// Category gives a document one category.
func Category(code string) func(*locator.Pointer) {
	return func(p *locator.Pointer) { p.Categories = []hie.Coding{{System: "urn:cat", Code: code}} }
}

// Relation adds a relation to a stored document.
func Relation(code string, target locator.Ref) func(*locator.Pointer) {
	return func(p *locator.Pointer) {
		p.Relations = append(p.Relations, locator.Relation{Code: code, Target: target})
	}
}

// MustPublish publishes as General.
func (f Fixture) MustPublish(t testing.TB, subs ...locator.Submission) []locator.Published {
	t.Helper()
	done, err := f.Publish(context.Background(), General, subs)
	if err != nil {
		t.Fatalf("Publish = %v", err)
	}
	return done
}

// Everything is a plan that permits all kinds there are.
func (f Fixture) Everything(t testing.TB, records ...hie.SourcePatientID) []locator.Plan {
	t.Helper()
	present, err := f.Presence(context.Background(), records)
	if err != nil {
		t.Fatal(err)
	}
	var plans []locator.Plan
	for _, r := range records {
		plan := locator.Plan{Record: r}
		for _, p := range present {
			if p.Record == r {
				plan.Kinds = append(plan.Kinds, p.Kind.ID)
			}
		}
		plans = append(plans, plan)
	}
	return plans
}

// All returns everything f finds, page by page.
func (f Fixture) All(t testing.TB, filter locator.Filter, plans []locator.Plan, size int) []locator.Pointer {
	t.Helper()
	var out []locator.Pointer
	cursor := locator.Cursor{}
	for {
		page, err := f.Find(context.Background(), filter, plans, cursor, size)
		if err != nil {
			t.Fatalf("Find = %v", err)
		}
		out = append(out, page.Pointers...)
		if !page.More {
			return out
		}
		cursor = page.Next
	}
}

func detailOf(t *testing.T, err error) string {
	t.Helper()
	var inv *hie.InvalidError
	if !errors.As(err, &inv) {
		return ""
	}
	return inv.Detail
}
