package auditfhir

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/opaque"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func testWriter(t testing.TB) Writer {
	t.Helper()
	sealer, err := opaque.New(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return Writer{Base: "https://concord.test/fhir", Sealer: sealer, Name: func(hie.OrgID) string { return "Oak Street Practice" }}
}

// examples are one event a pattern, with the profile it must claim.
func examples() map[string]struct {
	event   audit.Event
	profile string
} {
	grey := hie.Actor{Organization: "oak", Client: "oak-emr", User: "grey", UserName: "Dr. Meredith Grey", Roles: []string{"physician", "urn:oid:2.16.840.1.113883.6.101#207Q00000X"},
		Purposes: []hie.Purpose{hie.PurposeTreat}, TokenID: "jti-1", Request: "req-00000001", Address: "192.0.2.7"}
	system := hie.Actor{Organization: "mercy", Client: "mercy-feed", Purposes: []hie.Purpose{hie.PurposeTreat}, Request: "req-00000002", Address: "192.0.2.8"}
	at := time.Date(2026, 3, 1, 10, 0, 0, 123456000, time.UTC)
	event := func(kind audit.Kind, actor hie.Actor, set func(*audit.Event)) audit.Event {
		e := audit.NewEvent(kind, actor, at)
		e.ID = "019caa0c-8a7b-7000-8000-000000000001"
		set(&e)
		return e
	}
	return map[string]struct {
		event   audit.Event
		profile string
	}{
		"query": {event(audit.DocumentsQueried, grey, func(e *audit.Event) {
			*e = e.About(11)
			e.Query, e.Released, e.Withheld = "patient.identifier=urn:x|1&status=current", 2, 1
			e.Classes, e.Detail = []string{"11506-3", "34133-9"}, map[string]string{"interaction": "search-type"}
		}), "PatientQuery"},
		"query-of-several-records": {event(audit.DocumentsQueried, grey, func(e *audit.Event) { *e = e.About(11, 12); e.Query = "patient=x" }), "Query"},
		"query-without-patient": {event(audit.PatientQueried, system, func(e *audit.Event) {
			e.Query, e.Detail = "family=Q", map[string]string{"interaction": "patient search"}
		}), "Query"},
		"query-refused": {event(audit.DocumentsQueried, grey, func(e *audit.Event) {
			*e = e.About(11)
			e.Outcome, e.Query, e.Reasons = audit.Refusal, "patient=x", []string{"PURPOSE"}
		}), ""},
		"query-over-no-network": {event(audit.PatientQueried, hie.Actor{Organization: "oak", Client: "cli"}, func(*audit.Event) {}), ""},
		"disclosure": {event(audit.Disclosed, grey, func(e *audit.Event) {
			*e = e.About(11)
			e.Site, e.Ground, e.Classes = "mercy-main", []string{"77/2"}, []string{"34133-9"}
			e.Documents = []audit.Document{{Record: 11, Pointer: 21, Class: "34133-9"}}
		}), "PrivacyDisclosure.Source"},
		"disclosure-recorded": {event(audit.Disclosed, system, func(e *audit.Event) {
			*e = e.About(11)
			e.Action, e.Site, e.Ground = "R", "mercy-main", []string{"77/2"}
			e.Detail = map[string]string{"interaction": "recorded", "recipient": "oak", "disclosed": "2026-02-20T10:00:00.000Z"}
		}), ""},
		"decision-of-a-consult": {event(audit.Decision, grey, func(e *audit.Event) {
			*e = e.About(11)
			e.Reasons, e.Ground, e.Detail = []string{"PERMIT"}, []string{"77/2", "78/1"}, map[string]string{"interaction": "cds hook"}
		}), "AuthZconsent"},
		"disclosure-in-an-emergency": {event(audit.Disclosed, grey, func(e *audit.Event) {
			*e = e.About(11)
			e.Emergency, e.Documents = true, []audit.Document{{Record: 11, Pointer: 21}}
			e.Actor.Purposes = []hie.Purpose{hie.PurposeBreakGlass}
		}), "PrivacyDisclosure.Source"},
		"registration": {event(audit.PatientRegistered, system, func(e *audit.Event) { *e = e.About(11); e.Action = "C" }), "PatientCreate"},
		"revision":     {event(audit.PatientRegistered, system, func(e *audit.Event) { *e = e.About(11); e.Action = "U" }), "PatientUpdate"},
		"publication": {event(audit.DocumentPublished, system, func(e *audit.Event) {
			*e = e.About(11)
			e.Action, e.Documents = "C", []audit.Document{{Record: 11, Pointer: 22, Class: "11506-3"}}
		}), "PatientCreate"},
		"decision-on-consent": {event(audit.Decision, grey, func(e *audit.Event) {
			*e = e.About(11)
			e.Outcome, e.Reasons, e.Ground = audit.Refusal, []string{"DENY"}, []string{"77/2"}
		}), "AuthZconsent"},
		"decision-without-consent": {event(audit.Decision, grey, func(e *audit.Event) { *e = e.About(11); e.Reasons = []string{"DEFAULT"} }), ""},
		"consent-changed":          {event(audit.ConsentChanged, grey, func(e *audit.Event) { *e = e.About(11); e.Action, e.Ground = "C", []string{"78/1"} }), "PatientCreate"},
		"emergency-claimed":        {event(audit.EmergencyClaimed, grey, func(e *audit.Event) { *e = e.About(11); e.Emergency = true }), ""},
		"sign-in-failed": {event(audit.SignInFailed, hie.Actor{Client: "oak-emr"}, func(e *audit.Event) {
			e.Detail = map[string]string{"peer": "192.0.2.9"}
			e.Outcome, e.Reasons = audit.Refusal, []string{"jti replayed"}
		}), ""},
		"trail-read": {event(audit.AuditRead, grey, func(e *audit.Event) { e.Action, e.Query = "R", "date=ge2026" }), ""},
	}
}

func TestEventsBecomeAuditEventsInBALPPatterns(t *testing.T) {
	w := testWriter(t)
	for name, tt := range examples() {
		t.Run(name, func(t *testing.T) {
			got := w.Event(tt.event)
			wantProfile := []string{balp + "StructureDefinition/IHE.BasicAudit." + tt.profile}
			if tt.profile == "" {
				wantProfile = nil
			}
			if diff := cmp.Diff(wantProfile, got.Meta.Profile); diff != "" {
				t.Errorf("profile (-want +got):\n%s", diff)
			}
			b := fhir.Encode(got)
			v := jsontext.Value(b)
			if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, append(v, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(v)+"\n"); diff != "" {
				t.Errorf("golden (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatEveryAuditEventMustHave checks the traps of spec federation 3.1 over all patterns.
func TestWhatEveryAuditEventMustHave(t *testing.T) {
	w := testWriter(t)
	agent := func(e fhir.AuditEvent, code string) *fhir.AuditEventAgent {
		for i, a := range e.Agent {
			if a.Type != nil && a.Type.Coding[0].Code == code {
				return &e.Agent[i]
			}
		}
		return nil
	}
	for name, tt := range examples() {
		e := w.Event(tt.event)
		requestors := 0
		for _, a := range e.Agent {
			if a.Requestor {
				requestors++
			}
			for _, p := range a.Policy {
				if !strings.HasPrefix(p, "urn:ietf:params:oauth:jti:") {
					t.Errorf("%s: a token stands in the trail", name)
				}
			}
		}
		if requestors != 1 {
			t.Errorf("%s: %d agents are requestors, want 1", name, requestors)
		}
		for _, entity := range e.Entity {
			if entity.Name != "" && entity.Query != "" {
				t.Errorf("%s: an entity has a name and a query (sev-1)", name)
			}
		}
		if e.Outcome == "" || e.Source.Observer.Display == "" {
			t.Errorf("%s: no outcome or no observer", name)
		}
		switch tt.event.Kind {
		case audit.DocumentsQueried, audit.PatientQueried:
			if src := agent(e, "110153"); src == nil || src.Who.Identifier.Value != string(tt.event.Actor.Client) {
				t.Errorf("%s: the source of a query must be the client", name)
			}
		case audit.Disclosed:
			if dst := agent(e, "110152"); dst == nil || dst.Who.Identifier.Value != string(tt.event.Actor.Client) {
				t.Errorf("%s: the destination of a disclosure must be the client", name)
			}
		}
		hasRequest := false
		for _, entity := range e.Entity {
			hasRequest = hasRequest || entity.Type.Code == "XrequestId"
		}
		closed := tt.profile == "AuthZconsent"
		if hasRequest != (tt.event.Actor.Request != "" && !closed) {
			t.Errorf("%s: request id entity: %v", name, hasRequest)
		}
	}
}

func TestSearchParametersBecomeAQuery(t *testing.T) {
	w := testWriter(t)
	id := w.Sealer.ID("patient", 11, 0)
	for _, tt := range []struct {
		name, query string
		check       func(Search) bool
	}{
		{"a day", "date=2026-03-01", func(s Search) bool {
			return s.Dated && s.Query.From.Format("0102") == "0301" && s.Query.To.Format("0102") == "0302"
		}},
		{"between two days", "date=ge2026-03-01&date=lt2026-04-01", func(s Search) bool {
			return s.Query.From.Format("0102") == "0301" && s.Query.To.Format("0102") == "0401"
		}},
		{"after a day", "date=gt2026-03-01", func(s Search) bool { return s.Query.From.Format("0102") == "0302" && s.Query.To.IsZero() }},
		{"a patient", "patient=Patient/" + id, func(s Search) bool { return s.Named && len(s.Patients) == 1 && s.Patients[0] == 11 && !s.Dated }},
		{"an unknown patient is named all the same", "patient=nobody", func(s Search) bool { return s.Named && s.Patients == nil }},
		{"an identifier", "patient.identifier=urn:x%7C1", func(s Search) bool { return s.Named && len(s.Identifiers) == 1 && s.Identifiers[0].Value == "1" }},
		{"an organisation", "agent=Organization/oak", func(s Search) bool { return len(s.Query.Organizations) == 1 && s.Query.Organizations[0] == "oak" }},
		{"a user", "altid=grey", func(s Search) bool { return s.Query.User == "grey" }},
		{"a type", "type=110106", func(s Search) bool { return len(s.Query.Kinds) == 1 && s.Query.Kinds[0] == audit.Disclosed }},
		{"a kind", "subtype=urn:concord:audit-event-kind%7Crefused", func(s Search) bool { return len(s.Query.Kinds) == 1 && s.Query.Kinds[0] == audit.Refused }},
		{"type and subtype together", "type=110106&subtype=refused", func(s Search) bool { return s.Query.Kinds != nil && len(s.Query.Kinds) == 0 }},
		{"outcomes", "outcome=4,8", func(s Search) bool { return len(s.Query.Outcomes) == 2 }},
	} {
		ps, err := fhir.ParseParams(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		s, unknown, err := ParseSearch(ps, w.Sealer)
		if err != nil || unknown != nil || !tt.check(s) {
			t.Errorf("%s: %v, %v", tt.name, unknown, err)
		}
	}
	for _, bad := range []string{"date=Zyxquill", "date=ne2026", "date=2026,2027", "outcome=5", "type=Zyxquill", "patient.identifier=Zyxquill", "altid=a&altid=b"} {
		ps, _ := fhir.ParseParams(bad)
		if _, _, err := ParseSearch(ps, w.Sealer); err == nil || strings.Contains(err.Error(), "Zyxquill") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	ps, _ := fhir.ParseParams("address=1&patient:missing=true")
	if _, unknown, err := ParseSearch(ps, w.Sealer); err != nil || len(unknown) != 2 {
		t.Errorf("unknown parameters: %v, %v", unknown, err)
	}
}
