package federationhttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/internal/egress"
)

func TestAnEndpointIsAskedWhatItIs(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, tt := range []struct {
		name     string
		h        http.HandlerFunc
		fate     federation.Fate
		reason   string
		software string
	}{
		{"it says", answer(`{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","software":{"name":"EMR","version":"7"}}`), federation.Answered, "", "EMR"},
		{"it does not say which software it is", answer(`{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}`), federation.Answered, "", ""},
		{"it says more than fits", answer(`{"resourceType":"CapabilityStatement","software":{"name":"` + strings.Repeat("é", 5000) + `"}}`), federation.Answered, "", strings.Repeat("é", 100)},
		{"it writes on several lines", answer(`{"resourceType":"CapabilityStatement","software":{"name":"A\n\u001b[31mB\u202eC"}}`), federation.Answered, "", "A[31mBC"},
		{"it answers with something else", answer(`{"resourceType":"Bundle"}`), federation.Failed, "not a CapabilityStatement", ""},
		{"it answers with no JSON", answer(`<html>`), federation.Failed, "not a CapabilityStatement", ""},
		{"it wants a credential", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, federation.Refused, "http 401", ""},
		{"it fails", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, federation.Failed, "http 500", ""},
		{"it hangs", hang, federation.Failed, "connection broken", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := site(t, tt.h, nil, nil)
			at := s.Network().Sites()[0]
			p := s.Describe(context.Background(), at, at.Endpoints[0])
			if p.Fate != tt.fate || p.Reason != tt.reason || p.Software != tt.software || p.Endpoint != "rural-fhir" || p.Site != "rural" || time.Since(p.Asked) > time.Minute {
				t.Errorf("%+v", p)
			}
			if !p.CertificateUntil.IsZero() {
				t.Error("a certificate without TLS")
			}
		})
	}
}

func TestTheEndOfACertificateIsSeen(t *testing.T) {
	srv := httptest.NewTLSServer(answer(`{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}`))
	t.Cleanup(srv.Close)
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	guard, err := egress.New(egress.Options{Allow: []string{"127.0.0.0/8"}, TLS: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	s := sitesAt(t, srv.URL, nil, func(o *Options) { o.Guard = guard })
	at := s.Network().Sites()[0]
	if p := s.Describe(context.Background(), at, at.Endpoints[0]); p.Fate != federation.Answered || !p.CertificateUntil.Equal(srv.Certificate().NotAfter) {
		t.Errorf("%+v, want the end %v", p, srv.Certificate().NotAfter)
	}
}
