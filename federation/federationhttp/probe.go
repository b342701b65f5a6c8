package federationhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

const (
	probeWithin = 10 * time.Second
	// probeAnswer bounds a CapabilityStatement; large servers have large ones.
	probeAnswer = 16 << 20
	// wordLength bounds what a site says of itself, in characters.
	wordLength = 100
)

// Describe asks e of site what it is: its CapabilityStatement, and when its certificate ends. It passes by the gates: a site
// whose breaker is open is asked too, and nobody's permit is taken. It never fails; that there was no answer is the answer.
//
// Source: FHIR R4 http.html#capabilities.
func (s *Sites) Describe(ctx context.Context, site directory.Site, e directory.Endpoint) federation.Probe {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	p := federation.Probe{Endpoint: e.ID, Site: site.ID, Asked: hie.Now(), Fate: federation.Answered}
	start := time.Now()
	err := s.describe(ctx, e, &p)
	p.Took = time.Since(start)
	if err != nil {
		p.Fate, p.Reason = federation.Failed, "could not be asked"
		if se, ok := errors.AsType[*federation.SiteError](err); ok {
			p.Fate, p.Reason = se.Fate, se.Reason
		}
	}
	return p
}

func (s *Sites) describe(ctx context.Context, e directory.Endpoint, p *federation.Probe) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(e.Address, "/")+"/metadata", nil)
	if err != nil {
		return failed("no address")
	}
	req.Header.Set("Accept", "application/fhir+json")
	if err := s.prepare(req, e, ""); err != nil {
		return err
	}
	resp, err := s.once(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		p.CertificateUntil = resp.TLS.PeerCertificates[0].NotAfter.UTC()
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, probeAnswer+1))
	switch {
	case ctx.Err() != nil:
		return &federation.SiteError{Fate: federation.Late, Reason: "no end in time"}
	case err != nil:
		return failed("answer broke off")
	case len(b) > probeAnswer:
		return failed("answer too large")
	}
	var c struct {
		ResourceType string `json:"resourceType"`
		FHIRVersion  string `json:"fhirVersion"`
		Software     struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"software"`
	}
	if fhir.Decode(b, &c) != nil || c.ResourceType != "CapabilityStatement" {
		return failed("not a CapabilityStatement")
	}
	p.Software, p.Version, p.FHIRVersion = word(c.Software.Name), word(c.Software.Version), word(c.FHIRVersion)
	return nil
}

// word makes what a site wrote one short line.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
	if runes := []rune(s); len(runes) > wordLength {
		return string(runes[:wordLength])
	}
	return s
}
