package main

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accesspg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/opaque"
	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/internal/token"
	"github.com/concord-hie/concord/mpi"
)

// A town is an exchange in which one of everything is kept: documents published and found live, a list, consents, a
// claimed emergency, a task, a link a steward made; with clients of every sort, good and hostile.
type town struct {
	*exchangeUnderTest
	sealer *opaque.Sealer
	// real are the names of what there is, for the places {in braces} of requests; never those of what there never
	// was, under the same keys: ids well sealed, of rows nobody wrote.
	real, never map[string]string
}

// Further askers than the story's.
var (
	asReader  = asker{purposes: "HCOMPL", user: "i.lowe", name: "Imani Lowe", role: "auditor", scopes: "system/AuditEvent.rs concord/audit.read"}
	asOfficer = asker{purposes: "HCOMPL", user: "p.stone", name: "Priya Stone", role: "privacy-officer",
		scopes: "system/AuditEvent.rs system/Consent.cruds concord/review.read concord/review.write concord/audit.read concord/consent.read " +
			"concord/consent.write concord/report.read concord/report.write concord/policy.read concord/policy.write"}
	asSteward  = asker{purposes: "PATADMIN", user: "m.reyes", name: "Marta Reyes", role: "steward", scopes: "system/Patient.rs concord/match.read concord/match.write"}
	asOperator = asker{purposes: "HSYSADMIN", user: "o.quist", name: "Omar Quist", role: "operator", scopes: "system/Organization.rs system/Endpoint.rs concord/site.read concord/site.write"}
	asPayer    = asker{purposes: "HPAYMT", user: "c.bill", name: "Casey Bill", role: "nurse", scopes: strings.Join(emrScopes, " ")}
	asClerk    = asker{purposes: "HOPERAT", scopes: "system/Consent.cruds"}
)

// newTown starts a town with n nodes.
func newTown(t *testing.T, n int) *town {
	t.Helper()
	x := newExchange(t, n)
	sealer, err := readSealer(keysIn(filepath.Join(x.dir, "keys")).secret)
	if err != nil {
		t.Fatal(err)
	}
	w := &town{exchangeUnderTest: x, sealer: sealer, real: map[string]string{}, never: map[string]string{}}
	w.admit("new-dawn", access.Client{ID: "new-dawn-desk", Scopes: []string{"system/AuditEvent.rs", "system/Consent.cruds", "system/Patient.rs", "concord/match.read",
		"concord/match.write", "concord/review.read", "concord/review.write", "concord/audit.read", "concord/consent.read", "concord/consent.write", "concord/report.read",
		"concord/report.write", "concord/policy.read", "concord/policy.write"},
		Purposes: []hie.Purpose{"HCOMPL", "PATADMIN", "HOPERAT"}, Roles: []string{hie.RoleSteward, hie.RolePrivacyOfficer, hie.RoleAuditor}},
		access.Client{ID: "new-dawn-emr-2", Scopes: emrScopes, Purposes: emrPurposes, Roles: []string{"physician", "nurse"}})
	w.admit("harbor-general", access.Client{ID: "harbor-app", PatientAccess: true, Scopes: []string{"patient/*.cruds"}, Purposes: []hie.Purpose{hie.PurposePatientRequest}})
	w.admit("harbor-general", access.Client{ID: "harbor-desk", Scopes: []string{"concord/review.read", "concord/review.write"}, Purposes: []hie.Purpose{"HCOMPL"},
		Roles: []string{hie.RolePrivacyOfficer}})
	w.admit("riverside", access.Client{ID: "riverside-emr-2", Scopes: emrScopes, Purposes: emrPurposes, Roles: []string{"physician", "nurse"}})
	time.Sleep(1200 * time.Millisecond) // every node has looked at the clients since

	w.people()
	w.records()
	w.desks()
	w.followed()
	w.real["since"] = time.Now().UTC().Format(time.RFC3339)
	w.real["tomorrow"] = time.Now().AddDate(0, 0, 1).UTC().Format(time.RFC3339)
	w.never["since"], w.never["tomorrow"] = w.real["since"], w.real["tomorrow"]
	return w
}

// followed waits until a request can be followed. Of ordinary requests a node keeps only so many a second, and the second that
// sets the town up may be used up: then another is made.
func (w *town) followed() {
	w.t.Helper()
	w.never["traced"] = "019379e0-0000-7000-8000-000000000000"
	for range 10 {
		r := w.must(http.StatusOK, "harbor-main-emr", treating, http.MethodGet, "/fhir/Organization", nil)
		w.real["traced"] = r.header.Get("X-Request-Id")
		for range 30 {
			var n int
			if err := w.db.SQL().QueryRowContext(w.ctx, `select count(*) from federation.trace where request = $1`, w.real["traced"]).Scan(&n); err != nil {
				w.t.Fatal(err)
			}
			if n == 1 {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	w.t.Fatal("no request can be followed")
}

// admit registers clients of an organisation of the region, each with a key of its own.
func (w *town) admit(org string, clients ...access.Client) {
	w.t.Helper()
	uri := ""
	for _, s := range w.region.Sites {
		if s.Org == org {
			uri = s.OrgURI
		}
	}
	for i := range clients {
		c := &clients[i]
		signer, err := token.Generate(token.ES384)
		if err != nil {
			w.t.Fatal(err)
		}
		public := signer.Public()
		c.Name, c.Organization, c.Status, c.Scopes = string(c.ID), hie.OrgID(org), access.Active, access.NormalScopes(c.Scopes)
		c.Keys = map[string]access.Key{public.Kid: {Kid: public.Kid, Alg: public.Alg, Public: public}}
		w.clients[string(c.ID)] = &demoClient{Client: *c, api: newAPIClient(w.base, string(c.ID), uri, signer)}
	}
	if _, err := accesspg.New(w.db).Apply(w.ctx, operatorActor, clients, false); err != nil {
		w.t.Fatal(err)
	}
}

var operatorActor = hie.Actor{Organization: exchangeOrg, Client: "test", Roles: []string{hie.RoleOperator}}

// name keeps an id of a kind that is sealed, and makes one of the kind that was never given.
func (w *town) name(key, kind, id string) {
	w.t.Helper()
	if _, _, err := w.sealer.OpenID(kind, id); err != nil {
		w.t.Fatalf("%s: not an id of a %s", key, kind)
	}
	w.real[key] = id
	n := int64(len(w.never) + 1)
	w.never[key] = w.sealer.ID(kind, 1<<60+n, 1<<59+n)
	if kind != "representative" && kind != "document" && kind != "binary" && kind != "live" && kind != "list" && kind != "consent" && kind != "report" {
		w.never[key] = w.sealer.ID(kind, 1<<60+n, 0)
	}
}

func (w *town) people() {
	w.t.Helper()
	maria, okafor, linda, carlos, denise := w.person(sim.Ordinary), w.person(sim.OptedOut), w.person(sim.EmergencyOnly), w.person(sim.Overlay), w.person(sim.AskedLive)
	james := w.region.Story(sim.Namesakes)
	w.enter(maria, okafor, linda, carlos, denise, james[0], james[1])
	if err := w.overlay(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	for _, p := range []struct {
		key, site string
		person    sim.Person
	}{{"patient", "harbor-main", maria}, {"mine", "riverside-clinic", maria}, {"refuser", "riverside-clinic", okafor}, {"other", "harbor-main", linda},
		{"first", "riverside-clinic", james[0]}, {"second", "harbor-main", james[1]}} {
		id, err := w.patientID(w.ctx, p.person, p.site)
		if err != nil {
			w.t.Fatal(err)
		}
		w.name(p.key, "patient", id)
	}
	w.never["other"] = w.real["other"] // who asks, not who is asked about
	w.real["system"], w.never["system"] = w.authority("harbor-main"), w.authority("harbor-main")
	w.real["local"], w.never["local"] = w.local(maria, "harbor-main"), sim.Unknown
	w.real["family"], w.never["family"] = "Alvarez", "Nobodyson"
}

// records makes and finds one of each thing kept about Maria.
func (w *town) records() {
	w.t.Helper()
	maria, denise := w.person(sim.Ordinary), w.person(sim.AskedLive)
	reference := string(pointerPost(w.exchangeUnderTest, w.real["local"], "urn:town:1"))
	stored := w.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/DocumentReference", []byte(reference))
	w.name("document", "document", idOf(w.t, stored))
	quoted := strings.Replace(reference, `{`, `{"id":"{document}",`, 1)
	w.real["reference"] = strings.Replace(quoted, w.real["local"]+`"`, `{local}"`, 1)
	w.never["reference"] = w.real["reference"]

	g := w.region.Of(maria, "harbor-main")[0]
	site, _ := w.region.Site("harbor-main")
	bundle := w.provideBundle(site, g, 0, 1)
	w.real["bundle"] = strings.ReplaceAll(string(bundle), `"`+g.Local+`"`, `"{local}"`)
	w.never["bundle"] = w.real["bundle"]
	var done struct {
		Entry []struct{ Response struct{ Location string } }
	}
	if err := json.Unmarshal(w.must(http.StatusOK, "harbor-main-feed", feeding, http.MethodPost, "/fhir", bundle).body, &done); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range done.Entry {
		if _, id, ok := strings.Cut(e.Response.Location, "/List/"); ok {
			w.name("list", "list", id)
		}
	}
	for _, u := range attachments(w.t, w.search("riverside-clinic", treating, w.at(maria, "riverside-clinic"))) {
		id := u[strings.LastIndexByte(u, '/')+1:]
		r, err := w.clients["riverside-clinic-emr"].api.call(w.ctx, treating, http.MethodGet, u, nil)
		if _, _, sealed := w.sealer.OpenID("binary", id); err == nil && r.status == http.StatusOK && sealed == nil {
			w.name("binary", "binary", id)
		}
	}
	for _, u := range attachments(w.t, w.search("riverside-clinic", treating, w.at(denise, "riverside-clinic"))) {
		if id := u[strings.LastIndexByte(u, '/')+1:]; w.real["live"] == "" {
			if _, _, err := w.sealer.OpenID("live", id); err == nil {
				w.name("live", "live", id)
			}
		}
	}
	for _, key := range []string{"list", "binary", "live"} {
		if w.real[key] == "" {
			w.t.Fatalf("the town has no %s", key)
		}
	}
}

// desks files a consent, claims an emergency, takes two men for one and reads what the desks see of it.
func (w *town) desks() {
	w.t.Helper()
	id := w.real["refuser"]
	consent := string(refusal("{refuser}", true, time.Now()))
	filed := w.must(http.StatusCreated, "patient-app", patientActs(id), http.MethodPost, "/fhir/Consent", []byte(strings.ReplaceAll(consent, "{refuser}", id)))
	w.name("consent", "consent", idOf(w.t, filed))
	w.real["filing"], w.never["filing"] = consent, consent
	papers := `{"resourceType":"Parameters","parameter":[{"name":"consent","resource":` + consent + `},{"name":"document","resource":` +
		`{"resourceType":"DocumentReference","status":"current","content":[{"attachment":{"contentType":"image/png","data":"c2Nhbg=="}}]}}]}`
	w.real["papers"], w.never["papers"] = papers, papers
	w.paper()
	w.wishDesk()
	revision := strings.Replace(consent, `{`, `{"id":"{consent}",`, 1)
	w.real["revision"], w.never["revision"] = revision, revision

	w.real["claim"] = `{"resourceType":"Parameters","parameter":[{"name":"identifier","valueIdentifier":{"system":"{system}","value":"{local}"}},
 {"name":"reason","valueCode":"unconscious"},{"name":"text","valueString":"Found unconscious at home; history needed now."},
 {"name":"attested","valueCode":"emergency-exists"},{"name":"attested","valueCode":"consent-not-obtainable-in-time"},{"name":"attested","valueCode":"not-refused-if-able"}]}`
	w.never["claim"] = w.real["claim"]
	w.must(http.StatusOK, "riverside-clinic-emr", claiming, http.MethodPost, "/fhir/Patient/$break-glass", []byte(w.fill(w.real["claim"], w.real)))
	var reviews struct{ Reviews []struct{ ID string } }
	decode(w.t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodGet, "/admin/v1/reviews", nil), &reviews)
	w.name("review", "review", reviews.Reviews[0].ID)

	drafting := asOfficer
	drafting.user, drafting.name = "h.vale", "Hester Vale" // who approves is somebody else
	w.real["pack"], w.never["pack"] = shield, shield
	w.must(http.StatusOK, "privacy-desk", drafting, http.MethodPost, "/admin/v1/policies", []byte(`{"content":`+shield+`}`))
	w.real["policy"], w.never["policy"] = "mercy-shield", "never-drafted"

	var tasks struct{ Tasks []struct{ ID string } }
	decode(w.t, w.must(http.StatusOK, "steward-desk", asSteward, http.MethodGet, "/admin/v1/match/tasks", nil), &tasks)
	if len(tasks.Tasks) == 0 {
		w.t.Fatal("the overlay gave no task")
	}
	w.name("task", "task", tasks.Tasks[0].ID)
	var owed struct{ ID string }
	decode(w.t, w.must(http.StatusOK, "patient-app", patientActs(w.real["refuser"]), http.MethodPost, "/admin/v1/reports/requests",
		map[string]any{"kind": "copy", "organization": "harbor-general"}), &owed)
	w.name("owed", "report", owed.ID)
	var reported struct{ ID string }
	decode(w.t, w.must(http.StatusOK, "steward-desk", asSteward, http.MethodPost, "/admin/v1/match/tasks", map[string]any{"record": w.real["patient"], "reason": "not mine"}), &reported)
	w.name("reported", "task", reported.ID)
	var done struct{ Change string }
	decode(w.t, w.must(http.StatusOK, "steward-desk", asSteward, http.MethodPost, "/admin/v1/match/verdicts",
		map[string]any{"records": []string{w.real["first"], w.real["second"]}, "verdict": "same", "reason": "one man, it seems"}), &done)
	w.name("change", "change", done.Change)
	var person struct{ Person string }
	decode(w.t, w.must(http.StatusOK, "steward-desk", asSteward, http.MethodGet, "/admin/v1/match/records/"+w.real["first"], nil), &person)
	w.name("person", "person", person.Person)

	var trail struct {
		Entry []struct {
			Resource struct{ ResourceType, ID string }
		}
	}
	decode(w.t, w.must(http.StatusOK, "auditor-desk", asReader, http.MethodGet, "/fhir/AuditEvent?date=ge2000&agent=Organization/harbor-general&patient=Patient/"+w.real["patient"], nil), &trail)
	for _, e := range trail.Entry {
		if e.Resource.ResourceType == "AuditEvent" {
			w.real["event"], w.never["event"] = e.Resource.ID, "019379e0-0000-7000-8000-000000000000"
		}
	}
	if w.real["event"] == "" {
		w.t.Fatal("the trail shows nothing the hospital did about its patient")
	}
}

// wishDesk leaves something for the desk to see to, somebody who acts for Maria, and a form proposed by somebody else.
func (w *town) wishDesk() {
	w.t.Helper()
	var tasks struct{ Tasks []struct{ ID string } }
	decode(w.t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodGet, "/admin/v1/consent/tasks", nil), &tasks)
	if len(tasks.Tasks) == 0 {
		w.t.Fatal("an unverified consent gave the desk nothing to do")
	}
	w.name("desk", "desk", tasks.Tasks[0].ID)
	var r struct{ ID string }
	decode(w.t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/representatives",
		map[string]any{"patient": w.real["patient"], "ref": "RelatedPerson/son", "capacity": "agent", "rights": "manage"}), &r)
	w.name("representative", "representative", r.ID)
	decode(w.t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/instruments",
		map[string]any{"patient": w.real["patient"], "kind": "court-order", "organization": "riverside", "from": "2026-01-01T00:00:00Z", "ground": "order 7 of 2026"}), &r)
	w.name("instrument", "instrument", r.ID)
	form := string(consentfhir.WriteTemplate(consent.BuiltinTemplates()[0]))
	form = strings.Replace(form, `"id":"share"`, `"id":"share-more"`, 1)
	other := asOfficer
	other.user = "q.stone"
	w.must(http.StatusOK, "privacy-desk", other, http.MethodPost, "/admin/v1/consent/forms", json.RawMessage(form))
	w.real["form"], w.never["form"] = form, form
}

// paper files a consent that the hospital took down itself, for its own patient.
func (w *town) paper() {
	w.t.Helper()
	body := strings.Replace(string(refusal(w.real["patient"], false, time.Now())), `"deny"`, `"deny","purpose":[{"code":"HMARKT"}]`, 1)
	body = strings.Replace(body, `{`, `{"verification":[{"verified":false}],`, 1)
	filed := w.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/Consent", []byte(body))
	w.name("paper", "consent", idOf(w.t, filed))
}

func idOf(t testing.TB, r reply) string {
	t.Helper()
	var h struct{ ID string }
	decode(t, r, &h)
	return h.ID
}

func decode(t testing.TB, r reply, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("status %d: not JSON", r.status)
	}
}

// fill puts names into the places of a request.
func (w *town) fill(s string, names map[string]string) string {
	for range 2 { // what is put in may have places of its own
		for key, value := range names {
			s = strings.ReplaceAll(s, "{"+key+"}", value)
		}
	}
	return s
}

// fillURL is fill for a path with a query.
func (w *town) fillURL(s string, names map[string]string) string {
	path, query, asked := strings.Cut(s, "?")
	if path = w.fill(path, names); !asked {
		return path
	}
	escaped := map[string]string{}
	for key, value := range names {
		escaped[key] = url.QueryEscape(value)
	}
	return path + "?" + w.fill(query, escaped)
}

// kept are the schemas that hold what clients can change. The audit trail, which grows by refusals, is not among them.
var kept = []string{"access", "consent", "directory", "federation", "locator", "mpi"}

// seen are the tables in which nodes note by themselves how sites answer and how long requests take, what copies of what binds
// registrations say (a wish that queues one moves its record's epoch, which shows), and when the desk was last swept.
var seen = []string{"federation.site_minute", "federation.site_state", "federation.endpoint_probe", "federation.trace",
	"consent.copy", "consent.copy_due", "consent.copy_feed", "consent.desk_sweep"}

// digest is the state of everything kept: any write, of the same values too, shows; a lock does not.
func (w *town) digest() map[string]string {
	w.t.Helper()
	var parts []string
	for _, schema := range kept {
		names, err := pgNames(w.exchangeUnderTest, schema)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, name := range names {
			if slices.Contains(seen, schema+"."+name) {
				continue
			}
			if name == "review_task" { // a node weighs the queue anew by itself
				parts = append(parts, `select 'mpi.review_task', count(*) || ' ' || coalesce(md5(string_agg((to_jsonb(t) - 'risk')::text, ',' order by t.task_id)), '') from mpi.review_task t`)
				continue
			}
			where := ""
			if name == "notice_reader" { // a node reads by itself
				where = " where name not like '" + mpi.OwnReaders + "%'"
			}
			parts = append(parts, fmt.Sprintf(`select '%[1]s.%[2]s', count(*) || ' ' || coalesce(md5(string_agg(ctid::text || xmin::text, ',' order by ctid)), '') from %[1]s.%[2]s%[3]s`, schema, name, where))
		}
	}
	if len(parts) < 20 {
		w.t.Fatalf("only %d tables: nothing would be shown", len(parts))
	}
	rows, err := w.db.SQL().QueryContext(w.ctx, strings.Join(parts, " union all "))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	out := map[string]string{}
	for rows.Next() {
		var table, state string
		if err := rows.Scan(&table, &state); err != nil {
			w.t.Fatal(err)
		}
		out[table] = state
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// unchanged reports each table that differs from before.
func (w *town) unchanged(t testing.TB, before map[string]string) {
	t.Helper()
	for table, state := range w.digest() {
		if before[table] != state {
			t.Errorf("%s was changed: %s, was %s", table, state, before[table])
		}
	}
}

// mark is a short digest, to compare answers without showing them.
func mark(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:4])
}
