package server

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/federation/federationhttp"
	"github.com/concord-hie/concord/federation/federationpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/egress"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/opaque"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorpg"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// exchange is a whole node over a real PostgreSQL, listening, with two sites: "hospital" publishes, "rural" is asked
// live. What the sites hold is in bodies, by path.
type exchange struct {
	*testing.T
	node   *httptest.Server
	sealer *opaque.Sealer
	db     *pg.DB
	mu     *sync.Mutex
	bodies map[string]http.HandlerFunc
	live   string // the rural site's answer to searches
	tokens map[string]hie.Actor
	// notice puts a policy in force about what is told of what is withheld.
	notice func(consent.WithheldNotice)
	// rule puts rules in force beside the others.
	rule func(...consent.Rule)
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	x := &exchange{T: t, mu: new(sync.Mutex), bodies: map[string]http.HandlerFunc{}, live: `{"resourceType":"Bundle","type":"searchset"}`, db: pgtest.DB(t)}
	log := slog.New(slog.DiscardHandler)
	sites := httptest.NewServer(http.HandlerFunc(x.site))
	t.Cleanup(sites.Close)
	org := func(id string) directory.Organization {
		return directory.Organization{ID: hie.OrgID(id), Name: id, Identifier: "urn:org:" + id, Jurisdiction: "US-MD", Active: true}
	}
	site := func(id string, publishes bool) directory.Site {
		return directory.Site{ID: hie.SiteID(id), Org: hie.OrgID(id), Name: "The " + id, Authorities: []string{"urn:" + id}, Zone: "UTC", Labelled: true,
			Publishes: publishes, Active: true, Membership: directory.Live, Regimes: []string{}, Endpoints: []directory.Endpoint{{ID: id + "-fhir", Protocol: "fhir-r4", Address: sites.URL + "/" + id}}}
	}
	network, err := directory.NewNetwork(1, []directory.Organization{org("clinic"), org("hospital"), org("rural")},
		[]directory.Site{site("clinic", true), site("hospital", true), site("rural", false)},
		[]directory.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}})
	if err != nil {
		t.Fatal(err)
	}
	options, err := consentjson.Options(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	env, err := consent.FromNetwork(network, options)
	if err != nil {
		t.Fatal(err)
	}
	networks, envs := func() *directory.Network { return network }, func() *consent.Env {
		x.mu.Lock()
		defer x.mu.Unlock()
		return env
	}
	x.rule = func(rules ...consent.Rule) {
		x.mu.Lock()
		defer x.mu.Unlock()
		options.Rules = append(slices.Clip(options.Rules), rules...)
		options.Version++
		if env, err = consent.FromNetwork(network, options); err != nil {
			t.Fatal(err)
		}
	}
	x.notice = func(n consent.WithheldNotice) {
		x.mu.Lock()
		defer x.mu.Unlock()
		options.Notice = n
		options.Version++
		if env, err = consent.FromNetwork(network, options); err != nil {
			t.Fatal(err)
		}
	}
	if x.sealer, err = opaque.New(bytes.Repeat([]byte{7}, 32)); err != nil {
		t.Fatal(err)
	}
	guard, err := egress.New(egress.Options{Allow: []string{"127.0.0.0/8"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	ids, trail := hie.NewIDs(nil), auditpg.New(x.db)
	patients := mpi.New(mpipg.New(x.db, auditpg.Append), ids, trail, mpi.Options{})
	documents := locator.New(locatorpg.New(x.db), networks, ids, nil)
	consents := consentpg.New(x.db, ids, auditpg.Append, hie.Now)
	parts := federation.New(federation.Parts{
		Patients: patients, Holdings: documents, Directives: consents.Load, Handles: federationpg.New(x.db), Record: trail.Record, Network: networks, Env: envs,
		Sites: federationhttp.New(federationhttp.Options{Guard: guard, Network: networks, Log: log, Idle: 300 * time.Millisecond}),
		Epochs: func(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]int64, error) {
			return epoch.Read(ctx, x.db, records)
		},
		DocumentID: func(r locator.Ref) string { return x.sealer.ID("document", int64(r.Record), int64(r.ID)) },
		Limits:     federation.Limits{Budget: time.Second},
	})
	all := []string{"system/*.cruds"}
	x.tokens = map[string]hie.Actor{}
	for _, o := range []hie.OrgID{"clinic", "hospital", "rural"} {
		x.tokens[string(o)] = hie.Actor{Organization: o, Client: hie.ClientID(o + "-emr"), User: "dr-" + string(o), Roles: []string{"physician"}, Purposes: []hie.Purpose{hie.PurposeTreat}, Scopes: all}
	}
	billing := x.tokens["clinic"]
	billing.Purposes = []hie.Purpose{"HPAYMT"}
	x.tokens["clinic-billing"] = billing
	colleague := x.tokens["clinic"]
	colleague.User = "dr-b"
	x.tokens["clinic-colleague"] = colleague
	door := New(Config{Version: "test"}, Deps{Sealer: x.sealer, Network: networks, Log: log, Audit: trail, Patients: patients, Nameable: parts.Nameable,
		Documents: documents, Visible: parts.Visible, Exchange: parts, Consents: consents, ConsentEnv: envs, Emergencies: consents,
		Verify: func(_ context.Context, p access.Presented) (hie.Actor, error) {
			x.mu.Lock()
			defer x.mu.Unlock()
			a, ok := x.tokens[p.Token]
			if !ok {
				return a, hie.ErrUnauthenticated
			}
			return a, nil
		}})
	x.node = httptest.NewServer(door)
	t.Cleanup(x.node.Close)
	door.cfg.BaseURL = x.node.URL
	for _, s := range []string{"clinic", "hospital", "rural"} {
		x.want(http.StatusCreated, s, http.MethodPut, "/fhir/Patient?identifier=urn:"+s+"%7Cm-1", patientAt("urn:"+s, "m-1"))
	}
	return x
}

func patientAt(system, value string) string {
	return `{"resourceType":"Patient","active":true,"identifier":[{"system":"` + system + `","value":"` + value + `"}],"name":[{"family":"Zyxquill","given":["Maria"]}],
		"gender":"female","birthDate":"1958-01-30","telecom":[{"system":"phone","value":"410-827-2231"}],"address":[{"line":["12 Harbor Way"],"city":"Towson","state":"MD","postalCode":"21204"}]}`
}

// site is the simulated sites' server.
func (x *exchange) site(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(b))
	x.mu.Lock()
	h, live := x.bodies[r.URL.Path], x.live
	x.mu.Unlock()
	switch {
	case r.URL.Path == "/rural/DocumentReference/_search":
		_, _ = io.WriteString(w, live)
	case h != nil:
		h(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

type reply struct {
	status int
	header http.Header
	body   []byte
	err    error // of reading the body to its end
}

func (x *exchange) ask(token, method, path, body string, headers ...string) reply {
	x.Helper()
	req, err := http.NewRequest(method, x.node.URL+path, strings.NewReader(body))
	if err != nil {
		x.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		x.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, b, err}
}

func (x *exchange) want(status int, token, method, path, body string, headers ...string) reply {
	x.Helper()
	r := x.ask(token, method, path, body, headers...)
	if r.status != status {
		x.Fatalf("%s %s: %d, want %d: %s", method, path, r.status, status, r.body)
	}
	return r
}

// publish publishes a document of the hospital whose bytes are b, and lets the hospital serve them.
func (x *exchange) publish(n int, b []byte, serve http.HandlerFunc) {
	x.Helper()
	x.want(http.StatusCreated, "hospital", http.MethodPost, "/fhir/DocumentReference", docAt("hospital", n, b))
	x.hold("/hospital/Binary/"+fmt.Sprint(n), b, serve)
}

func (x *exchange) hold(path string, b []byte, serve http.HandlerFunc) {
	if serve == nil {
		serve = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write(b)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.bodies[path] = serve
}

func docAt(site string, n int, b []byte) string {
	facts := ""
	if b != nil {
		sum := sha1.Sum(b)
		facts = fmt.Sprintf(`,"size":%d,"hash":"%s"`, len(b), base64.StdEncoding.EncodeToString(sum[:]))
	}
	return fmt.Sprintf(`{"resourceType":"DocumentReference","status":"current","masterIdentifier":{"system":"urn:ids:%s","value":"u-%d"},
		"subject":{"identifier":{"system":"urn:%s","value":"m-1"}},"type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},
		"category":[{"coding":[{"system":"http://loinc.org","code":"18842-5"}]}],"date":"2026-01-%02dT10:00:00Z",
		"securityLabel":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]}],
		"content":[{"attachment":{"contentType":"text/plain","url":"Binary/%d"%s}}]}`, site, n, site, n%28+1, n, facts)
}

// search returns the documents of a page, the outcome issues, and the bundle.
func (x *exchange) search(token, query string) (docs []fhir.DocumentReference, issues []fhir.Issue, b fhir.Bundle) {
	x.Helper()
	r := x.want(http.StatusOK, token, http.MethodGet, "/fhir/DocumentReference?"+query, "")
	if err := fhir.Decode(r.body, &b); err != nil {
		x.Fatal(err)
	}
	for _, e := range b.Entry {
		if e.Search.Mode == "outcome" {
			var oo fhir.OperationOutcome
			if err := fhir.Decode(e.Resource, &oo); err != nil {
				x.Fatal(err)
			}
			issues = oo.Issue
			continue
		}
		var d fhir.DocumentReference
		if err := fhir.Decode(e.Resource, &d); err != nil {
			x.Fatal(err)
		}
		docs = append(docs, d)
	}
	return docs, issues, b
}

const mine = "patient.identifier=urn:clinic%7Cm-1"

// first returns the path of the first document found.
func (x *exchange) first() string {
	x.Helper()
	docs, _, _ := x.search("clinic", mine)
	if len(docs) == 0 {
		x.Fatal("no document found")
	}
	return strings.TrimPrefix(docs[0].Content[0].Attachment.URL, x.node.URL)
}

func (x *exchange) patientID(token, system string) string {
	x.Helper()
	var b fhir.Bundle
	r := x.want(http.StatusOK, token, http.MethodGet, "/fhir/Patient?identifier="+system+"%7Cm-1", "")
	if err := fhir.Decode(r.body, &b); err != nil {
		x.Fatal(err)
	}
	for _, e := range b.Entry {
		var h fhir.Header
		if fhir.Decode(e.Resource, &h) == nil && h.ResourceType == "Patient" && bytes.Contains(e.Resource, []byte(system+`"`)) {
			return h.ID
		}
	}
	x.Fatal("patient not found")
	return ""
}

// optOut files Maria's no at the clinic, and returns once it is acknowledged.
func (x *exchange) optOut() {
	x.Helper()
	x.file("OPTOUT", `{"type":"deny"}`)
}

// file files a wish of Maria's at the clinic, and returns once it is acknowledged.
func (x *exchange) file(rule, provision string) {
	x.Helper()
	x.filed(rule, provision, "")
}

// filed is file with more members.
func (x *exchange) filed(rule, provision, more string) {
	x.Helper()
	id := x.patientID("clinic", "urn:clinic")
	record, _, err := x.sealer.OpenID("patient", id)
	if err != nil {
		x.Fatal(err)
	}
	x.mu.Lock()
	x.tokens["maria"] = hie.Actor{Organization: "clinic", Client: "app", User: "maria", Roles: []string{hie.RolePatient}, Purposes: []hie.Purpose{hie.PurposePatientRequest},
		Scopes: []string{"patient/*.cruds"}, Patient: hie.SourcePatientID(record)}
	x.mu.Unlock()
	x.want(http.StatusCreated, "maria", http.MethodPost, "/fhir/Consent", `{"resourceType":"Consent",`+more+`"status":"active","patient":{"reference":"Patient/`+id+`"},
		"performer":[{"reference":"Patient/`+id+`"}],"dateTime":"`+time.Now().UTC().Format(time.RFC3339)+`",
		"scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
		"category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],
		"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"`+rule+`"}]},"provision":`+provision+`}`)
}

// face is all that can be told of an answer from outside.
func face(r reply) string {
	h := r.header.Clone()
	h.Del("Date")
	h.Del("X-Request-Id")
	var lines []string
	for k, v := range h {
		lines = append(lines, k+": "+strings.Join(v, "|"))
	}
	slices.Sort(lines)
	return fmt.Sprint(r.status, "\n", strings.Join(lines, "\n"), "\n\n", string(r.body))
}
