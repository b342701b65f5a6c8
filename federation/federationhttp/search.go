package federationhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/egress"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorfhir"
)

// Search implements federation.Sites: it asks for the documents of the site's own patient in the states sought. An entry
// that cannot be read, or that says it is about somebody else, is left out, and the answer counts as partial.
//
// Source: IHE MHD ITI-67 (POST _search, patient.identifier and status).
func (s *Sites) Search(ctx context.Context, ask federation.Ask) ([]locator.Pointer, error) {
	site, e, err := s.endpoint(ask.Site, "")
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(strings.TrimSuffix(e.Address, "/"))
	if err != nil {
		return nil, failed("no address")
	}
	form := url.Values{"patient.identifier": {searchToken(ask.Local)}, "status": {statusParam(ask.Status)}, "_count": {strconv.Itoa(min(max(ask.Most, 1), 200))}}.Encode()
	g := s.gate(e, "search")
	r := reader{site: site, ask: ask}
	next := base.JoinPath("DocumentReference", "_search")
	method, body := http.MethodPost, form
	for page := 1; ; page++ {
		b, err := s.page(ctx, g, e, ask, method, next, body)
		if err != nil {
			return r.ended(err)
		}
		link, err := r.add(b)
		if err != nil {
			return r.ended(err)
		}
		if len(r.docs) >= ask.Most {
			r.cut = r.cut || link != ""
			return r.result()
		}
		if link == "" {
			return r.result()
		}
		target, err := base.Parse(link)
		if err != nil || !egress.SameOrigin(base, target) || page == s.Pages {
			r.cut = true
			return r.result()
		}
		method, next, body = http.MethodGet, target, ""
	}
}

// statusParam names the states sought. A consumer must name some (MHD 2:3.67.4.1.2.1), so "any" is all there are.
func statusParam(states []locator.Status) string {
	if states == nil {
		states = []locator.Status{locator.Current, locator.Superseded, locator.EnteredInError}
	}
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = s.String()
	}
	return strings.Join(names, ",")
}

// searchToken writes id as a token parameter, with the separators of searches escaped.
func searchToken(id hie.Identifier) string {
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`, `$`, `\$`, `|`, `\|`)
	return escape.Replace(id.System) + "|" + escape.Replace(id.Value)
}

// page gets one page of an answer, whole and bounded.
func (s *Sites) page(ctx context.Context, g *gate, e directory.Endpoint, ask federation.Ask, method string, target *url.URL, form string) ([]byte, error) {
	resp, release, err := s.call(ctx, g, func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, method, target.String(), strings.NewReader(form))
		if err != nil {
			return nil, failed("no address")
		}
		req.Header.Set("Accept", "application/fhir+json")
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, s.prepare(req, e, ask.Request)
	})
	if err != nil {
		return nil, err
	}
	defer release()
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, s.Answer+1))
	switch {
	case ctx.Err() != nil:
		return nil, &federation.SiteError{Fate: federation.Late, Reason: "no end in time"}
	case err != nil:
		return nil, failed("answer broke off")
	case int64(len(b)) > s.Answer:
		return nil, failed("answer too large")
	}
	return b, nil
}

// A reader gathers the documents of one site's answer.
type reader struct {
	site directory.Site
	ask  federation.Ask
	docs []locator.Pointer
	// bad counts entries left out, cut says that there was more than was taken.
	bad int
	cut bool
}

// add takes one page and returns its link to the next, "" when there is none.
func (r *reader) add(page []byte) (next string, err error) {
	var b fhir.Bundle
	if err := fhir.Decode(page, &b); err != nil {
		return "", failed("not readable as JSON")
	}
	if b.ResourceType != "Bundle" || b.Type != "searchset" {
		return "", failed("not a searchset")
	}
	for _, entry := range b.Entry {
		if entry.Search != nil && entry.Search.Mode != "" && entry.Search.Mode != "match" {
			continue
		}
		if len(r.docs) >= r.ask.Most {
			r.cut = true
			break
		}
		switch p, err := r.entry(entry.Resource); {
		case errors.Is(err, errOther):
		case err != nil:
			r.bad++
		default:
			r.docs = append(r.docs, p)
		}
	}
	for _, l := range b.Link {
		if l.Relation == "next" {
			return l.URL, nil
		}
	}
	return "", nil
}

var errOther = errors.New("federationhttp: not a document")

func (r *reader) entry(resource []byte) (locator.Pointer, error) {
	var d struct {
		ResourceType string          `json:"resourceType"`
		Subject      *fhir.Reference `json:"subject,omitzero"`
	}
	if err := fhir.Decode(resource, &d); err != nil {
		return locator.Pointer{}, err
	}
	if d.ResourceType != "DocumentReference" {
		return locator.Pointer{}, errOther
	}
	if d.Subject != nil && d.Subject.Identifier != nil && d.Subject.Identifier.System == r.ask.Local.System && d.Subject.Identifier.Value != r.ask.Local.Value {
		return locator.Pointer{}, hie.Invalid("DocumentReference.subject", "is about somebody else")
	}
	return decode(r.site, r.ask.Record, bytes.Clone(resource))
}

func (r *reader) result() ([]locator.Pointer, error) {
	switch {
	case r.cut:
		return r.docs, &federation.SiteError{Fate: federation.Partial, Reason: "more documents than are taken"}
	case r.bad > 0:
		return r.docs, &federation.SiteError{Fate: federation.Partial, Reason: strconv.Itoa(r.bad) + " documents could not be read"}
	default:
		return r.docs, nil
	}
}

// ended keeps what earlier pages gave when a later one fails.
func (r *reader) ended(err error) ([]locator.Pointer, error) {
	if len(r.docs) == 0 {
		return nil, err
	}
	return r.docs, &federation.SiteError{Fate: federation.Partial, Reason: "a later page failed"}
}

// Decode implements federation.Sites.
func (s *Sites) Decode(id hie.SiteID, record hie.SourcePatientID, received []byte) (locator.Pointer, error) {
	site, known := s.Network().Site(id)
	if !known || !site.Active || site.Membership != directory.Live {
		return locator.Pointer{}, failed("site not active")
	}
	return decode(site, record, received)
}

func decode(site directory.Site, record hie.SourcePatientID, received []byte) (locator.Pointer, error) {
	p, err := locatorfhir.Read(site, record, received)
	if err != nil {
		return locator.Pointer{}, err
	}
	return locator.Told(site, locator.Submission{Pointer: p, Path: "DocumentReference"})
}
