package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpitest"
)

// cabinet is a store of consents and claims in memory, with the errors *consentpg.Store has.
type cabinet struct {
	now      func() time.Time
	versions []consent.Version
	tasks    []consent.Task
	grants   []consent.Grant
	held     map[int64]time.Time
	next     int64
}

func (b *cabinet) File(_ context.Context, _ hie.Actor, v consent.Version, expected int64) (consent.Version, error) {
	if v.ID == 0 {
		b.next++
		v.ID, expected = b.next, 0
	} else if h, err := b.History(context.Background(), v.Record, v.ID); err != nil || h[0].Number != expected {
		return v, firstError(err, hie.ErrStale)
	}
	v.Number, v.Filed = expected+1, b.now()
	b.versions = append(b.versions, v)
	return v, nil
}

func (b *cabinet) Current(_ context.Context, records []hie.SourcePatientID) ([]consent.Version, error) {
	var out []consent.Version
	for i := len(b.versions) - 1; i >= 0; i-- {
		v := b.versions[i]
		if slices.Contains(records, v.Record) && !slices.ContainsFunc(out, func(o consent.Version) bool { return o.ID == v.ID }) {
			out = append(out, v)
		}
	}
	return out, nil
}

func (b *cabinet) History(_ context.Context, record hie.SourcePatientID, id int64) ([]consent.Version, error) {
	var out []consent.Version
	for _, v := range b.versions {
		if v.Record == record && v.ID == id {
			out = append([]consent.Version{v}, out...)
		}
	}
	if out == nil {
		return nil, hie.ErrNotFound
	}
	return out, nil
}

func (b *cabinet) Load(ctx context.Context, records []hie.SourcePatientID) (consent.OnFile, error) {
	out := consent.OnFile{Grants: b.grants}
	vs, _ := b.Current(ctx, records)
	for _, v := range vs {
		d, err := consentfhir.Directive(v)
		if err != nil {
			return consent.OnFile{}, err
		}
		out.Directives = append(out.Directives, d)
	}
	return out, nil
}

func (b *cabinet) Claim(_ context.Context, actor hie.Actor, c consent.Emergency, until time.Time, records []hie.SourcePatientID, owners []hie.OrgID) error {
	b.tasks = append(b.tasks, consent.Task{ID: int64(len(b.tasks) + 1), Opened: c.At, Until: until, Actor: actor, Claim: c, Records: records, Owners: owners})
	return nil
}

func (b *cabinet) Tasks(_ context.Context, f consent.TaskFilter) (out []consent.Task, more bool, _ error) {
	for _, t := range b.tasks {
		if t.ID > f.After && (f.HoldsAt.IsZero() && t.Closed.IsZero() != f.Closed || !f.HoldsAt.IsZero() && t.Holds(f.HoldsAt)) && (f.Claimant == "" || f.Claimant == t.Actor.User) && (f.Organization == "" || f.Organization == t.Actor.Organization || slices.Contains(t.Owners, f.Organization)) {
			out = append(out, t)
		}
	}
	if len(out) > f.Limit {
		return out[:f.Limit], true, nil
	}
	return out, false, nil
}

func (b *cabinet) Task(_ context.Context, id int64) (consent.Task, error) {
	if id < 1 || id > int64(len(b.tasks)) {
		return consent.Task{}, hie.ErrNotFound
	}
	return b.tasks[id-1], nil
}

func (b *cabinet) Contest(_ context.Context, actor hie.Actor, id int64, reason string) error {
	t := &b.tasks[id-1]
	if !t.Closed.IsZero() || !t.Contested.IsZero() {
		return hie.ErrConflict
	}
	t.Contested, t.ContestedBy, t.Contest = b.now(), string(actor.Organization)+"/"+actor.User, reason
	return nil
}

func (b *cabinet) End(_ context.Context, actor hie.Actor, id int64, reason string) error {
	t := &b.tasks[id-1]
	if !t.Holds(b.now()) {
		return hie.ErrConflict
	}
	t.Ended, t.EndedBy, t.EndReason = b.now(), string(actor.Organization)+"/"+actor.User, reason
	return nil
}

func (b *cabinet) Notices(_ context.Context, records []hie.SourcePatientID, _ int) (out []consent.Notice, _ error) {
	for _, t := range b.tasks {
		for _, r := range t.Records {
			if slices.Contains(records, r) {
				out = append(out, consent.Notice{Record: r, ID: t.ID, Kind: "emergency", About: t.ID, Created: t.Opened, HeldUntil: b.held[t.ID]})
			}
		}
	}
	return out, nil
}

func (b *cabinet) HoldNotices(_ context.Context, _ hie.Actor, t consent.Task, until time.Time, _ string) error {
	b.held = map[int64]time.Time{t.ID: until}
	return nil
}

func (b *cabinet) Suspend(_ context.Context, _ hie.Actor, x consent.Suspension) (consent.Suspension, error) {
	return x, nil
}

func (b *cabinet) Suspensions(context.Context, []hie.SourcePatientID) ([]consent.Suspension, error) {
	return nil, nil
}

func (b *cabinet) Close(_ context.Context, _ hie.Actor, id int64, _ bool, finding, note string) error {
	t := &b.tasks[id-1]
	if !t.Closed.IsZero() {
		return hie.ErrConflict
	}
	t.Closed, t.Finding, t.Note = b.now(), finding, note
	return nil
}

// ward is a server over the real index and a cabinet: Alice is registered at Mercy and at Oak (B-1), as one
// person; Ruth at Mercy alone.
type ward struct {
	*clinic
	cabinet          *cabinet
	alice, oaks      string // Alice's Patient ids at Mercy and at Oak
	ruth             string
	aliceRec, oakRec hie.SourcePatientID
	// What decisions rest on, and who signs permissions; a test may put another in place.
	now     func() time.Time
	network *directory.Network
	env     *consent.Env
	sign    func(accessjwt.Permission) (string, error)
	held    []consent.Listed
	asked   askedFor
}

func newWard(t *testing.T) *ward {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	w := &ward{clinic: &clinic{trail: &trail{}}, cabinet: &cabinet{now: now}, now: now}
	file := testFile()
	file.Organizations = append(file.Organizations, directory.Organization{ID: "network", Name: "The Exchange", Identifier: "urn:org:network", Kind: networkKind, Active: true},
		directory.Organization{ID: "quince", Name: "Quince Clinic", Identifier: "urn:org:quince", Active: true})
	file.Sites[0].PrivilegedRoles, file.Sites[0].Labelled = []string{"ed"}, true
	file.Defaults = []directory.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}
	n, err := file.Network(1)
	if err != nil {
		t.Fatal(err)
	}
	options, err := consentjson.Options(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	env, err := consent.FromNetwork(n, options)
	if err != nil {
		t.Fatal(err)
	}
	w.network, w.env = n, env
	x := mpi.New(mpitest.NewMemory(), hie.NewIDs(nil), w.trail, mpi.Options{})
	w.doors = newDoors(t, func(d *Deps) {
		d.Patients, d.Stewardship, d.Audit, d.Now = x, x, w.trail, now
		d.Network = func() *directory.Network { return n }
		d.Consents, d.Emergencies, d.Suspensions, d.Requests, d.ConsentEnv = w.cabinet, w.cabinet, w.cabinet, &w.asked, func() *consent.Env { return w.env }
		d.Held = func(context.Context, mpi.Member, int) ([]consent.Listed, error) { return w.held, nil }
		d.SignPermission = func(p accessjwt.Permission) (string, error) { return w.sign(p) }
		d.Past = func(ctx context.Context, record hie.SourcePatientID, at time.Time) (Past, error) {
			person, err := d.Patients.PersonOf(ctx, record)
			if err != nil {
				return Past{}, err
			}
			onFile, err := w.cabinet.Load(ctx, person.Records())
			if at.IsZero() {
				at = d.Now()
			}
			return Past{Env: env, Network: d.Network(), Person: person, OnFile: onFile, Basis: consent.Basis{At: at, Directory: 1, Kept: true}}, err
		}
	})
	rest := `,"telecom":[{"system":"phone","value":"410-827-2231"}],"address":[{"line":["12 Harbor Way"],"city":"Towson","state":"MD","postalCode":"21204"}]`
	register := func(token, system, value, body string) (string, hie.SourcePatientID) {
		if r := w.put(token, system+"|"+value, body); r.Code != http.StatusCreated {
			t.Fatalf("register: %d %s", r.Code, r.Body)
		}
		rec, err := x.RecordOf(context.Background(), hie.Identifier{System: system, Value: value})
		if err != nil {
			t.Fatal(err)
		}
		return w.sealer.ID("patient", int64(rec), 0), rec
	}
	w.alice, w.aliceRec = register(mercyToken, redSystem, "R-1", patientBody(redSystem, "R-1", rest))
	w.oaks, w.oakRec = register(oakToken, blueSystem, "B-1", patientBody(blueSystem, "B-1", rest))
	w.ruth, _ = register(mercyToken, redSystem, "R-2", strings.NewReplacer("MOHR", "QUIST", "ALICE", "RUTH", "1958", "1971").Replace(patientBody(redSystem, "R-2", "")))
	w.trail.events = nil
	return w
}

// consentBody is an opt-out of patient.
func consentBody(patient string) string {
	return `{"resourceType":"Consent","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
 "category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":` + patient + `,"dateTime":"2026-02-01T10:00:00Z",
 "policyRule":{"coding":[{"code":"OPTOUT"}]},"provision":{"type":"deny"}}`
}

func refTo(id string) string { return `{"reference":"Patient/` + id + `"}` }

func (w *ward) file(token, body string) *httptest.ResponseRecorder {
	w.Helper()
	return w.do(http.MethodPost, "/fhir/Consent", token, []byte(body))
}

// filed files an opt-out and returns its path under the server's base.
func (w *ward) filed(token, patient string) string {
	w.Helper()
	r := w.file(token, consentBody(refTo(patient)))
	if r.Code != http.StatusCreated {
		w.Fatalf("filing: %d %s", r.Code, r.Body)
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(r.Header().Get("Location"), testBase), "/_history/")
	return path
}

// patientApp makes the token "app" the patient of record.
func (w *ward) patientApp(record hie.SourcePatientID) {
	w.as = &hie.Actor{Organization: "oak", Client: "app", User: "me", Patient: record, Roles: []string{hie.RolePatient},
		Scopes: []string{"patient/*.cruds"}, Purposes: []hie.Purpose{hie.PurposePatientRequest}}
}

func (w *ward) officer(org hie.OrgID) {
	w.as = &hie.Actor{Organization: org, Client: "desk", User: "p.stone", Roles: []string{hie.RolePrivacyOfficer},
		Scopes: []string{"system/Consent.cruds", "concord/review.read", "concord/review.write", "concord/consent.read", "concord/consent.write", "concord/report.read", "concord/report.write"}, Purposes: []hie.Purpose{"HCOMPL"}}
}

func TestAConsentIsFiledChangedReadAndRevoked(t *testing.T) {
	w := newWard(t)
	r := w.file(mercyToken, consentBody(refTo(w.alice)))
	if r.Code != http.StatusCreated || r.Header().Get("ETag") != `W/"1"` || !strings.HasSuffix(r.Header().Get("Location"), "/_history/1") {
		t.Fatalf("%d %v %s", r.Code, r.Header(), r.Body)
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(r.Header().Get("Location"), testBase), "/_history/")
	id := strings.TrimPrefix(path, "/fhir/Consent/")
	if v := w.cabinet.versions[0]; v.Record != w.aliceRec || v.By != "mercy" || v.ByPatient || !v.NetworkWide || !v.Verified {
		t.Error("the filing was not understood")
	}
	update := func(body string, headers ...string) *httptest.ResponseRecorder {
		return w.do(http.MethodPut, path, mercyToken, []byte(body), headers...)
	}
	changed := strings.Replace(consentBody(refTo(w.alice)), `"resourceType":"Consent"`, `"resourceType":"Consent","id":"`+id+`"`, 1)
	w.refused(update(changed), http.StatusBadRequest, "required", "If-Match")
	w.refused(update(changed, "If-Match", `W/"7"`), http.StatusPreconditionFailed, "conflict", "")
	w.refused(update(consentBody(refTo(w.alice)), "If-Match", `W/"1"`), http.StatusBadRequest, "value", "Consent.id")
	w.refused(update(strings.Replace(changed, w.alice, w.ruth, 1), "If-Match", `W/"1"`), http.StatusBadRequest, "business-rule", "Consent.patient")
	if len(w.cabinet.versions) != 1 {
		t.Fatal("a refused update was filed")
	}
	if r := update(changed, "If-Match", `W/"1"`); r.Code != http.StatusOK || r.Header().Get("ETag") != `W/"2"` {
		t.Errorf("update: %d %s", r.Code, r.Body)
	}
	if r := w.get(path, mercyToken); r.Code != http.StatusOK || r.Header().Get("ETag") != `W/"2"` || !strings.Contains(r.Body.String(), `"versionId":"2"`) {
		t.Errorf("read: %d %s", r.Code, r.Body)
	}
	if r := w.get(path+"/_history/1", mercyToken); r.Code != http.StatusOK || r.Header().Get("ETag") != `W/"1"` {
		t.Errorf("vread: %d %s", r.Code, r.Body)
	}
	w.refused(w.get(path+"/_history/9", mercyToken), http.StatusNotFound, "not-found", "")
	revoke := func(body string) *httptest.ResponseRecorder {
		var b []byte
		if body != "" {
			b = []byte(body)
		}
		return w.do(http.MethodPost, path+"/$revoke-consent", mercyToken, b)
	}
	w.refused(revoke(`{"resourceType":"Parameters","parameter":[{"name":"returnToDefault","valueString":"yes"}]}`), http.StatusBadRequest, "not-supported", "Parameters.parameter")
	for range 2 { // revoking twice is revoking once
		if r := revoke(""); r.Code != http.StatusOK || r.Header().Get("ETag") != `W/"3"` || !strings.Contains(r.Body.String(), `"status":"inactive"`) {
			t.Errorf("revoke: %d %s", r.Code, r.Body)
		}
	}
	r = revoke(`{"resourceType":"Parameters","parameter":[{"name":"returnToDefault","valueBoolean":true}]}`)
	if r.Code != http.StatusOK || r.Header().Get("ETag") != `W/"4"` || !w.cabinet.versions[3].ReturnToDefault {
		t.Errorf("return to default: %d %s", r.Code, r.Body)
	}
	h := w.bundle(w.get(path+"/_history", mercyToken), http.StatusOK)
	if h.Type != "history" || len(h.Entry) != 4 || *h.Total != 4 || h.Entry[0].Response.Etag != `W/"4"` || h.Entry[3].Request.Method != http.MethodPost {
		t.Errorf("history: %+v", h.Type)
	}
}

func TestConsentsOfOthersAreLikeConsentsThereAreNot(t *testing.T) {
	w := newWard(t)
	path := w.filed(mercyToken, w.alice)
	nothing := "/fhir/Consent/" + w.sealer.ID("consent", int64(w.aliceRec), 999)
	changed := consentBody(refTo(w.alice))
	for _, tt := range []struct{ name, method, suffix string }{
		{"read", http.MethodGet, ""}, {"vread", http.MethodGet, "/_history/1"}, {"history", http.MethodGet, "/_history"},
		{"update", http.MethodPut, ""}, {"revoke", http.MethodPost, "/$revoke-consent"},
	} {
		var body []byte
		if tt.method == http.MethodPut {
			body = []byte(changed)
		}
		theirs := w.do(tt.method, path+tt.suffix, oakToken, body, "If-Match", `W/"1"`)
		for what, other := range map[string]string{"one there is not": nothing, "no id of ours": "/fhir/Consent/0123"} {
			none := w.do(tt.method, other+tt.suffix, oakToken, body, "If-Match", `W/"1"`)
			if theirs.Code != http.StatusNotFound || none.Code != theirs.Code || none.Body.String() != theirs.Body.String() {
				t.Errorf("%s: another's is %d, %s is %d", tt.name, theirs.Code, what, none.Code)
			}
		}
	}
	unknown := w.file(oakToken, consentBody(refTo(w.sealer.ID("patient", 5, 0))))
	for name, patient := range map[string]string{"another's patient": refTo(w.alice), "another's identifier": `{"identifier":{"system":"` + redSystem + `","value":"R-1"}}`,
		"an identifier nobody has": `{"identifier":{"system":"` + redSystem + `","value":"none"}}`, "no id of ours": refTo("x"), "a group": `{"reference":"Group/x"}`} {
		if r := w.file(oakToken, consentBody(patient)); r.Code != http.StatusBadRequest || r.Body.String() != unknown.Body.String() {
			t.Errorf("filing for %s: %d %s", name, r.Code, r.Body)
		}
	}
	empty := w.get("/fhir/Consent?patient=Patient/"+w.sealer.ID("patient", 5, 0), oakToken)
	for name, query := range map[string]string{"another's patient": "patient=Patient/" + w.alice, "another's identifier": "patient.identifier=" + redSystem + "%7CR-1",
		"one nobody has": "patient.identifier=" + redSystem + "%7Cnone"} {
		r := w.get("/fhir/Consent?"+query, oakToken)
		if r.Code != http.StatusOK || r.Body.String() != empty.Body.String() {
			t.Errorf("search for %s: %d %s", name, r.Code, r.Body)
		}
	}
	if n := len(w.cabinet.versions); n != 1 {
		t.Errorf("%d versions are on file, want 1", n)
	}
	w.refused(w.get(path, noScopeToken), http.StatusForbidden, "forbidden", "")
}

func TestThePatientFilesAndReadsTheirOwn(t *testing.T) {
	w := newWard(t)
	atMercy := w.filed(mercyToken, w.alice)
	w.filed(mercyToken, w.ruth)
	w.patientApp(w.oakRec)
	r := w.file("app", consentBody(refTo(w.alice))) // the same person's other record
	if r.Code != http.StatusCreated || !w.cabinet.versions[2].ByPatient {
		t.Fatalf("filing: %d %s", r.Code, r.Body)
	}
	if b := w.bundle(w.get("/fhir/Consent", "app"), http.StatusOK); len(b.Entry) != 2 {
		t.Errorf("the patient sees %d consents of theirs, want 2", len(b.Entry))
	}
	if r := w.get(atMercy, "app"); r.Code != http.StatusOK {
		t.Errorf("reading what Mercy filed: %d", r.Code)
	}
	if r := w.do(http.MethodPost, atMercy+"/$revoke-consent", "app", nil); r.Code != http.StatusOK {
		t.Errorf("revoking what Mercy filed: %d %s", r.Code, r.Body)
	}
	w.refused(w.file("app", consentBody(refTo(w.ruth))), http.StatusBadRequest, "business-rule", "Consent.patient")
	if b := w.bundle(w.get("/fhir/Consent?patient="+w.ruth, "app"), http.StatusOK); len(b.Entry) != 0 {
		t.Error("the patient sees somebody else's consent")
	}
}

func TestAPrivacyOfficerReadsAndDoesNotFile(t *testing.T) {
	w := newWard(t)
	atMercy, atOak := w.filed(mercyToken, w.alice), w.filed(oakToken, w.oaks)
	for _, tt := range []struct {
		org  hie.OrgID
		path string
		want int
	}{{"network", atMercy, 200}, {"network", atOak, 200}, {"mercy", atMercy, 200}, {"mercy", atOak, 404}, {"nowhere", atMercy, 404}} {
		w.officer(tt.org)
		if r := w.get(tt.path, "app"); r.Code != tt.want {
			t.Errorf("an officer of %s reads: %d, want %d", tt.org, r.Code, tt.want)
		}
	}
	w.officer("mercy")
	w.refused(w.do(http.MethodPost, atMercy+"/$revoke-consent", "app", nil), http.StatusForbidden, "forbidden", "")
	w.refused(w.file("app", consentBody(refTo(w.alice))), http.StatusBadRequest, "business-rule", "Consent.patient")
}

func TestConsentsAreSearched(t *testing.T) {
	w := newWard(t)
	for range 3 {
		w.filed(mercyToken, w.alice)
	}
	w.filed(mercyToken, w.ruth)
	w.do(http.MethodPost, w.filed(mercyToken, w.alice)+"/$revoke-consent", mercyToken, nil)
	for query, want := range map[string]int{
		"patient=Patient/" + w.alice: 4, "patient=" + w.alice: 4, "patient.identifier=" + redSystem + "%7CR-1": 4, "patient=" + w.alice + "&status=active": 3,
		"patient=" + w.alice + "&status=inactive": 1, "patient=" + w.alice + "&category=59284-0&scope=patient-privacy&date=2026": 4, "patient=" + w.alice + "&date=2025": 0, "patient=" + w.alice + "&_lastUpdated=lt2000": 0, "patient=" + w.alice + "&_lastUpdated=ge2000": 4,
		"patient=" + w.alice + "&patient=" + w.ruth: 0, "patient=" + w.ruth: 1,
	} {
		b := w.bundle(w.get("/fhir/Consent?"+query, mercyToken), http.StatusOK)
		if len(b.Entry) != want || *b.Total != want || strings.ContainsAny(b.Link[0].URL, "?|") {
			t.Errorf("%s: %d entries, total %d, self %s; want %d", query, len(b.Entry), *b.Total, b.Link[0].URL, want)
		}
		form := w.do(http.MethodPost, "/fhir/Consent/_search", mercyToken, []byte(query), "Content-Type", "application/x-www-form-urlencoded")
		if b := w.bundle(form, http.StatusOK); len(b.Entry) != want {
			t.Errorf("%s by POST: %d entries, want %d", query, len(b.Entry), want)
		}
	}
	seen, next := map[string]bool{}, "/fhir/Consent?_count=3&patient.identifier="+redSystem+"%7CR-1"
	for pages := 0; next != "" && pages < 5; pages++ {
		b := w.bundle(w.get(next, mercyToken), http.StatusOK)
		next = ""
		for _, e := range b.Entry {
			seen[e.FullURL] = true
		}
		for _, l := range b.Link {
			if l.Relation == "next" {
				if next = strings.TrimPrefix(l.URL, testBase); strings.Contains(next, "R-1") {
					t.Error("the next link names the patient")
				}
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("paging saw %d consents, want 4", len(seen))
	}
	w.refused(w.get("/fhir/Consent?status=active", mercyToken), http.StatusBadRequest, "required", "patient")
	w.refused(w.get("/fhir/Consent?patient="+w.alice+"&date=soon", mercyToken), http.StatusBadRequest, "value", "date")
	w.refused(w.get("/fhir/Consent?patient="+w.alice+","+w.ruth, mercyToken), http.StatusBadRequest, "value", "patient")
	strict := w.do(http.MethodGet, "/fhir/Consent?patient="+w.alice+"&colour=red", mercyToken, nil, "Prefer", "handling=strict")
	w.refused(strict, http.StatusBadRequest, "not-supported", "colour")
}

func TestNoLookAtConsentsWithoutItsRecord(t *testing.T) {
	w := newWard(t)
	path := w.filed(mercyToken, w.alice)
	w.trail.fault = hie.ErrUnavailable
	for _, p := range []string{path, path + "/_history", "/fhir/Consent?patient=" + w.alice} {
		if r := w.get(p, mercyToken); r.Code != http.StatusServiceUnavailable || strings.Contains(r.Body.String(), "OPTOUT") {
			t.Errorf("%s: %d", p, r.Code)
		}
	}
}

func badFilings() map[string]string {
	good := consentBody(refTo("x"))
	return map[string]string{"Consent.status": strings.Replace(good, `"status":"active",`, "", 1), "Consent.dateTime": strings.Replace(good, "2026-02", "2027-02", 1),
		"Consent.provision.type": strings.Replace(good, `"type":"deny"`, `"type":["deny"]`, 1)}
}

func TestABadFilingIsRefusedWithItsPlaceAndRecorded(t *testing.T) {
	w := newWard(t)
	for path, body := range badFilings() {
		w.trail.events = nil
		r := w.file(mercyToken, body)
		var oo fhir.OperationOutcome
		if err := fhir.Decode(r.Body.Bytes(), &oo); err != nil || r.Code != http.StatusBadRequest || !slices.Equal(oo.Issue[0].Expression, []string{path}) {
			t.Errorf("%s: %d %s", path, r.Code, r.Body)
		}
		if len(w.trail.events) != 1 || w.trail.events[0].Kind != audit.Refused {
			t.Errorf("%s: the refusal was not recorded", path)
		}
	}
}
