package federationhttp

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/egress"
	"github.com/concord-hie/concord/locator"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site starts a simulated site and returns Sites that know it.
func site(t testing.TB, h http.Handler, edit func(*directory.Endpoint), options func(*Options)) *Sites {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body) // a server notices that its caller is gone only once it has read the body
		r.Body = io.NopCloser(bytes.NewReader(b))
		h.ServeHTTP(w, r)
	}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(srv.Close)
	return sitesAt(t, srv.URL+"/fhir", edit, options)
}

func sitesAt(t testing.TB, address string, edit func(*directory.Endpoint), options func(*Options)) *Sites {
	t.Helper()
	e := directory.Endpoint{ID: "rural-fhir", Protocol: "fhir-r4", Address: address, Permits: 2}
	if edit != nil {
		edit(&e)
	}
	network, err := directory.NewNetwork(1, []directory.Organization{{ID: "rural", Name: "Rural", Identifier: "urn:org:rural", Active: true}},
		[]directory.Site{{ID: "rural", Org: "rural", Name: "Rural", Authorities: []string{"urn:rural"}, Zone: "UTC", Labelled: true, Active: true, Membership: directory.Live, Endpoints: []directory.Endpoint{e}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := egress.New(egress.Options{Allow: []string{"127.0.0.0/8"}, Header: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	o := Options{Guard: guard, Network: func() *directory.Network { return network }, Log: slog.New(slog.DiscardHandler), Idle: 200 * time.Millisecond, Drip: 400 * time.Millisecond}
	if options != nil {
		options(&o)
	}
	return New(o)
}

var ask = federation.Ask{Site: "rural", Record: 14, Local: hie.Identifier{System: "urn:rural", Value: "zyx,quill|7"}, Status: []locator.Status{locator.Current}, Most: 50, Request: "req-1"}

func docRef(n int, more string) string {
	return fmt.Sprintf(`{"resourceType":"DocumentReference","status":"current","masterIdentifier":{"system":"urn:ids","value":"u%d"},
		"type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},"date":"2026-01-0%dT10:00:00Z"%s,
		"content":[{"attachment":{"contentType":"text/plain","url":"Binary/%d"}}]}`, n, n%9+1, more, n)
}

func bundle(next string, resources ...string) string {
	var entries []string
	for _, r := range resources {
		entries = append(entries, `{"resource":`+r+`}`)
	}
	link := ""
	if next != "" {
		link = `"link":[{"relation":"next","url":"` + next + `"}],`
	}
	return `{"resourceType":"Bundle","type":"searchset",` + link + `"entry":[` + strings.Join(entries, ",") + `]}`
}

func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		_, _ = io.WriteString(w, body)
	}
}

func TestASiteIsAskedByItsOwnIdentifierInTheBody(t *testing.T) {
	var uri, form, auth, request string
	s := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		uri, form, auth, request = r.Method+" "+r.RequestURI, string(b), r.Header.Get("Authorization"), r.Header.Get("X-Request-Id")
		answer(bundle("", docRef(1, ""), docRef(2, ""), `{"resourceType":"OperationOutcome","issue":[]}`))(w, r)
	}), func(e *directory.Endpoint) { e.Capability = map[string]string{"auth": "bearer-file"} },
		func(o *Options) { o.Bearer = map[string]string{"rural-fhir": "site-token"} })
	docs, err := s.Search(context.Background(), ask)
	if err != nil || len(docs) != 2 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	values, err := url.ParseQuery(form)
	if uri != "POST /fhir/DocumentReference/_search" || err != nil || values.Get("patient.identifier") != `urn:rural|zyx\,quill\|7` || values.Get("status") != "current" {
		t.Errorf("asked %s with %v", uri, err)
	}
	if auth != "Bearer site-token" || request != "req-1" {
		t.Errorf("authorization or request id missing")
	}
	for want, states := range map[string][]locator.Status{"current,superseded,entered-in-error": nil, "superseded": {locator.Superseded}} {
		other := ask
		other.Status = states
		if _, err := s.Search(context.Background(), other); err != nil || !strings.Contains(form, url.Values{"status": {want}}.Encode()) {
			t.Errorf("asked %v, want status=%s: %v", form, want, err)
		}
	}
	p := docs[0]
	if p.Record != 14 || p.Site != "rural" || p.Custodian != "rural" || p.ID <= 0 || p.SortAt.IsZero() || p.Location.Path != "Binary/1" || p.Kind.ID == 0 {
		t.Errorf("the pointer is not complete")
	}
	again, err := s.Search(context.Background(), ask)
	if err != nil || again[0].ID != p.ID || again[1].ID == p.ID {
		t.Errorf("ids of documents are not settled by what they are")
	}
	back, err := s.Decode("rural", 14, p.Received)
	if err != nil || back.ID != p.ID || !back.SortAt.Equal(p.SortAt) {
		t.Errorf("what was kept is not decoded as it was told: %v", err)
	}
}

func TestPagesAreFollowedOnlyAtTheSameSite(t *testing.T) {
	for _, tt := range []struct {
		name, next string
		most       int
		want       int
		fate       federation.Fate
	}{
		{"a relative link", "DocumentReference?page=2", 50, 4, ""},
		{"a link elsewhere", "http://127.0.0.1:1/fhir?page=2", 50, 2, federation.Partial},
		{"a link to metadata", "http://169.254.169.254/latest", 50, 2, federation.Partial},
		{"more than is taken", "DocumentReference?page=2", 3, 3, federation.Partial},
		{"exactly what is taken", "DocumentReference?page=2", 4, 4, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("page") == "2" {
					answer(bundle("", docRef(3, ""), docRef(4, "")))(w, r)
					return
				}
				answer(bundle(tt.next, docRef(1, ""), docRef(2, "")))(w, r)
			}), func(e *directory.Endpoint) { e.Address += "/" }, nil)
			a := ask
			a.Most = tt.most
			docs, err := s.Search(context.Background(), a)
			var se *federation.SiteError
			if errors.As(err, &se); len(docs) != tt.want || (tt.fate == "") != (err == nil) || (se != nil && se.Fate != tt.fate) {
				t.Errorf("%d documents, %v; want %d", len(docs), err, tt.want)
			}
		})
	}
	endless := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(bundle("DocumentReference?again", docRef(1, "")))(w, r)
	}), nil, func(o *Options) { o.Pages = 3 })
	if docs, err := endless.Search(context.Background(), ask); len(docs) != 3 || err == nil {
		t.Errorf("a site whose pages never end: %d documents, %v", len(docs), err)
	}
}

func TestWhatASiteMayDoToUs(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		fate federation.Fate
		docs int
	}{
		{"refuses", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, federation.Refused, 0},
		{"wants another token", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, federation.Refused, 0},
		{"fails", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, federation.Failed, 0},
		{"does not know the path", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, federation.Failed, 0},
		{"redirects a question", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", 307) }, federation.Failed, 0},
		{"answers with nothing", answer(""), federation.Failed, 0},
		{"answers with HTML", answer("<html>zyxquill</html>"), federation.Failed, 0},
		{"answers with another resource", answer(`{"resourceType":"Patient"}`), federation.Failed, 0},
		{"answers with another bundle", answer(`{"resourceType":"Bundle","type":"batch"}`), federation.Failed, 0},
		{"stops in the middle", answer(`{"resourceType":"Bundle","type":"searchset","entry":[`), federation.Failed, 0},
		{"nests too deeply", answer(strings.Repeat("[", 1000)), federation.Failed, 0},
		{"repeats a member", answer(`{"resourceType":"Bundle","type":"searchset","type":"searchset"}`), federation.Failed, 0},
		{"answers too much", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte(" "), 70<<10))
		}, federation.Failed, 0},
		{"breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = io.WriteString(w, `{"resourceType"`)
		}, federation.Failed, 0},
		{"compresses although not asked", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, bundle("", docRef(1, "")))
			_ = z.Close()
		}, federation.Failed, 0},
		{"hangs before the header", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, federation.Failed, 0},
		{"hangs after the header", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, federation.Late, 0},
		{"drips", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(5 * time.Millisecond)
			}
		}, federation.Late, 0},
		{"tells of somebody else", answer(bundle("", docRef(1, ""), docRef(2, `,"subject":{"identifier":{"system":"urn:rural","value":"other"}}`))), federation.Partial, 1},
		{"has one bad entry", answer(bundle("", docRef(1, ""), `{"resourceType":"DocumentReference","status":"current"}`, docRef(3, ""))), federation.Partial, 2},
		{"points elsewhere", answer(bundle("", strings.Replace(docRef(1, ""), "Binary/1", "http://169.254.169.254/latest", 1), docRef(2, ""))), federation.Partial, 1},
		{"has an entry of the wrong type", answer(bundle("", docRef(1, ""), `7`)), federation.Partial, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := site(t, tt.h, nil, func(o *Options) { o.Answer = 64 << 10 })
			ctx, cancel := context.WithTimeout(context.Background(), 600*time.Millisecond)
			defer cancel()
			start := time.Now()
			docs, err := s.Search(ctx, ask)
			var se *federation.SiteError
			if !errors.As(err, &se) || se.Fate != tt.fate || len(docs) != tt.docs {
				t.Errorf("%d documents, %v; want %d and %s", len(docs), err, tt.docs, tt.fate)
			}
			if err != nil && (strings.Contains(err.Error(), "zyxquill") || strings.Contains(err.Error(), "127.0.0.1")) {
				t.Errorf("the error quotes what it must not")
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestOneMoreTryWhereItIsSafe(t *testing.T) {
	for _, tt := range []struct {
		name       string
		first      http.HandlerFunc
		calls      int64
		documents  int
		retryAfter string
	}{
		{"503 that says when to come back", nil, 2, 1, "0"},
		{"503 that says nothing", nil, 1, 0, ""},
		{"503 that says too late", nil, 1, 0, "60"},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 1, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int64
			s := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) > 1 {
					answer(bundle("", docRef(1, "")))(w, r)
					return
				}
				if tt.first != nil {
					tt.first(w, r)
					return
				}
				if tt.retryAfter == "0" {
					w.Header().Set("Retry-After", "1")
				} else if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(503)
			}), nil, nil)
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			docs, _ := s.Search(ctx, ask)
			if n.Load() != tt.calls || len(docs) != tt.documents {
				t.Errorf("%d calls and %d documents, want %d and %d", n.Load(), len(docs), tt.calls, tt.documents)
			}
		})
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()
	late := make(chan struct{})
	go func() { // comes up while the first connection has failed and the second is not yet tried
		defer close(late)
		time.Sleep(20 * time.Millisecond)
		l, err := net.Listen("tcp", address)
		if err != nil {
			return
		}
		srv := &http.Server{Handler: answer(bundle("", docRef(1, ""))), ReadHeaderTimeout: time.Second}
		time.AfterFunc(500*time.Millisecond, func() { _ = srv.Close() })
		_ = srv.Serve(l)
	}()
	if docs, err := sitesAt(t, "http://"+address+"/fhir", nil, nil).Search(context.Background(), ask); err != nil || len(docs) != 1 {
		t.Errorf("a connection refused once: %d documents, %v", len(docs), err)
	}
	<-late
}

func TestASiteThatIsDownIsLeftInPeaceAndTriedAgain(t *testing.T) {
	var n atomic.Int64
	var well atomic.Bool
	s := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		if well.Load() {
			answer(bundle("", docRef(1, "")))(w, r)
			return
		}
		w.WriteHeader(500)
	}), nil, func(o *Options) { o.Probe = 100 * time.Millisecond })
	var se *federation.SiteError
	for range 30 {
		_, err := s.Search(context.Background(), ask)
		errors.As(err, &se)
	}
	if n.Load() != 5 || se.Fate != federation.Skipped {
		t.Errorf("%d calls reached it, the last was %s; want 5 and skipped", n.Load(), se.Fate)
	}
	well.Store(true)
	time.Sleep(120 * time.Millisecond)
	if docs, err := s.Search(context.Background(), ask); err != nil || len(docs) != 1 {
		t.Errorf("well again: %d, %v", len(docs), err)
	}

	refusing := site(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }), nil, nil)
	for range 30 {
		_, err := refusing.Search(context.Background(), ask)
		errors.As(err, &se)
	}
	if se.Fate != federation.Refused {
		t.Errorf("a site that says no is well, and was %s", se.Fate)
	}
}

func TestPermitsBoundWhatASiteIsAskedAtOnce(t *testing.T) {
	var now, most atomic.Int64
	open := make(chan struct{})
	s := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		<-open
		now.Add(-1)
		answer(bundle("", docRef(1, "")))(w, r)
	}), nil, nil)
	fates := make(chan federation.Fate, 20)
	for range 20 {
		go func() {
			_, err := s.Search(context.Background(), ask)
			var se *federation.SiteError
			if errors.As(err, &se) {
				fates <- se.Fate
				return
			}
			fates <- federation.Answered
		}()
	}
	shed := 0
	for range 14 { // two permits, four in the queue, the rest is shed at once
		if f := <-fates; f == federation.Skipped {
			shed++
		}
	}
	for end := time.Now().Add(5 * time.Second); most.Load() < 2 && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // both permits are used
	}
	close(open)
	for range 6 {
		if f := <-fates; f != federation.Answered {
			t.Errorf("one that had a place was %s", f)
		}
	}
	if shed != 14 || most.Load() != 2 {
		t.Errorf("%d shed, %d at once; want 14 and 2", shed, most.Load())
	}
}

func TestACredentialIsNeverLeftOutOrShownElsewhere(t *testing.T) {
	var reached atomic.Bool
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached.Store(true); answer(bundle(""))(w, r) })
	for _, way := range []string{"bearer-file", "kerberos"} {
		s := site(t, h, func(e *directory.Endpoint) { e.Capability = map[string]string{"auth": way} }, nil)
		if _, err := s.Search(context.Background(), ask); err == nil || reached.Load() {
			t.Errorf("%s without a credential: %v, reached %v", way, err, reached.Load())
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(bundle("", docRef(1, ""))))
	f.Add([]byte(bundle("x", docRef(1, ""), `7`, `{"resourceType":"DocumentReference","content":[{"attachment":{"data":"`+base64.StdEncoding.EncodeToString([]byte("x"))+`"}}]}`)))
	site := directory.Site{ID: "rural", Org: "rural", Zone: "UTC", Labelled: true, Endpoints: []directory.Endpoint{{ID: "e", Protocol: "fhir-r4", Address: "https://rural.example.org/fhir"}}, Membership: directory.Live}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := reader{site: site, ask: ask}
		if _, err := r.add(b); err != nil && len(r.docs) > 0 {
			t.Error("an answer that cannot be read gave documents")
		}
		for _, d := range r.docs {
			if d.Location.Site != "rural" || d.Record != ask.Record || d.ID <= 0 || d.Kind.ID <= 0 {
				t.Error("a document without its place, record or kind")
			}
			back, err := decode(site, d.Record, d.Received)
			if err != nil || back.ID != d.ID {
				t.Error("a document cannot be read again as it was told")
			}
		}
	})
}
