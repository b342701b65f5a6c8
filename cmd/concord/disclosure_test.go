package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/sim"
)

// search returns the first page of what site's EMR finds as who about the patient site|local.
func (x *exchangeUnderTest) search(site string, who asker, identifier string, more ...string) reply {
	x.t.Helper()
	q := url.Values{"patient.identifier": {identifier}, "status": {"current"}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return x.must(http.StatusOK, site+"-emr", who, http.MethodGet, "/fhir/DocumentReference?"+q.Encode(), nil)
}

// attachments returns the urls under which a page's documents are opened.
func attachments(t testing.TB, r reply) []string {
	t.Helper()
	var set struct {
		Entry []struct {
			Resource struct {
				ResourceType string
				Content      []struct{ Attachment struct{ URL string } }
			}
		}
	}
	if err := json.Unmarshal(r.body, &set); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range set.Entry {
		if e.Resource.ResourceType == "DocumentReference" {
			out = append(out, e.Resource.Content[0].Attachment.URL)
		}
	}
	return out
}

// face is what an answer looks like from outside: status, body and headers but for those that differ each time.
func face(r reply) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.status)
	var names []string
	for name := range r.header {
		if name != "Date" && name != "X-Request-Id" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintln(&b, name, r.header[name])
	}
	b.Write(r.body)
	return b.String()
}

func TestUnknownEmptyAndWithheldLookAlike(t *testing.T) {
	oneAfterAnother(t)
	x := newExchange(t, 1)
	for _, story := range []string{sim.Ordinary, sim.OptedOut, sim.EmergencyOnly, sim.Part2Only} {
		x.enter(x.person(story))
	}
	if err := x.stateWishes(x.ctx); err != nil {
		t.Fatal(err)
	}
	// A patient of the hospital with no document anywhere, and one of the practice known to nobody else.
	target, body := patientPut(x, "EMPTY-1", "Nathaniel", "Blankenship", "1939-02-02")
	x.must(http.StatusCreated, "harbor-main-feed", asFeed, http.MethodPut, target, body)

	authority := x.authority("harbor-main") + "|"
	known := x.search("harbor-main", treating, x.at(x.person(sim.Ordinary), "harbor-main"))
	if total(t, known) == 0 {
		t.Fatal("an ordinary patient's documents are not found, so nothing would be shown")
	}
	cases := map[string]string{
		"a number nobody gave":                  authority + sim.Unknown,
		"a patient without documents":           authority + "EMPTY-1",
		"a patient who opted out":               x.at(x.person(sim.OptedOut), "harbor-main"),
		"a patient who shares in emergencies":   x.at(x.person(sim.EmergencyOnly), "harbor-main"),
		"a patient of the Part 2 program alone": x.authority("new-dawn-east") + "|" + x.local(x.person(sim.Part2Only), "new-dawn-east"),
		"an authority nobody has":               "urn:oid:1.2.3.4.5.6.7|1",
	}
	for _, ask := range []struct {
		name   string
		method string
		path   string
		form   func(identifier string) url.Values
	}{
		{"a search", http.MethodGet, "/fhir/DocumentReference", func(id string) url.Values {
			return url.Values{"patient.identifier": {id}, "status": {"current"}}
		}},
		{"a search by form", http.MethodPost, "/fhir/DocumentReference/_search", func(id string) url.Values {
			return url.Values{"patient.identifier": {id}, "status": {"current"}}
		}},
		{"a count", http.MethodGet, "/fhir/DocumentReference", func(id string) url.Values {
			return url.Values{"patient.identifier": {id}, "_summary": {"count"}}
		}},
		{"presence", http.MethodGet, "/fhir/DocumentReference/$presence", func(id string) url.Values {
			return url.Values{"patient.identifier": {id}}
		}},
	} {
		t.Run(ask.name, func(t *testing.T) {
			want := ""
			for name, id := range cases {
				path, payload := ask.path, any(nil)
				if ask.method == http.MethodGet {
					path += "?" + ask.form(id).Encode()
				} else {
					payload = ask.form(id)
				}
				got := face(x.must(http.StatusOK, "harbor-main-emr", treating, ask.method, path, payload))
				if want == "" {
					want = got
				}
				if got != want {
					t.Errorf("%s is told apart from the others:\n%s\n---\n%s", name, got, want)
				}
			}
		})
	}
}

// local returns p's number at site.
func (x *exchangeUnderTest) local(p sim.Person, site string) string {
	x.t.Helper()
	found := x.region.Of(p, site)
	if len(found) == 0 {
		x.t.Fatalf("the person has no registration at %s", site)
	}
	return found[0].Local
}

func TestARevocationBetweenLocateAndRetrieveClosesTheDocument(t *testing.T) {
	x := newExchange(t, 2)
	maria := x.person(sim.Ordinary)
	x.enter(maria)
	found := attachments(t, x.search("riverside-clinic", treating, x.at(maria, "riverside-clinic")))
	if len(found) == 0 {
		t.Fatal("nothing was located")
	}
	var open string // one that is not the practice's own and whose site works
	for _, u := range found {
		if r := x.must(http.StatusOK, "riverside-clinic-emr", treating, http.MethodGet, u, nil); len(r.body) > 0 {
			open = u
		}
	}
	unknown := x.must(http.StatusNotFound, "riverside-clinic-emr", treating, http.MethodGet, "/fhir/Binary/"+strings.Repeat("0", 39), nil)
	story := &teller{demo: x.demo}
	if r, err := story.wish(x.ctx, maria, "riverside-clinic", false); err != nil || r.status != http.StatusCreated {
		t.Fatalf("her consent: status %d, %v", r.status, err)
	}
	// Refused on every node from the moment it was acknowledged.
	for _, origin := range x.origins {
		r := x.must(http.StatusNotFound, "riverside-clinic-emr", treating, http.MethodGet, strings.Replace(open, x.base, origin, 1), nil)
		if face(r) != face(unknown) {
			t.Errorf("a withheld document is told apart from one that never was:\n%s\n---\n%s", face(r), face(unknown))
		}
	}
}

// TestAMergeTouchesLinksAndNothingElse links two people with 10,000 documents between them and takes the link back.
func TestAMergeTouchesLinksAndNothingElse(t *testing.T) {
	oneAfterAnother(t)
	x := newExchange(t, 1)
	pair := x.region.Story(sim.Namesakes)
	if len(pair) < 2 {
		t.Fatal("the story of the namesakes has no two people")
	}
	a, b := x.region.Registrations[pair[0].Registrations[0]], x.region.Registrations[pair[1].Registrations[0]]
	a.Documents, b.Documents = 5000, 5000
	regs := []sim.Registration{a, b}
	if err := x.register(x.ctx, regs); err != nil {
		t.Fatal(err)
	}
	if err := x.publish(x.ctx, regs); err != nil {
		t.Fatal(err)
	}
	locatorBefore, mpiBefore := x.rows("locator"), x.links()
	siteA, _ := x.region.Site(a.Site)
	seen := func() string { // all but the next page's link, which is sealed anew each time
		var set struct {
			Total int
			Entry json.RawMessage
		}
		if err := json.Unmarshal(x.search(a.Site, treating, siteA.Authority+"|"+a.Local, "_count", "50").body, &set); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(set.Total, string(set.Entry))
	}
	answerBefore := seen()

	ids := make([]string, 2)
	for i, p := range pair[:2] {
		id, err := x.patientID(x.ctx, p, regs[i].Site)
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = id
	}
	change := x.link(ids...)
	if seen() == answerBefore {
		t.Error("the link changed nothing that can be seen, so the test shows nothing")
	}
	if got := x.rows("locator"); got != locatorBefore {
		t.Error("linking wrote rows of the locator")
	}
	x.must(http.StatusOK, "steward-desk", settling, http.MethodPost, "/admin/v1/match/changes/"+change+"/undo", map[string]any{"reason": "two people after all"})
	if got := x.rows("locator"); got != locatorBefore {
		t.Error("undoing the link wrote rows of the locator")
	}
	if got := x.links(); got != mpiBefore {
		t.Errorf("the links after the undoing differ from those before:\n%s\n---\n%s", got, mpiBefore)
	}
	if seen() != answerBefore {
		t.Error("the answer after the undoing differs from the one before")
	}
}

// link has a steward say that records are one person's, and a second one agree where that is asked for, and returns the
// change by which it can be undone.
func (x *exchangeUnderTest) link(records ...string) string {
	x.t.Helper()
	var done struct {
		Change, Task string
		Pending      bool
	}
	decode(x.t, x.must(http.StatusOK, "steward-desk", settling, http.MethodPost, "/admin/v1/match/verdicts",
		map[string]any{"records": records, "verdict": "same", "reason": "one person, says the desk"}), &done)
	if done.Pending {
		colleague := settling
		colleague.user, colleague.name = "d.osei", "Dele Osei"
		decode(x.t, x.must(http.StatusOK, "steward-desk", colleague, http.MethodPost, "/admin/v1/match/tasks/"+done.Task+"/verdict",
			map[string]any{"verdict": "same", "reason": "so it is"}), &done)
	}
	if done.Change == "" {
		x.t.Fatal("the verdict names no change")
	}
	return done.Change
}

// rows digests every row of a schema's tables with the place it stands at: any write shows.
func (x *exchangeUnderTest) rows(schema string) string {
	x.t.Helper()
	names, err := pgNames(x, schema)
	if err != nil {
		x.t.Fatal(err)
	}
	var b bytes.Buffer
	for _, name := range names {
		var n int64
		var digest *string
		q := fmt.Sprintf(`select count(*), md5(string_agg(ctid::text || xmin::text || xmax::text, ',' order by ctid)) from %s.%s`, schema, name)
		if err := x.db.SQL().QueryRowContext(x.ctx, q).Scan(&n, &digest); err != nil {
			x.t.Fatal(err)
		}
		if digest != nil {
			fmt.Fprintln(&b, name, n, *digest)
		}
	}
	return b.String()
}

func pgNames(x *exchangeUnderTest, schema string) ([]string, error) {
	rows, err := x.db.SQL().QueryContext(x.ctx, `select table_name from information_schema.tables where table_schema = $1 order by 1`, schema)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// links is who belongs to whom, without versions and events, which keep what happened.
func (x *exchangeUnderTest) links() string {
	x.t.Helper()
	var s string
	if err := x.db.QueryRow(x.ctx, `select string_agg(sp_id || '@' || person_id, ' ' order by sp_id) from mpi.person_member`).Scan(&s); err != nil {
		x.t.Fatal(err)
	}
	return s
}
