package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
)

// trailDoors are doors over a real trail with a network organisation, a patient with two records and one strange record.
type trailDoors struct {
	*doors
	trail      *auditpg.Log
	index      *scripted
	mine, also hie.SourcePatientID
	tentative  hie.SourcePatientID
	strange    hie.SourcePatientID
	now        time.Time
}

func newTrailDoors(t *testing.T) *trailDoors {
	t.Helper()
	x := newScripted()
	d := &trailDoors{trail: auditpg.New(pgtest.DB(t)), index: x, now: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)}
	d.mine = x.add(1, "mercy-main", redSystem, "m-1", "Zyxquill")
	d.also = x.add(1, "oak-street", blueSystem, "o-1", "Zyxquill")
	d.tentative = x.add(1, "oak-street", blueSystem, "o-2", "Zyxquill")
	x.links[d.tentative] = hie.LinkTentative
	d.strange = x.add(2, "mercy-main", redSystem, "m-2", "Vraggemont")
	f := testFile()
	f.Organizations = append(f.Organizations, directory.Organization{ID: "network", Name: "The Exchange", Identifier: "urn:org:network", Kind: "network", Active: true})
	n, err := f.Network(1)
	if err != nil {
		t.Fatal(err)
	}
	d.doors = newDoors(t, func(deps *Deps) {
		deps.Network = func() *directory.Network { return n }
		deps.Patients, deps.Audit, deps.Trail = resolving{x}, d.trail, d.trail
		deps.Now = func() time.Time { return d.now.Add(time.Hour) }
		deps.Verify = func(_ context.Context, p access.Presented) (hie.Actor, error) {
			token := p.Token
			a := hie.Actor{Client: hie.ClientID(token), User: token, Scopes: []string{"system/AuditEvent.rs"}}
			switch token {
			case "network-auditor":
				a.Organization, a.Roles = "network", []string{hie.RoleAuditor}
			case "mercy-officer":
				a.Organization, a.Roles = "mercy", []string{hie.RolePrivacyOfficer}
			case "physician":
				a.Organization, a.Roles = "mercy", []string{"physician"}
			case "patient":
				a.Organization, a.Roles, a.Patient = "network", []string{hie.RolePatient}, d.mine
			case "unscoped":
				a.Organization, a.Roles, a.Scopes = "network", []string{hie.RoleAuditor}, []string{"system/Patient.rs"}
			default:
				return hie.Actor{}, hie.ErrUnauthenticated
			}
			return a, nil
		}
	})
	return d
}

// record writes an event i minutes after the hour and returns its id.
func (d *trailDoors) record(i int, kind audit.Kind, org hie.OrgID, records ...hie.SourcePatientID) string {
	d.Helper()
	e := audit.NewEvent(kind, hie.Actor{Organization: org, Client: "emr", User: "u1", UserName: "Dr Grey", Purposes: []hie.Purpose{"TREAT"}, Address: "192.0.2.1"},
		d.now.Add(time.Duration(i)*time.Minute)).About(records...)
	e.Query, e.Classes, e.Reasons = "patient.identifier=urn:x|Qworbstle", []string{"11506-3"}, []string{"DEFAULT"}
	if err := d.trail.Record(context.Background(), e); err != nil {
		d.Fatal(err)
	}
	return e.ID
}

// ids returns the ids of a searchset, in its order.
func (d *trailDoors) ids(path, token string) []string {
	d.Helper()
	b := d.bundle(d.get(path, token), http.StatusOK)
	out := []string{}
	for _, e := range b.Entry {
		var r fhir.AuditEvent
		if err := fhir.Decode(e.Resource, &r); err == nil && r.ResourceType == "AuditEvent" {
			out = append(out, r.ID)
		}
	}
	return out
}

func TestWhoMaySearchTheTrailAndWhatTheyFind(t *testing.T) {
	d := newTrailDoors(t)
	mine := d.record(1, audit.DocumentsQueried, "oak", d.mine, d.also)
	ours := d.record(2, audit.Disclosed, "mercy-heart", d.mine)
	strange := d.record(3, audit.Refused, "mercy", d.strange)
	nobody := d.record(4, audit.SignInFailed, "oak")
	perhaps := d.record(5, audit.Disclosed, "oak", d.tentative)
	decision := d.record(6, audit.Decision, "oak", d.mine)
	day := "/fhir/AuditEvent?date=2026-03-01"
	patient := func(r hie.SourcePatientID) string { return "&patient=Patient/" + d.server.patientID(r) }
	for _, tt := range []struct {
		name, token, path string
		want              []string
	}{
		{"an auditor of the network finds all, newest first", "network-auditor", day, []string{decision, perhaps, nobody, strange, ours, mine}},
		{"a privacy officer finds what their organisation and its units did", "mercy-officer", day, []string{strange, ours}},
		{"a strange organisation's acts are not theirs to ask for", "mercy-officer", day + "&agent=Organization/oak", []string{}},
		{"by organisation", "network-auditor", day + "&agent=Organization/mercy", []string{strange}},
		{"by patient: the whole person", "network-auditor", day + patient(d.also), []string{decision, perhaps, ours, mine}},
		{"by identifier", "network-auditor", day + "&patient.identifier=" + url.QueryEscape(redSystem+"|m-2"), []string{strange}},
		{"by an unknown patient: nothing, like a patient without events", "network-auditor", day + "&patient=nobody", []string{}},
		{"by type", "network-auditor", day + "&type=110106", []string{perhaps, ours}},
		{"by kind", "network-auditor", day + "&subtype=refused", []string{strange}},
		{"by time", "network-auditor", "/fhir/AuditEvent?date=ge2026-03-01T10:02:00Z&date=lt2026-03-01T10:04:00Z", []string{strange, ours}},
		{"by user", "network-auditor", day + "&altid=nobody", []string{}},
		{"by outcome", "network-auditor", day + "&outcome=4", []string{}},
		{"a patient finds their own history, without machinery, without what is theirs only perhaps", "patient", "/fhir/AuditEvent", []string{ours, mine}},
		{"a patient who names another finds their own", "patient", "/fhir/AuditEvent?patient=Patient/" + d.server.patientID(d.strange), []string{ours, mine}},
		{"a patient may ask for one kind", "patient", "/fhir/AuditEvent?type=110106", []string{ours}},
		{"a patient who asks for machinery finds none", "patient", "/fhir/AuditEvent?type=110113", []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := d.ids(tt.path, tt.token)
			// Looks recorded by the rows before are AuditRead events an hour later; they are not what is asked here.
			got = slices.DeleteFunc(got, func(id string) bool {
				e, err := d.trail.Event(context.Background(), id)
				return err == nil && e.Kind == audit.AuditRead
			})
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, token, path, code, expression string }{
		{"a physician", "physician", day, "forbidden", ""},
		{"a token without the scope", "unscoped", day, "forbidden", ""},
	} {
		t.Run(tt.name+" is refused", func(t *testing.T) { d.refused(d.get(tt.path, tt.token), http.StatusForbidden, tt.code, tt.expression) })
	}
	d.refused(d.get("/fhir/AuditEvent", "network-auditor"), http.StatusBadRequest, "required", "date")
	d.refused(d.get("/fhir/AuditEvent?date=Zyxquill", "network-auditor"), http.StatusBadRequest, "value", "date")
	d.refused(d.do(http.MethodGet, day+"&foo=1", "network-auditor", nil, "Prefer", "handling=strict"), http.StatusBadRequest, "not-supported", "foo")
	d.refused(d.get(day+"&_summary=count", "network-auditor"), http.StatusBadRequest, "not-supported", "_summary")

	form := d.do(http.MethodPost, "/fhir/AuditEvent/_search", "network-auditor", []byte("date=2026-03-01&subtype=refused"), "Content-Type", "application/x-www-form-urlencoded")
	if b := d.bundle(form, http.StatusOK); len(b.Entry) != 1 {
		t.Errorf("form POST found %d, want 1", len(b.Entry))
	}
	d.refused(d.get("/fhir/AuditEvent/"+mine, "mercy-officer"), http.StatusNotFound, "not-found", "")
	d.refused(d.get("/fhir/AuditEvent/"+strange, "patient"), http.StatusNotFound, "not-found", "")
	d.refused(d.get("/fhir/AuditEvent/"+decision, "patient"), http.StatusNotFound, "not-found", "")
	if a, b := d.get("/fhir/AuditEvent/"+strange, "patient").Body.String(), d.get("/fhir/AuditEvent/019caa0c-8a7b-7000-8000-00000000ffff", "patient").Body.String(); a != b {
		t.Errorf("somebody else's event and an unknown one are told apart")
	}
	if r := d.get("/fhir/AuditEvent/"+ours, "mercy-officer"); r.Code != http.StatusOK {
		t.Errorf("reading one's own: %d", r.Code)
	}
}

func TestAPatientIsShownWhoAndWhatForAndNoMachinery(t *testing.T) {
	d := newTrailDoors(t)
	id := d.record(1, audit.DocumentsQueried, "oak", d.mine, d.strange)
	r := d.get("/fhir/AuditEvent/"+id, "patient")
	body := r.Body.String()
	for _, want := range []string{"Oak Street Practice", "Dr Grey", `"TREAT"`, `"outcome":"0"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not shown", want)
		}
	}
	for _, hidden := range []string{"DEFAULT", "Qworbstle", "192.0.2.1", d.server.patientID(d.strange), `"emr"`} {
		if strings.Contains(body, hidden) {
			t.Errorf("%s is shown", hidden)
		}
	}
}

func TestPagesOfTheTrailFollowOneAnother(t *testing.T) {
	d := newTrailDoors(t)
	var want []string
	for i := range 7 {
		want = append([]string{d.record(i, audit.Disclosed, "oak", d.mine)}, want...)
	}
	path := "/fhir/AuditEvent?date=ge2026-03-01&date=lt2026-03-01T11:00:00Z&_count=3&patient.identifier=" + url.QueryEscape(redSystem+"|m-1")
	var got []string
	var next string
	for range 4 {
		b := d.bundle(d.get(path, "network-auditor"), http.StatusOK)
		for _, e := range b.Entry {
			got = append(got, e.FullURL[strings.LastIndexByte(e.FullURL, '/')+1:])
		}
		next = ""
		for _, l := range b.Link {
			if strings.Contains(l.URL, "m-1") || strings.Contains(l.URL, "Zyxquill") {
				t.Errorf("a link names a patient")
			}
			if l.Relation == "next" {
				next = l.URL
			}
		}
		if next == "" {
			break
		}
		path = strings.TrimPrefix(next, testBase)
		d.refused(d.get(path, "mercy-officer"), http.StatusBadRequest, "value", "_cursor")
		d.refused(d.get(path+"&outcome=0", "network-auditor"), http.StatusBadRequest, "value", "_cursor")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d events over the pages, want these %d in order", len(got), len(want))
	}
	d.refused(d.get("/fhir/AuditEvent?_cursor=Zyxquill", "network-auditor"), http.StatusBadRequest, "value", "_cursor")
}

func TestReadingTheTrailIsItselfOnRecord(t *testing.T) {
	d := newTrailDoors(t)
	d.record(1, audit.Disclosed, "oak", d.mine)
	d.ids("/fhir/AuditEvent?date=2026&patient=Patient/"+d.server.patientID(d.mine), "network-auditor")
	events, _, err := d.trail.Search(context.Background(), audit.Query{Kinds: []audit.Kind{audit.AuditRead}, Limit: 5})
	if err != nil || len(events) != 1 {
		t.Fatalf("%d looks are on record (%v), want 1", len(events), err)
	}
	if e := events[0]; e.Actor.User != "network-auditor" || !slices.Contains(e.Records, d.mine) || e.Detail["events"] != "1" {
		t.Errorf("the look does not say who looked at whom")
	}
	if got := d.ids("/fhir/AuditEvent", "patient"); len(got) != 2 {
		t.Errorf("the patient sees %d events, want the disclosure and the look", len(got))
	}
	d.server.deps.Audit = failing{}
	if r := d.get("/fhir/AuditEvent?date=2026", "network-auditor"); r.Code != http.StatusServiceUnavailable || strings.Contains(r.Body.String(), "AuditEvent") {
		t.Errorf("the trail was shown although the look could not be recorded: %d", r.Code)
	}
}

// resolving is an index that also finds persons by identifier.
type resolving struct{ *scripted }

func (x resolving) Resolve(ctx context.Context, id hie.Identifier) (mpi.Person, error) {
	if sp := x.at(id); sp != nil {
		return x.PersonOf(ctx, sp.Record)
	}
	return mpi.Person{}, hie.ErrNotFound
}

// failing records nothing.
type failing struct{}

func (failing) Record(context.Context, ...audit.Event) error {
	return fmt.Errorf("audit store: %w", hie.ErrUnavailable)
}

func TestASealedQueryComesBackAsItWas(t *testing.T) {
	q := audit.Query{From: time.Unix(1, 0).UTC(), Records: []hie.SourcePatientID{}, Kinds: []audit.Kind{audit.Disclosed}, Before: "x", User: "u"}
	got, err := openQuery(sealedQuery(q))
	if err != nil || got.Records == nil || len(got.Records) != 0 || got.Organizations != nil || !got.From.Equal(q.From) || got.Before != "x" || got.User != "u" {
		t.Errorf("nil and empty must stay apart: %v", err)
	}
	if _, err := json.Marshal(q); err == nil {
		t.Errorf("a query was marshalled")
	}
}
