package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
)

// A liveSite is a site of this process that is asked live: it holds one document, and answers when the test lets it.
type liveSite struct {
	base string
	body []byte

	mu sync.Mutex
	// search and rest are waited for before a search is answered and before the second half of the document is sent; nil is
	// at once. asked gets a value whenever either waits.
	search, rest chan struct{}
	asked        chan string
}

func newLiveSites(t testing.TB, n int) []*liveSite {
	t.Helper()
	var out []*liveSite
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &liveSite{base: "http://" + l.Addr().String() + "/fhir", body: bytes.Repeat([]byte{byte('A' + i)}, 6<<20), asked: make(chan string, 16)}
		srv := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
		var served sync.WaitGroup
		served.Go(func() { _ = srv.Serve(l) })
		t.Cleanup(func() { _ = srv.Close(); served.Wait() })
		out = append(out, s)
	}
	return out
}

// hold makes searches, or the rest of the document, wait for the channel it returns.
func (s *liveSite) hold(of *chan struct{}) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	*of = make(chan struct{})
	return *of
}

func (s *liveSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	search, rest := s.search, s.rest
	s.mu.Unlock()
	wait := func(what string, c chan struct{}) {
		if c == nil {
			return
		}
		s.asked <- what
		select {
		case <-c:
		case <-r.Context().Done():
		}
	}
	if r.URL.Path == "/fhir/Binary/1" {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(s.body[:4<<20])
		_ = http.NewResponseController(w).Flush()
		wait("document", rest)
		_, _ = w.Write(s.body[4<<20:])
		return
	}
	wait("search", search)
	sum := sha1.Sum(s.body)
	w.Header().Set("Content-Type", "application/fhir+json")
	_, _ = fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset","total":1,"entry":[{"search":{"mode":"match"},"resource":{"resourceType":"DocumentReference","status":"current",
"id":"1","masterIdentifier":{"system":"urn:ietf:rfc:3986","value":"urn:live:%[1]s"},"date":"2026-10-01T10:00:00Z","type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},
"category":[{"coding":[{"system":"http://loinc.org","code":"34133-9"}]}],"securityLabel":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]}],
"content":[{"attachment":{"contentType":"text/plain","url":"%[1]s/Binary/1","size":%[2]d,"hash":"%[3]s"}}]}}]}`, s.base, len(s.body), base64.StdEncoding.EncodeToString(sum[:]))
}

// newLiveExchange is a node beside n sites that are asked live, each with a zone of zones in turn, of one organisation with
// one feed ("live-feed"). authorities are theirs.
func newLiveExchange(t *testing.T, sites []*liveSite) (w *town, authorities []string) {
	t.Helper()
	region, err := sim.Population(demoSeed, 14, 5)
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, s := range sites {
		u, err := url.Parse(s.base)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, u.Host)
	}
	x := newExchangeOf(t, 1, region, hosts...)
	f := demoDirectory(x.region.Sites, x.bases)
	f.Organizations = append(f.Organizations, directory.Organization{ID: "live", Name: "Live Clinics", Identifier: "https://live.example.org", Kind: "practice", Jurisdiction: "US-MD", Active: true})
	for i, s := range sites {
		authority, id := fmt.Sprintf("https://live.example.org/site/%d", i), fmt.Sprintf("live-%d", i)
		authorities = append(authorities, authority)
		f.Sites = append(f.Sites, directory.Site{ID: hie.SiteID(id), Org: "live", Name: id, Authorities: []string{authority}, Zone: "America/New_York", Labelled: true, Active: true,
			Endpoints: []directory.Endpoint{{ID: id + "-fhir", Protocol: "fhir-r4", Address: s.base}}})
	}
	x.signOn(f)
	x.addClient("live-feed", "live", "https://live.example.org", feedScopes)
	return &town{exchangeUnderTest: x, real: map[string]string{}, never: map[string]string{}}, authorities
}

// registerAt registers one and the same woman under local at each authority through client, and returns her Patient ids.
func (x *exchangeUnderTest) registerAt(client, local string, authorities ...string) (ids []string) {
	x.t.Helper()
	for _, authority := range authorities {
		body := fmt.Appendf(nil, `{"resourceType":"Patient","identifier":[{"system":%q,"value":%q},{"system":"http://hl7.org/fhir/sid/us-ssn","value":"212-44-6107"}],
"name":[{"family":"Quillfeather","given":["Kestrel"]}],"gender":"female","birthDate":"1947-03-11","telecom":[{"system":"phone","value":"4105550143"}],
"address":[{"line":["7 Heron Lane"],"city":"Baltimore","state":"MD","postalCode":"21207"}]}`, authority, local)
		ids = append(ids, idOf(x.t, x.must(http.StatusCreated, client, feeding, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(authority+"|"+local), body)))
	}
	return ids
}

// TestARevocationInFlight is scenario 2: twelve sites are being asked, eleven have answered, and a document is half on its
// way when the revocation is acknowledged. Not the eleven's documents nor the twelfth's leave, the document breaks off, and
// what was delivered before stays in the patient's own account.
//
// The orders are tried at random in TestNothingLeavesANodeAfterARevocationWhateverRedisDoes, and in federation.
func TestARevocationInFlight(t *testing.T) {
	sites := newLiveSites(t, 12)
	w, authorities := newLiveExchange(t, sites)
	own := w.authority("riverside-clinic")
	id := w.registerAt("riverside-clinic-feed", "FLIGHT-1", own)[0]
	w.registerAt("live-feed", "FLIGHT-1", authorities...)
	me := patientActs(id)

	before := w.search("riverside-clinic", treating, own+"|FLIGHT-1")
	handles := attachments(t, before)
	if len(handles) != 12 {
		t.Fatalf("%d documents of twelve sites", len(handles))
	}
	delivered := w.accesses(me)
	if delivered == 0 {
		t.Fatal("what was delivered is not in her account")
	}

	slow := sites[11] // not the one whose document is half on its way: which stands first is its site's port's to say
	if bytes.Contains(bytes.SplitN(before.body, []byte(`"DocumentReference"`), 3)[1], []byte("urn:live:"+slow.base)) {
		slow = sites[10]
	}
	answer := slow.hold(&slow.search)
	rest := make([]chan struct{}, len(sites))
	for i, s := range sites {
		rest[i] = s.hold(&s.rest)
	}
	bearer, err := w.clients["riverside-clinic-emr"].api.token(w.ctx, treating)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	query := make(chan reply, 1)
	running.Go(func() {
		r, err := w.clients["riverside-clinic-emr"].api.call(w.ctx, treating, http.MethodGet,
			"/fhir/DocumentReference?"+url.Values{"patient.identifier": {own + "|FLIGHT-1"}, "status": {"current"}}.Encode(), nil)
		if err != nil {
			t.Error(err)
		}
		query <- r
	})
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, handles[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Accept", "text/plain")
	stream, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || stream.StatusCode != http.StatusOK {
		t.Fatalf("the document: %v", err)
	}
	defer func() { _ = stream.Body.Close() }()
	if _, err := io.CopyN(io.Discard, stream.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	if what := <-slow.asked; what != "search" {
		t.Fatalf("the slow site is asked for a %s", what)
	}
	if r := w.must(http.StatusCreated, "patient-app", me, http.MethodPost, "/fhir/Consent", refusal(id, false, time.Now())); r.status != http.StatusCreated {
		t.Fatal(r.status)
	}
	close(answer)
	for i := range rest {
		close(rest[i])
	}
	if r := <-query; r.status != http.StatusOK || total(t, r) != 0 || len(attachments(t, r)) != 0 {
		t.Errorf("the query under way is answered with %d and %d documents", r.status, len(attachments(t, r)))
	}
	if n, err := io.Copy(io.Discard, stream.Body); err == nil || n >= 5<<20 {
		t.Errorf("the document under way went on for %d bytes and ended with %v", n, err)
	}
	unknown := w.must(http.StatusNotFound, "riverside-clinic-emr", treating, http.MethodGet, "/fhir/Binary/"+string(bytes.Repeat([]byte("0"), 39)), nil)
	for _, u := range handles {
		if r := w.must(http.StatusNotFound, "riverside-clinic-emr", treating, http.MethodGet, u, nil); face(r) != face(unknown) {
			t.Error("a document withheld is told apart from one that never was")
		}
	}
	if r := w.search("riverside-clinic", treating, own+"|FLIGHT-1"); total(t, r) != 0 {
		t.Errorf("%d documents after the revocation", total(t, r))
	}
	if n := w.accesses(me); n < delivered {
		t.Errorf("her account lists %d disclosures, %d before the revocation", n, delivered)
	}
}

// accesses counts the documents that the patient's own report lists as disclosed.
func (w *town) accesses(me asker) int {
	w.t.Helper()
	var mine struct {
		Rows []struct {
			Kind      string
			Documents int
		}
	}
	decode(w.t, w.must(http.StatusOK, "patient-app", me, http.MethodGet, "/admin/v1/reports/access?count=200", nil), &mine)
	n := 0
	for _, r := range mine.Rows {
		n += r.Documents
	}
	return n
}
