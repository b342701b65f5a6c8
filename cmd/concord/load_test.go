package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/internal/token"
)

// A recordingNode answers token requests and takes note of everything else, refusing what refuse says.
type recordingNode struct {
	mu     sync.Mutex
	got    []recorded
	refuse func(r recorded) bool
}

type recorded struct {
	method, target string
	body           []byte
}

func (n *recordingNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/oauth/token" {
		_, _ = io.WriteString(w, `{"access_token":"t","expires_in":300}`)
		return
	}
	body, _ := io.ReadAll(r.Body)
	rec := recorded{r.Method, r.URL.RequestURI(), body}
	n.mu.Lock()
	n.got = append(n.got, rec)
	n.mu.Unlock()
	if n.refuse != nil && n.refuse(rec) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"business-rule","diagnostics":"is not ours"}]}`)
		return
	}
	if r.URL.Path == "/fhir" {
		_, _ = io.WriteString(w, `{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"201"}}]}`)
		return
	}
	w.Header().Set("Location", "http://"+r.Host+"/fhir/Thing/1")
	w.WriteHeader(http.StatusCreated)
}

// demoAt returns a demo of the smallest region whose clients speak to base, not started.
func demoAt(t *testing.T, base string, out io.Writer) *demo {
	t.Helper()
	region, err := sim.Population(1, 0, 5)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.Generate(token.ES256)
	if err != nil {
		t.Fatal(err)
	}
	m := &demo{demoCmd: demoCmd{Sites: 5}, state: demoState{Seed: demoSeed, Sites: 5}, s: &streams{out: out, err: io.Discard}, dir: t.TempDir(), base: base, region: region, bases: map[string]string{}, clients: map[string]*demoClient{}}
	for _, s := range region.Sites {
		m.bases[s.ID] = "http://" + s.ID + ".test/fhir"
		m.clients[s.ID+"-feed"] = &demoClient{api: newAPIClient(base, s.ID+"-feed", s.OrgURI, signer)}
	}
	return m
}

func TestLoadSendsWhatConcernsAnExchangeAndReportsEach(t *testing.T) {
	node := &recordingNode{refuse: func(r recorded) bool { return bytes.Contains(r.body, []byte("elsewhere.example")) }}
	server := httptest.NewServer(node)
	defer server.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/doc-inline.json": `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p1"},"content":[{"attachment":{"contentType":"text/plain","data":"SGVsbG8="}}]}`,
		"a/doc-url.json":    `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p1"},"content":[{"attachment":{"url":"http://elsewhere.example/x"}}]}`,
		"a/old.json":        `{"resourceType":"Patient","id":"p0","active":false,"identifier":[{"system":"urn:red","value":"0"}],"link":[{"other":{"identifier":{"system":"urn:red","value":"1"}},"type":"replaced-by"}]}`,
		"a/patient.json":    `{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:red","value":"1"}],"unknownMember":[1]}`,
		"b/feed.ndjson":     `{"resourceType":"Patient","id":"p2"}` + "\n\n" + `{"resourceType":"Organization","id":"o"}` + "\n",
		"b/iti65.json":      `{"resourceType":"Bundle","type":"transaction","meta":{"profile":["https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.ProvideBundle"]}}`,
		"b/found.json":      `{"resourceType":"Bundle","type":"searchset"}`,
		"c/emr.json": `{"resourceType":"Bundle","type":"transaction","entry":[
			{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"1","identifier":[{"system":"urn:synth","value":"1"}]}},
			{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Encounter"}},
			{"fullUrl":"urn:uuid:3","resource":{"resourceType":"DocumentReference","subject":{"reference":"urn:uuid:1"},"content":[{"attachment":{"data":"SGVsbG8="}}]}}]}`,
		"c/broken.json": `{"resourceType":`,
		"c/notes.txt":   `not looked at`,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	m := demoAt(t, server.URL, &out)
	if err := m.load(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	report := out.String()
	for _, want := range []string{
		"12 messages", // one a file or line, and the two parts of c/emr.json
		"7 accepted, 1 refused, 4 skipped",
	} {
		if !strings.Contains(report, want) {
			t.Logf("report:\n%s", report)
			t.Errorf("the report lacks %q", want)
		}
	}

	var patients, documents []recorded
	for _, r := range node.got {
		switch {
		case r.method == http.MethodPut:
			patients = append(patients, r)
		case r.target == "/fhir/DocumentReference":
			documents = append(documents, r)
		case r.target == "/fhir" && string(r.body) != `{"resourceType":"Bundle","type":"transaction","meta":{"profile":["https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.ProvideBundle"]}}`:
			t.Error("an ITI-65 transaction must go as it is")
		}
	}
	if len(patients) != 4 || len(documents) != 3 {
		t.Fatalf("%d patients and %d documents were sent", len(patients), len(documents))
	}
	var p struct {
		Identifier    []struct{ System, Value string }
		UnknownMember []int
		Link          []struct {
			Other struct {
				Identifier struct{ System, Value string }
			}
		}
	}
	if err := json.Unmarshal(patients[0].body, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Identifier) != 2 || p.Identifier[1].Value != "1" || len(p.UnknownMember) != 1 || !strings.Contains(p.Identifier[0].System, ".example.org/patient-id/") {
		t.Errorf("a patient must get an identifier of ours beside the original one and be left alone otherwise: %s", patients[0].body)
	}
	survivor := p.Identifier[0]
	last := patients[len(patients)-1]
	if err := json.Unmarshal(last.body, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Link) != 1 || p.Link[0].Other.Identifier != survivor {
		t.Errorf("a replaced patient comes last and names its survivor by our identifier: %s", last.body)
	}
	for _, d := range documents {
		var doc struct {
			Subject struct{ Identifier struct{ Value string } }
			Content []struct {
				Attachment struct {
					Data, URL, Hash string
					Size            int
				}
			}
		}
		if err := json.Unmarshal(d.body, &doc); err != nil {
			t.Fatal(err)
		}
		a := doc.Content[0].Attachment
		if doc.Subject.Identifier.Value == "" {
			t.Errorf("a document's patient must be named by the identifier it was registered under")
		}
		if strings.Contains(a.URL, "elsewhere") {
			continue
		}
		site := strings.TrimPrefix(strings.Split(a.URL, ".test/")[0], "http://")
		contentType, body, ok := m.kept(site)(a.URL[strings.LastIndex(a.URL, "/")+1:])
		if a.Data != "" || a.Size != 5 || a.Hash != sim.Hash([]byte("Hello")) || !ok || string(body) != "Hello" {
			t.Errorf("bytes carried inline must move to the site's server: %+v, %q %q %v", a, contentType, body, ok)
		}
	}
}

func TestARefusedTransactionGoesOnceMoreThroughTheSitesGateway(t *testing.T) {
	node := &recordingNode{refuse: func(r recorded) bool { return bytes.Contains(r.body, []byte(`"Binary"`)) }}
	server := httptest.NewServer(node)
	defer server.Close()
	dir := t.TempDir()
	text := `{"resourceType":"Bundle","type":"transaction","meta":{"profile":["https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.ProvideBundle"]},"entry":[
		{"fullUrl":"urn:uuid:1","resource":{"resourceType":"List","subject":{"reference":"urn:uuid:4"}},"request":{"method":"POST","url":"List"}},
		{"fullUrl":"urn:uuid:2","resource":{"resourceType":"DocumentReference","subject":{"reference":"urn:uuid:4"},"content":[{"attachment":{"url":"urn:uuid:3","hash":"kept"}}]},"request":{"method":"POST","url":"DocumentReference"}},
		{"fullUrl":"urn:uuid:3","resource":{"resourceType":"Binary","contentType":"text/plain","data":"SGVsbG8="},"request":{"method":"POST","url":"Binary"}},
		{"fullUrl":"urn:uuid:4","resource":{"resourceType":"Patient","name":[{"family":"Schmidt"}]},"request":{"method":"POST","url":"Patient"}}]}`
	if err := os.WriteFile(filepath.Join(dir, "provide.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	m := demoAt(t, server.URL, &out)
	if err := m.load(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "2 messages: 1 accepted, 1 refused, 0 skipped") {
		t.Errorf("report:\n%s", out.String())
	}
	if len(node.got) != 3 || node.got[1].method != http.MethodPut || node.got[2].target != "/fhir" {
		t.Fatalf("want the transaction, the patient, the transaction again; got %d requests", len(node.got))
	}
	var b struct {
		Entry []struct {
			Resource struct {
				ResourceType string
				Subject      struct{ Identifier struct{ Value string } }
				Content      []struct{ Attachment struct{ URL, Hash string } }
			}
		}
	}
	if err := json.Unmarshal(node.got[2].body, &b); err != nil || len(b.Entry) != 2 {
		t.Fatalf("the second transaction: %v, %d entries; want the list and the document", err, len(b.Entry))
	}
	for _, e := range b.Entry {
		if e.Resource.Subject.Identifier.Value == "" {
			t.Errorf("the %s must name the patient as registered", e.Resource.ResourceType)
		}
	}
	a := b.Entry[1].Resource.Content[0].Attachment
	site := strings.TrimPrefix(strings.Split(a.URL, ".test/")[0], "http://")
	if _, body, ok := m.kept(site)(a.URL[strings.LastIndex(a.URL, "/")+1:]); !ok || string(body) != "Hello" || a.Hash != "kept" {
		t.Errorf("the document must be at the site's server and keep what is said of it: %+v", a)
	}
}
