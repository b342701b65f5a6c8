package server

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
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
			Publishes: publishes, Active: true, Regimes: []string{}, Endpoints: []directory.Endpoint{{ID: id + "-fhir", Protocol: "fhir-r4", Address: sites.URL + "/" + id}}}
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
	networks, envs := func() *directory.Network { return network }, func() *consent.Env { return env }
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
	id := x.patientID("clinic", "urn:clinic")
	record, _, err := x.sealer.OpenID("patient", id)
	if err != nil {
		x.Fatal(err)
	}
	x.mu.Lock()
	x.tokens["maria"] = hie.Actor{Organization: "clinic", Client: "app", User: "maria", Roles: []string{hie.RolePatient}, Purposes: []hie.Purpose{hie.PurposePatientRequest},
		Scopes: []string{"patient/*.cruds"}, Patient: hie.SourcePatientID(record)}
	x.mu.Unlock()
	x.want(http.StatusCreated, "maria", http.MethodPost, "/fhir/Consent", `{"resourceType":"Consent","status":"active","patient":{"reference":"Patient/`+id+`"},
		"performer":[{"reference":"Patient/`+id+`"}],"dateTime":"`+time.Now().UTC().Format(time.RFC3339)+`",
		"scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
		"category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],
		"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTOUT"}]},"provision":{"type":"deny"}}`)
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

func TestADocumentIsLocatedAndOpenedByAnotherOrganisation(t *testing.T) {
	x := newExchange(t)
	b := []byte("discharged in good health")
	x.publish(1, b, nil)
	x.live = `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":` + docAt("rural", 2, []byte("seen at home")) + `}]}`
	x.hold("/rural/Binary/2", []byte("seen at home"), nil)

	docs, issues, bundle := x.search("clinic", mine+"&status=current&type=34133-9")
	if len(docs) != 2 || *bundle.Total != 2 || len(issues) != 1 || issues[0].Diagnostics != mayBeWithheld.Diagnostics {
		t.Fatalf("%d documents of %d, %d issues", len(docs), *bundle.Total, len(issues))
	}
	if self := bundle.Link[0].URL; strings.Contains(self, "m-1") || !strings.Contains(self, "type=34133-9") {
		t.Errorf("self link %s", self)
	}
	for i, want := range []string{"seen at home", string(b)} {
		u := docs[i].Content[0].Attachment.URL
		r := x.want(http.StatusOK, "clinic", http.MethodGet, strings.TrimPrefix(u, x.node.URL), "")
		if string(r.body) != want || r.header.Get("Content-Type") != "text/plain" || r.header.Get("Content-Length") != fmt.Sprint(len(want)) || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q, %v", r.body, r.header)
		}
		full := strings.TrimPrefix(bundle.Entry[i].FullURL, x.node.URL)
		var again fhir.DocumentReference
		if err := fhir.Decode(x.want(http.StatusOK, "clinic", http.MethodGet, full, "").body, &again); err != nil || again.ID != docs[i].ID {
			t.Errorf("the entry's fullUrl does not lead to it: %v", err)
		}
	}
	wrapped := x.want(http.StatusOK, "clinic", http.MethodGet, x.first(), "", "Accept", "application/fhir+json")
	var binary struct {
		ResourceType string `json:"resourceType"`
		ContentType  string `json:"contentType"`
		Data         []byte `json:"data"`
	}
	if err := fhir.Decode(wrapped.body, &binary); err != nil || string(binary.Data) != "seen at home" || binary.ContentType != "text/plain" {
		t.Errorf("as a Binary resource: %v %s", err, wrapped.body)
	}
	x.want(http.StatusNotAcceptable, "clinic", http.MethodGet, x.first(), "", "Accept", "image/png")

	var places fhir.Parameters
	if err := fhir.Decode(x.want(http.StatusOK, "clinic", http.MethodGet, "/fhir/DocumentReference/$presence?"+mine, "").body, &places); err != nil || len(places.Parameter) != 2 {
		t.Fatalf("presence: %v, %d parameters", err, len(places.Parameter))
	}
	if p := places.Parameter[0].Part; p[0].ValueReference.Reference != "Organization/hospital" || p[1].ValueCode != "18842-5" || *p[2].ValueInteger != 1 {
		t.Errorf("presence does not tell site, class and count")
	}
	byBody := x.want(http.StatusOK, "clinic", http.MethodPost, "/fhir/DocumentReference/$presence",
		`{"resourceType":"Parameters","parameter":[{"name":"patient.identifier","valueIdentifier":{"system":"urn:clinic","value":"m-1"}}]}`)
	if !bytes.Contains(byBody.body, []byte("Organization/hospital")) {
		t.Error("presence asked by Parameters differs")
	}
}

func TestUnknownEmptyWithheldAndRefusedLookAlike(t *testing.T) {
	x := newExchange(t)
	x.want(http.StatusCreated, "clinic", http.MethodPut, "/fhir/Patient?identifier=urn:clinic%7Cempty",
		`{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:clinic","value":"empty"}],"name":[{"family":"Blankenship","given":["Nathaniel"]}],"birthDate":"1939-02-02"}`)
	x.publish(1, []byte("one"), nil)
	x.live = `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":` + docAt("rural", 2, []byte("seen at home")) + `}]}`
	docs, _, _ := x.search("clinic", mine)
	id := x.patientID("clinic", "urn:clinic")
	x.optOut()
	forged := x.sealer.ID("patient", 404, 0)
	for _, tt := range []struct {
		name, method, path string
		form               bool
	}{
		{"search", http.MethodGet, "/fhir/DocumentReference?status=current&", false},
		{"search by form", http.MethodPost, "/fhir/DocumentReference/_search", true},
		{"count", http.MethodGet, "/fhir/DocumentReference?_summary=count&", false},
		{"presence", http.MethodGet, "/fhir/DocumentReference/$presence?", false},
	} {
		want := ""
		for _, who := range []string{"patient.identifier=urn:clinic|nobody", "patient.identifier=urn:nobody|x", "patient.identifier=urn:clinic|empty", mine,
			"patient=Patient/" + id, "patient=" + id, "patient=Patient/" + forged, "patient=Patient/nonsense"} {
			who = strings.ReplaceAll(who, "|", "%7C")
			var got string
			if tt.form {
				got = face(x.want(http.StatusOK, "clinic", tt.method, tt.path, who, "Content-Type", "application/x-www-form-urlencoded"))
			} else {
				got = face(x.want(http.StatusOK, "clinic", tt.method, tt.path+who, ""))
			}
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s: %s is told apart:\n%s\n---\n%s", tt.name, who, got, want)
			}
		}
	}
	want := ""
	for _, d := range docs { // one of the index, one a site told of
		paths := []string{strings.TrimPrefix(d.Content[0].Attachment.URL, x.node.URL), "/fhir/Binary/nonsense", "/fhir/Binary/" + d.ID,
			"/fhir/Binary/" + x.sealer.ID("binary", 1, 2), "/fhir/Binary/" + x.sealer.ID("live", 1, 2), "/fhir/Binary/" + strings.Repeat("x", 300)}
		for _, path := range append(paths, "/fhir/DocumentReference/"+d.ID, "/fhir/DocumentReference/nonsense") {
			got := face(x.want(http.StatusNotFound, "clinic", http.MethodGet, path, ""))
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s is told apart:\n%s\n---\n%s", path, got, want)
			}
		}
	}
}

func TestABadBodyBreaksTheConnectionOrIsABadGateway(t *testing.T) {
	x := newExchange(t)
	small, large := bytes.Repeat([]byte("s"), 5000), bytes.Repeat([]byte("large body "), 300_000)
	chunked := func(b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			for rest := b; len(rest) > 0; {
				n := min(len(rest), 10_000)
				_, _ = w.Write(rest[:n])
				_ = http.NewResponseController(w).Flush()
				rest = rest[n:]
			}
		}
	}
	spoil := func(b []byte) []byte { c := bytes.Clone(b); c[len(c)-1] ^= 1; return c }
	unsized := func(n int, b []byte) { // a pointer that knows the hash and not the size
		sum := sha1.Sum(b)
		doc := strings.Replace(docAt("hospital", n, nil), `"contentType":"text/plain"`, `"contentType":"text/plain","hash":"`+base64.StdEncoding.EncodeToString(sum[:])+`"`, 1)
		x.want(http.StatusCreated, "hospital", http.MethodPost, "/fhir/DocumentReference", doc)
	}
	for i, tt := range []struct {
		name  string
		body  []byte
		sized bool
		serve http.HandlerFunc
		clean bool // the refusal comes before the first byte
	}{
		{"small, wrong hash", small, true, chunked(spoil(small)), true},
		{"small, truncated", small, true, chunked(small[:4000]), true},
		{"small, an error page", small, true, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>down for maintenance</html>")
		}, true},
		{"small, gone", small, true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, true},
		{"small, a redirect to metadata", small, true, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		}, true},
		{"small, silent after the header", small, true, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, true},
		{"large, wrong length announced", large, true, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "7")
			_, _ = io.WriteString(w, "too few")
		}, true},
		{"large, wrong hash", large, true, chunked(spoil(large)), false},
		{"large, truncated", large, true, chunked(large[:2_000_000]), false},
		{"large, too long", large, true, chunked(append(bytes.Clone(large), 'x')), false},
		{"large of unknown size, wrong hash", large, false, chunked(spoil(large)), false},
		{"large of unknown size, truncated", large, false, chunked(large[:2_500_000]), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := *x
			x.T = t
			n := 100 + i
			if tt.sized {
				x.publish(n, tt.body, tt.serve)
			} else {
				unsized(n, tt.body)
				x.hold(fmt.Sprintf("/hospital/Binary/%d", n), nil, tt.serve)
			}
			docs, _, _ := x.search("clinic", mine+"&identifier=urn:ids:hospital%7C"+fmt.Sprintf("u-%d", n))
			path := strings.TrimPrefix(docs[0].Content[0].Attachment.URL, x.node.URL)
			for _, accept := range []string{"text/plain", "application/fhir+json"} {
				r := x.ask("clinic", http.MethodGet, path, "", "Accept", accept)
				switch {
				case tt.clean:
					var oo fhir.OperationOutcome
					if r.status != http.StatusBadGateway || r.err != nil || fhir.Decode(r.body, &oo) != nil || len(oo.Issue) != 1 {
						t.Errorf("%d %v %s", r.status, r.err, r.body)
					}
				case r.err == nil:
					t.Errorf("%s: %d bytes came to a clean end", accept, len(r.body))
				case !errors.Is(r.err, io.ErrUnexpectedEOF):
					t.Errorf("%s: broken off with %v", accept, r.err)
				}
			}
		})
	}
}

func TestALargeDocumentPassesInConstantPieces(t *testing.T) {
	x := newExchange(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 400_000)
	x.publish(1, large, nil)
	r := x.want(http.StatusOK, "clinic", http.MethodGet, x.first(), "")
	if r.err != nil || !bytes.Equal(r.body, large) || r.header.Get("Content-Length") != fmt.Sprint(len(large)) {
		t.Errorf("%d bytes, %v", len(r.body), r.err)
	}
}

func TestRevokingStopsWhatIsOnItsWay(t *testing.T) {
	x := newExchange(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 400_000)
	open := make(chan struct{})
	x.publish(1, large, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(large[:3_000_000])
		_ = http.NewResponseController(w).Flush()
		<-open
		_, _ = w.Write(large[3_000_000:])
	})
	path := x.first()
	req, err := http.NewRequest(http.MethodGet, x.node.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer clinic")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.CopyN(io.Discard, resp.Body, 1_000_000); err != nil {
		t.Fatal(err)
	}
	x.optOut() // acknowledged while the site still holds the rest back
	close(open)
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil || n > 2_000_000 {
		t.Errorf("%d more bytes came, %v", n, err)
	}
	x.want(http.StatusNotFound, "clinic", http.MethodGet, path, "")
}

func TestACursorWorksForWhoGotItAlone(t *testing.T) {
	x := newExchange(t)
	for n := range 7 {
		x.publish(n, fmt.Appendf(nil, "document %d", n), nil)
	}
	_, _, first := x.search("clinic", mine+"&_count=3")
	next := ""
	for _, l := range first.Link {
		if l.Relation == "next" {
			next = strings.TrimPrefix(l.URL, x.node.URL+"/fhir/DocumentReference?")
		}
	}
	if next == "" || strings.Contains(next, "m-1") || *first.Total != 7 {
		t.Fatalf("next %q of %d", next, *first.Total)
	}
	docs, _, second := x.search("clinic", next)
	if len(docs) != 3 || *second.Total != 7 {
		t.Errorf("second page: %d of %d", len(docs), *second.Total)
	}
	q, err := url.ParseQuery(next)
	if err != nil {
		t.Fatal(err)
	}
	cursor := q.Get("_cursor")
	bent := []byte(cursor)
	bent[20] ^= 1
	for name, r := range map[string]reply{
		"another organisation": x.ask("rural", http.MethodGet, "/fhir/DocumentReference?"+next, ""),
		"another purpose":      x.ask("clinic-billing", http.MethodGet, "/fhir/DocumentReference?"+next, ""),
		"another user":         x.ask("clinic-colleague", http.MethodGet, "/fhir/DocumentReference?"+next, ""),
		"a bent cursor":        x.ask("clinic", http.MethodGet, "/fhir/DocumentReference?_cursor="+url.QueryEscape(string(bent)), ""),
		"no cursor of ours":    x.ask("clinic", http.MethodGet, "/fhir/DocumentReference?_cursor=abc", ""),
	} {
		if r.status != http.StatusBadRequest || !bytes.Contains(r.body, []byte(`"_cursor"`)) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	x.optOut()
	if docs, _, b := x.search("clinic", next); len(docs) != 0 || *b.Total != 0 {
		t.Errorf("after a revocation the next page still holds %d of %d", len(docs), *b.Total)
	}
}

func TestSearchParametersAreUnderstoodOrRefused(t *testing.T) {
	x := newExchange(t)
	x.publish(1, []byte("one"), nil)
	x.publish(2, []byte("two"), nil)
	docs, issues, _ := x.search("clinic", mine+"&unheard-of=1")
	if len(docs) != 2 || len(issues) != 2 || issues[0].Code != "not-supported" || issues[0].Expression[0] != "unheard-of" {
		t.Errorf("an unknown parameter: %d documents, %d issues", len(docs), len(issues))
	}
	if r := x.ask("clinic", http.MethodGet, "/fhir/DocumentReference?"+mine+"&unheard-of=1", "", "Prefer", "handling=strict"); r.status != http.StatusBadRequest {
		t.Errorf("strict: %d", r.status)
	}
	for query, want := range map[string]int{"date=ge2026-01-03": 1, "date=2026": 2, "type=http://loinc.org%7C34133-9": 2, "type=other": 0, "status=superseded": 0,
		"custodian=Organization/hospital": 2, "custodian=Organization/clinic": 0, "_id=" + docs[0].ID: 1, "_id=nonsense": 0, "category=18842-5": 2, "period=2020": 0} {
		if got, _, b := x.search("clinic", mine+"&"+query); len(got) != want || *b.Total != want {
			t.Errorf("%s: %d of %d, want %d", query, len(got), *b.Total, want)
		}
	}
	if got, _, _ := x.search("clinic", "_id="+docs[1].ID); len(got) != 1 || got[0].ID != docs[1].ID {
		t.Error("a search by id alone")
	}
	if got, _, b := x.search("clinic", mine+"&_summary=count"); len(got) != 0 || *b.Total != 2 {
		t.Errorf("count: %d entries, total %d", len(got), *b.Total)
	}
	for _, bad := range []string{"", "status=current", mine + "&" + mine, mine + "&date=tomorrow", mine + "&type:not=x", mine + "&_count=-1", "patient.identifier=m-1", mine + "&status=zzz"} {
		if r := x.ask("clinic", http.MethodGet, "/fhir/DocumentReference?"+bad, ""); r.status != http.StatusBadRequest || !bytes.Contains(r.body, []byte("OperationOutcome")) {
			t.Errorf("%q: %d", bad, r.status)
		}
	}
}

func TestTheSameDocumentAtTwoPlacesIsOneEntryBesideALargeRecord(t *testing.T) {
	x := newExchange(t)
	for n := range 110 {
		x.publish(n, fmt.Appendf(nil, "document %d", n), nil)
	}
	for n := range 4 { // of which 104 and 105 are the hospital's as well
		x.want(http.StatusCreated, "clinic", http.MethodPost, "/fhir/DocumentReference", docAt("clinic", 104+4*n, fmt.Appendf(nil, "document %d", 104+n+4*(n/2))))
	}
	seen, alternates := map[string]bool{}, 0
	for query := mine + "&_count=20"; query != ""; {
		_, _, b := x.search("clinic", query)
		if *b.Total != 112 {
			t.Fatalf("total %d, want 112", *b.Total)
		}
		for _, e := range b.Entry {
			if e.Search.Mode == "match" {
				seen[e.FullURL] = true
				for _, x := range e.Search.Extension {
					if x.URL == extensionAlternate {
						alternates++
					}
				}
			}
		}
		query = ""
		for _, l := range b.Link {
			if l.Relation == "next" {
				query = strings.TrimPrefix(l.URL, x.node.URL+"/fhir/DocumentReference?")
			}
		}
	}
	if len(seen) != 112 || alternates != 2 {
		t.Errorf("%d documents and %d alternates, want 112 and 2", len(seen), alternates)
	}
}

func TestASilentSiteIsToldOfWithoutItsAddress(t *testing.T) {
	x := newExchange(t)
	x.publish(1, []byte("one"), nil)
	x.live = `zyxquill`
	docs, issues, _ := x.search("clinic", mine)
	if len(docs) != 1 || len(issues) != 2 || issues[0].Diagnostics != "The rural could not be asked." || issues[0].Code != "transient" {
		t.Errorf("%d documents, issues %v", len(docs), issues)
	}
}

func TestTheCapabilityStatementTellsOfTheRoutesThereAre(t *testing.T) {
	d := newDoors(t)
	r := d.do(http.MethodGet, "/fhir/metadata", "", nil)
	var c struct {
		ResourceType string `json:"resourceType"`
		FHIRVersion  string `json:"fhirVersion"`
		Rest         []struct {
			Resource []struct {
				Type        string `json:"type"`
				Interaction []struct {
					Code string `json:"code"`
				} `json:"interaction"`
				Operation []struct {
					Name string `json:"name"`
				} `json:"operation"`
				SearchParam []searchParam `json:"searchParam"`
			} `json:"resource"`
		} `json:"rest"`
	}
	if err := fhir.Decode(r.Body.Bytes(), &c); err != nil || r.Code != http.StatusOK || c.ResourceType != "CapabilityStatement" || c.FHIRVersion != "4.0.1" {
		t.Fatalf("%d %v", r.Code, err)
	}
	told := map[string]bool{}
	for _, res := range c.Rest[0].Resource {
		for _, i := range res.Interaction {
			told[res.Type+" "+i.Code] = true
		}
		for _, o := range res.Operation {
			told[res.Type+" $"+o.Name] = true
		}
	}
	for _, want := range []string{"DocumentReference search-type", "DocumentReference create", "DocumentReference read", "DocumentReference update",
		"DocumentReference delete", "DocumentReference $presence", "Binary read", "Patient update", "Patient $match", "Organization read"} {
		if !told[want] {
			t.Errorf("%s is offered and not told of", want)
		}
	}
	for _, no := range []string{"Binary search-type", "Binary create", "Patient patch", "metadata read"} {
		if told[no] {
			t.Errorf("%s is told of and not offered", no)
		}
	}
	// Every search parameter told of is one that the search knows: strictly asked, none is refused as unknown.
	values := map[string]string{"token": "urn:a|b", "reference": "x", "date": "2026", "string": "b"}
	knows := 0
	for _, res := range c.Rest[0].Resource {
		for _, p := range res.SearchParam {
			r := d.do(http.MethodGet, "/fhir/"+res.Type+"?"+p.Name+"="+url.QueryEscape(values[p.Type]), oakToken, nil, "Prefer", "handling=strict")
			if strings.Contains(r.Body.String(), "is not a search parameter here") || r.Code == http.StatusNotFound {
				t.Errorf("%s of %s is told of and not known", p.Name, res.Type)
			}
			knows++
		}
	}
	if knows < 50 {
		t.Errorf("%d search parameters told of", knows)
	}
	r = d.do(http.MethodGet, "/fhir/DocumentReference?unheard-of=1&patient=x", oakToken, nil, "Prefer", "handling=strict")
	if !strings.Contains(r.Body.String(), "is not a search parameter here") {
		t.Error("an unknown parameter is not refused, so this test shows nothing")
	}
}
