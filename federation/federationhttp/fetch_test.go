package federationhttp

import (
	"context"
	"crypto/sha1"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/egress"
	"github.com/concord-hie/concord/locator"
)

// published is a pointer to Binary/1 with the size and hash of b.
func published(b []byte) locator.Pointer {
	sum := sha1.Sum(b)
	return locator.Pointer{Record: 14, Site: "rural", ContentType: "text/plain", Size: int64(len(b)), Hash: sum[:],
		Location: locator.Location{Site: "rural", Endpoint: "rural-fhir", Path: "Binary/1"}}
}

func TestADocumentIsOpenedAtItsSite(t *testing.T) {
	var uri, accept, encoding string
	s := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uri, accept, encoding = r.RequestURI, r.Header.Get("Accept"), r.Header.Get("Accept-Encoding")
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "hello")
	}), nil, nil)
	b, err := s.Fetch(context.Background(), published([]byte("hello")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	got, err := io.ReadAll(b)
	if err != nil || string(got) != "hello" || b.Length != 5 || !b.Framed || b.ContentType != "text/plain" {
		t.Errorf("%q, %v", got, err)
	}
	if uri != "/fhir/Binary/1" || accept != "text/plain" || encoding != "identity" {
		t.Errorf("asked %s, %s, %s", uri, accept, encoding)
	}
}

func TestABodyThatFallsSilentOrTricklesEndsWithAnError(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pause time.Duration
	}{{"silent", time.Hour}, {"trickling", 20 * time.Millisecond}} {
		t.Run(tt.name, func(t *testing.T) {
			s := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					_, _ = io.WriteString(w, "x")
					_ = http.NewResponseController(w).Flush()
					select {
					case <-time.After(tt.pause):
					case <-r.Context().Done():
					}
				}
			}), nil, nil)
			b, err := s.Fetch(context.Background(), published(make([]byte, 1<<20)))
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = io.Copy(io.Discard, b)
			if took := time.Since(start); err == nil || took > 1500*time.Millisecond {
				t.Errorf("%v after %v", err, took)
			}
			_ = b.Close()
		})
	}
}

func TestADocumentIsNotFetchedFromElsewhere(t *testing.T) {
	var trapped atomic.Bool
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { trapped.Store(true) }))
	t.Cleanup(trap.Close)
	guard, err := egress.New(egress.Options{})
	if err != nil {
		t.Fatal(err)
	}
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, trap.URL, 302) }))
	t.Cleanup(redirecting.Close)
	only, err := egress.New(egress.Options{Allow: []string{redirecting.Listener.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(only.Close)
	for name, s := range map[string]*Sites{
		"a site at a private address that nobody allowed": sitesAt(t, trap.URL+"/fhir", nil, func(o *Options) { o.Guard = guard }),
		"a redirect to a private address":                 sitesAt(t, redirecting.URL+"/fhir", nil, func(o *Options) { o.Guard = only }),
	} {
		if b, err := s.Fetch(context.Background(), published([]byte("x"))); err == nil || trapped.Load() {
			t.Errorf("%s: %v, trap sprung %v", name, err, trapped.Load())
			if err == nil {
				_ = b.Close()
			}
		}
	}
	s := sitesAt(t, trap.URL+"/fhir", nil, nil)
	p := published([]byte("x"))
	p.Site = "another"
	if _, err := s.Fetch(context.Background(), p); err == nil {
		t.Error("a location of another site was followed")
	}
}
