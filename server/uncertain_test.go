package server

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/concord-hie/concord/mpi/mpitest"
)

// A hall is the doors over a real index.
type hall struct {
	*clinic
	real *mpi.Index
}

func newHall(t *testing.T, o mpi.Options) *hall {
	t.Helper()
	h := &hall{clinic: &clinic{trail: &trail{}, named: map[hie.SourcePatientID]bool{}}}
	h.real = mpi.New(mpitest.NewMemory(), hie.NewIDs(nil), h.trail, o)
	h.doors = newDoors(t, func(d *Deps) {
		d.Patients, d.Audit = h.real, h.trail
		d.Nameable = func(_ context.Context, _ hie.Actor, p mpi.Person) (map[hie.SourcePatientID]bool, Still, error) {
			out := map[hie.SourcePatientID]bool{}
			for _, m := range p.Members {
				out[m.Record] = h.named[m.Record]
			}
			return out, h.still, nil
		}
	})
	return h
}

// registered registers a Patient of Mercy by the door and lets the others' organisations learn of it.
func (h *hall) registered(local, body string) hie.SourcePatientID {
	h.Helper()
	return h.registeredAs(mercyToken, redSystem, local, body)
}

func (h *hall) registeredAs(token, system, local, body string) hie.SourcePatientID {
	h.Helper()
	if r := h.put(token, system+"|"+local, body); r.Code != http.StatusCreated {
		h.Fatalf("%s: %d %s", local, r.Code, r.Body)
	}
	record, err := h.real.RecordOf(h.Context(), hie.Identifier{System: system, Value: local})
	if err != nil {
		h.Fatal(err)
	}
	h.named[record] = true
	return record
}

// certainOnly asks $match with onlyCertainMatches as Oak Street and returns status, headers and body, and the reason
// the trail has for it.
func (h *hall) certainOnly(patient string) (answer, reason string) {
	h.Helper()
	body := `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":` + patient + `},{"name":"onlyCertainMatches","valueBoolean":true}]}`
	before := len(h.trail.events)
	r := h.do("POST", "/fhir/Patient/$match", oakToken, []byte(body))
	if r.Code != http.StatusOK {
		h.Fatalf("%d %s", r.Code, r.Body)
	}
	for _, e := range h.trail.events[before:] {
		if e.Kind == audit.PatientQueried {
			reason = strings.Join(e.Reasons, " ")
		}
	}
	return r.Body.String(), reason
}

// whole is a Patient as a site registers one; parts replaces parts of it.
func whole(system, local string, parts ...string) string {
	p := `{"resourceType":"Patient","identifier":[{"system":"` + system + `","value":"` + local + `"}],"name":[{"family":"Fairweather","given":["Ottoline"]}],` +
		`"gender":"female","birthDate":"1964-06-20","telecom":[{"system":"phone","value":"410-366-0912"}],` +
		`"address":[{"line":["1288 Harbor Road"],"city":"Laurel","state":"MD","postalCode":"20707"}]}`
	return strings.NewReplacer(parts...).Replace(p)
}

// TestNothingUncertainIsDisclosed is scenario 10: each refusal has a reason in the trail and the same answer.
//
// Source: spec mpi section 7, scenario 10.
func TestNothingUncertainIsDisclosed(t *testing.T) {
	query := strings.Replace(whole("urn:asker", "q"), `"identifier":[{"system":"urn:asker","value":"q"}],`, "", 1)
	nobody, reason := newHall(t, mpi.Options{}).certainOnly(query)
	if reason != mpi.WithheldNone {
		t.Errorf("nobody there: reason %q", reason)
	}
	decide := func(h *hall, a, b hie.SourcePatientID) {
		if _, err := h.real.Decide(h.Context(), hie.Actor{Organization: "network", User: "sam", Roles: []string{hie.RoleSteward}}, a, b, mpi.CannotLink, "two women"); err != nil {
			t.Fatal(err)
		}
	}
	const namesake = `"address":[{"line":["77 Cedar Court"],"city":"Towson","state":"MD","postalCode":"21204"}]`
	for _, tt := range []struct {
		name    string
		options mpi.Options
		stage   func(h *hall)
		query   string
		reason  string // "" for disclosed
	}{
		{"(a) unique and certain", mpi.Options{}, func(h *hall) { h.registered("R-1", whole(redSystem, "R-1")) }, query, ""},
		{"(b) two certain identities", mpi.Options{}, func(h *hall) {
			a := h.registered("R-1", whole(redSystem, "R-1"))
			decide(h, a, h.registered("R-2", whole(redSystem, "R-2")))
		}, query, mpi.WithheldTwo},
		{"(c) certain, but the search was cut short", mpi.Options{Hub: 3}, func(h *hall) {
			h.registered("R-1", whole(redSystem, "R-1"))
			for _, n := range []string{"R-2", "R-3", "R-4", "R-5"} { // so many of one name and date that not all were weighed
				h.registered(n, whole(redSystem, n, "410-366-0912", "443-201-000"+n[2:], "1288 Harbor Road", "9"+n[2:]+" Cedar Court"))
			}
		}, query, mpi.WithheldTruncated},
		{"(d) certain only through a household's fields", mpi.Options{}, func(h *hall) { h.registered("R-1", whole(redSystem, "R-1")) },
			strings.NewReplacer(`,"given":["Ottoline"]`, "", `"birthDate":"1964-06-20",`, "").Replace(query), mpi.WithheldUnproven},
		{"(d) by name, street and postal code: parent and child of one name", mpi.Options{}, func(h *hall) { h.registered("R-1", whole(redSystem, "R-1")) },
			strings.NewReplacer(`"birthDate":"1964-06-20",`, "", `"telecom":[{"system":"phone","value":"410-366-0912"}],`, "").Replace(query), mpi.WithheldUnproven},
		{"(e) certain, but a steward says the asker's own record is another's", mpi.Options{}, func(h *hall) {
			own := h.registeredAs(oakToken, blueSystem, "B-1", whole(blueSystem, "B-1"))
			decide(h, own, h.registered("R-1", whole(redSystem, "R-1")))
		}, whole(blueSystem, "B-1"), mpi.WithheldTwo},
		{"(f) consent denies the runner-up only", mpi.Options{}, func(h *hall) {
			h.registered("R-1", whole(redSystem, "R-1"))
			h.named[h.registered("R-2", whole(redSystem, "R-2", `"telecom":[{"system":"phone","value":"410-366-0912"}],`, "",
				`"address":[{"line":["1288 Harbor Road"],"city":"Laurel","state":"MD","postalCode":"20707"}]`, namesake, "Ottoline", "Odile"))] = false
		}, query, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHall(t, tt.options)
			tt.stage(h)
			got, reason := h.certainOnly(tt.query)
			if tt.reason == "" {
				if !strings.Contains(got, `"R-1"`) || !strings.Contains(got, mpifhir.MatchEvidenceURL) || reason != "" {
					t.Fatalf("not disclosed with what proves it (reason %q): %s", reason, got)
				}
				if strings.Contains(got, "R-2") || strings.Contains(got, "Odile") || strings.Contains(got, "outcome") {
					t.Errorf("the answer hints at a runner-up: %s", got)
				}
				return
			}
			if got != nobody {
				t.Errorf("answered %s\nwant as when nobody is there: %s", got, nobody)
			}
			if reason != tt.reason {
				t.Errorf("the trail's reason is %q, want %q", reason, tt.reason)
			}
		})
	}
}

// TestATwinIsDisclosedByTheExactNameOnly is the twin tie: beside a twin, one edit in the given name proves nothing;
// and where the twins' names are one edit apart, the exact name is not enough either, since it may be a slip for the
// other's: birth order or another individual field must tell.
func TestATwinIsDisclosedByTheExactNameOnly(t *testing.T) {
	twin := func(local, given, order string) string {
		return whole(redSystem, local, "Ottoline", given, `"gender"`, `"multipleBirthInteger":`+order+`,"gender"`)
	}
	for _, tt := range []struct {
		name, first, second, asked, order, want string
	}{
		{"the exact name of one of two unlike names", "Ottoline", "Rosalind", "Ottoline", "", "R-1"},
		{"the exact name of the other", "Ottoline", "Rosalind", "Rosalind", "", "R-2"},
		{"one edit", "Ottoline", "Rosalind", "Otoline", "", ""},
		{"the exact name of one of two that are one edit apart", "Jaylen", "Jayden", "Jaylen", "", ""},
		{"with the birth order too", "Jaylen", "Jayden", "Jaylen", "1", "R-1"},
		{"between the two", "Jaylen", "Jayden", "Jayben", "", ""},
	} {
		h := newHall(t, mpi.Options{})
		h.registered("R-1", twin("R-1", tt.first, "1"))
		h.registered("R-2", twin("R-2", tt.second, "2"))
		query := whole("urn:asker", "q", "Ottoline", tt.asked)
		if tt.order != "" {
			query = strings.Replace(query, `"gender"`, `"multipleBirthInteger":`+tt.order+`,"gender"`, 1)
		}
		answer, reason := h.certainOnly(query)
		got := ""
		for _, local := range []string{"R-1", "R-2"} {
			if strings.Contains(answer, `"`+local+`"`) {
				got += local
			}
		}
		if got != tt.want {
			t.Errorf("%s: told %q (%s), want %q", tt.name, got, reason, tt.want)
		}
	}
}

// What a $match asks and what it shows are in the trail together or not at all, and a query is there even where it could not
// be told who may be named.
//
// Source: DESIGN idea 7.
func TestAMatchAndWhatItShowsAreRecordedInOneWrite(t *testing.T) {
	h := newHall(t, mpi.Options{})
	h.registered("R-1", whole(redSystem, "R-1"))
	query := []byte(whole("urn:asker", "q"))
	h.trail.events, h.trail.writes = nil, 0
	if r := h.do("POST", "/fhir/Patient/$match", oakToken, query); r.Code != http.StatusOK {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	if e := h.trail.events; len(e) != 2 || e[0].Kind != audit.PatientQueried || e[1].Kind != audit.Disclosed || h.trail.writes != 1 {
		t.Errorf("%d events in %d writes, want the query and the disclosure in one", len(e), h.trail.writes)
	}
	h.trail.fault = hie.ErrUnavailable
	if r := h.do("POST", "/fhir/Patient/$match", oakToken, query); r.Code != http.StatusServiceUnavailable || strings.Contains(r.Body.String(), "Fairweather") {
		t.Errorf("with a trail that keeps nothing: %d, want 503 and nobody shown", r.Code)
	}
	h.trail.fault, h.trail.events = nil, nil
	h.server.deps.Nameable = func(context.Context, hie.Actor, mpi.Person) (map[hie.SourcePatientID]bool, Still, error) {
		return nil, nil, hie.ErrUnavailable
	}
	if r := h.do("POST", "/fhir/Patient/$match", oakToken, query); r.Code != http.StatusServiceUnavailable {
		t.Errorf("with rules that cannot be read: %d, want 503", r.Code)
	}
	if e := h.trail.events; len(e) != 1 || e[0].Kind != audit.PatientQueried {
		t.Errorf("with rules that cannot be read: %d events, want the query alone", len(e))
	}
}
