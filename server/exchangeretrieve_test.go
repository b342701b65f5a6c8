package server

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/fhir"
)

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
