package consentfhir

import (
	"cmp"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/go-json-experiment/json/jsontext"
)

// A wireCase is a case being read.
type wireCase struct {
	Case
	line string
	// missing is the first required member that was not there, "" when all were.
	missing string
	odd     error // what is wrong with a Consent whose JSON can be read
}

// require notes that a required member was not there.
func (w *wireCase) require(there bool, path string) {
	if !there && w.missing == "" {
		w.missing = path
	}
}

// UnmarshalJSONFrom reads a case. Of the lists what is absent stays nil, and what is empty does not.
//
// Source: spec consent-cases, "Case".
func (w *wireCase) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	r := reader{dec: dec, whole: w.line, noNulls: true}
	var now, subject, request, document bool
	s := &w.Setup
	s.EmergencyHours = consent.DefaultEmergencyHours
	for name := range r.members {
		switch string(name) {
		case "id":
			w.ID = r.text()
		case "now":
			now = r.there()
			w.Now, _ = consent.ParseInstant(r.text())
		case "emergencyHours":
			if !r.there() {
				r.skip()
			} else {
				s.EmergencyHours = r.number()
			}
		case "homeDefault":
			s.HomeDefault = r.flag()
		case "purposes":
			s.Purposes = list(&r, w.purpose)
		case "defaults":
			s.Defaults = list(&r, readDefault)
		case "organizations":
			s.Organizations = list(&r, w.organization)
		case "sites":
			s.Sites = list(&r, w.site)
		case "policies":
			s.Policies = list(&r, w.policy)
		case "subject":
			subject = r.there()
			w.readSubject(&r)
		case "consents":
			w.Consents = list(&r, w.consent)
		case "rules":
			s.Rules = list(&r, w.rule)
		case "request":
			request = r.there()
			readRequest(&r, &w.Request)
		case "document":
			document = r.there()
			w.readDocument(&r)
		default:
			r.skip()
		}
	}
	w.require(now, "now")
	w.require(subject, "subject")
	w.require(request, "request")
	w.require(document, "document")
	return r.err
}

func (w *wireCase) purpose(r *reader, p *consent.LocalPurpose) {
	code := false
	for name := range r.members {
		switch string(name) {
		case "code":
			code, p.Code = r.there(), hie.Purpose(r.said())
		case "parent":
			p.Parent = hie.Purpose(r.said())
		default:
			r.skip()
		}
	}
	w.require(code, "purposes.code")
}

func readDefault(r *reader, d *consent.Default) {
	for name := range r.members {
		switch string(name) {
		case "network":
			d.Network = r.flag()
		case "site":
			d.Site = hie.SiteID(r.said())
		case "jurisdiction":
			d.Jurisdiction = r.text()
		case "purposeClass":
			d.PurposeClass = r.text()
		case "category":
			d.Category = r.text()
		case "default":
			d.Rule = r.text()
		default:
			r.skip()
		}
	}
}

func (w *wireCase) organization(r *reader, o *consent.Organization) {
	id := false
	for name := range r.members {
		switch string(name) {
		case "id":
			id, o.ID = r.there(), hie.OrgID(r.said())
		case "parent":
			o.Parent = hie.OrgID(r.said())
		default:
			r.skip()
		}
	}
	w.require(id, "organizations.id")
}

func (w *wireCase) site(r *reader, s *consent.Site) {
	id := false
	for name := range r.members {
		switch string(name) {
		case "id":
			id, s.ID = r.there(), hie.SiteID(r.said())
		case "org":
			s.Org = hie.OrgID(r.said())
		case "jurisdiction":
			s.Jurisdiction = r.text()
		case "regimes":
			s.Regimes = texts[string](r)
		case "zone":
			s.Zone = r.text()
		case "labels":
			s.Unlabelled = r.text() == "unlabelled"
		case "privilegedRoles":
			s.PrivilegedRoles = texts[string](r)
		default:
			r.skip()
		}
	}
	w.require(id, "sites.id")
}

func (w *wireCase) policy(r *reader, p *consent.Policy) {
	uri := false
	for name := range r.members {
		switch string(name) {
		case "uri":
			uri, p.URI = r.there(), r.said()
		case "additive":
			p.Additive = r.flag()
		case "onExpiry":
			p.OnExpiry = r.said()
		case "widening":
			p.Widening = r.flag()
		default:
			r.skip()
		}
	}
	w.require(uri, "policies.uri")
}

func (w *wireCase) readSubject(r *reader) {
	s := &w.Subject
	for name := range r.members {
		switch string(name) {
		case "records":
			s.Records = list(r, w.record)
		case "birthDate", "deathDate": // decide nothing here, but are texts
			_ = r.text()
		case "homeJurisdiction":
			s.Home = r.text()
		case "proxies":
			s.Proxies = list(r, w.proxy)
		default:
			r.skip()
		}
	}
}

func (w *wireCase) record(r *reader, o *consent.Record) {
	id := false
	o.Link = hie.LinkDisputed
	for name := range r.members {
		switch string(name) {
		case "id":
			id, o.ID = r.there(), r.said()
		case "site":
			o.Site = hie.SiteID(r.said())
		case "link":
			o.Link = readLink(r.text())
		default:
			r.skip()
		}
	}
	w.require(id, "subject.records.id")
}

func readLink(s string) hie.LinkState {
	switch s {
	case "confirmed":
		return hie.LinkConfirmed
	case "tentative":
		return hie.LinkTentative
	}
	return hie.LinkDisputed
}

func (w *wireCase) proxy(r *reader, p *consent.Proxy) {
	ref := false
	for name := range r.members {
		switch string(name) {
		case "ref":
			ref, p.Ref = r.there(), r.said()
		case "start":
			p.Period.Start = r.said()
		case "end":
			p.Period.End = r.said()
		default:
			r.skip()
		}
	}
	w.require(ref, "subject.proxies.ref")
}

// consent reads a Consent with what the exchange knows of it.
func (w *wireCase) consent(r *reader, d *consent.Directive) {
	resource, filed := false, false
	for name := range r.members {
		switch string(name) {
		case "resource":
			says := wireConsent{says: d}
			resource = r.there()
			if says.readFrom(r); r.err == nil {
				w.odd = cmp.Or(w.odd, says.readTeams())
			}
		case "filed":
			filed = r.there()
			d.Filed, _ = consent.ParseInstant(r.text()) // zero: the engine refuses
		case "signed":
			d.Signed, _ = consent.ParseInstant(r.text())
		case "verified":
			d.Verified = r.flag()
		case "record":
			d.Record = r.said()
		case "networkWide":
			d.NetworkWide = r.flag()
		case "absolute":
			d.Absolute = r.flag()
		case "returnToDefault":
			d.ReturnToDefault = r.flag()
		default:
			r.skip()
		}
	}
	w.require(resource && filed, "consents")
}

func (w *wireCase) rule(r *reader, o *consent.Rule) {
	id, layer, effect := false, false, false
	for name := range r.members {
		switch string(name) {
		case "id":
			id, o.ID = r.there(), r.text()
		case "layer":
			layer, o.Layer = r.there(), consent.Layer(r.text())
		case "effect":
			effect, o.Effect = r.there(), consent.Effect(r.text())
		case "kind":
			o.Kind = r.text()
		case "overridable":
			o.Overridable = r.flag()
		case "emergencyClause":
			o.EmergencyClause = r.flag()
		case "obligations":
			o.Obligations = texts[string](r)
		case "start":
			o.Start, _ = consent.ParseInstant(r.text())
		case "end":
			o.End, _ = consent.ParseInstant(r.text())
		case "scope":
			readScope(r, &o.Scope)
		default:
			r.skip()
		}
	}
	w.require(id && layer && effect, "rules")
}

func readScope(r *reader, s *consent.Scope) {
	for name := range r.members {
		switch string(name) {
		case "purposes":
			s.Purposes = saids[hie.Purpose](r)
		case "sites":
			s.Sites = saids[hie.SiteID](r)
		case "regimes":
			s.Regimes = texts[string](r)
		case "jurisdictions":
			s.Jurisdictions = texts[string](r)
		case "requesterJurisdictions":
			s.RequesterJurisdictions = texts[string](r)
		case "classes":
			s.Classes = texts[string](r)
		case "labels":
			s.Labels = texts[string](r)
		case "orgs":
			s.Orgs = saids[hie.OrgID](r)
		case "roles":
			s.Roles = texts[string](r)
		default:
			r.skip()
		}
	}
}

func readRequest(r *reader, q *consent.Request) {
	for name := range r.members {
		switch string(name) {
		case "organization":
			q.Organization = hie.OrgID(r.said())
		case "practitioner":
			q.Practitioner = r.text()
		case "roles":
			q.Roles = texts[string](r)
		case "careTeams":
			q.CareTeams = texts[string](r)
		case "purposes":
			q.Purposes = saids[hie.Purpose](r)
		case "emergency":
			if r.there() {
				q.Emergency = new(consent.Emergency)
			}
			readEmergency(r, q.Emergency)
		case "instruments":
			q.Instruments = texts[string](r)
		case "abilities":
			q.Abilities = texts[string](r)
		case "jurisdiction":
			q.Jurisdiction = r.text()
		default:
			r.skip()
		}
	}
}

// readEmergency reads a claim into e, which is nil only where null stands for it.
func readEmergency(r *reader, e *consent.Emergency) {
	for name := range r.members {
		switch string(name) {
		case "reasonCode":
			e.ReasonCode = r.text()
		case "text":
			e.Text = r.text()
		case "role":
			e.Role = r.text()
		case "at":
			e.At, _ = consent.ParseInstant(r.text())
		case "attested":
			e.Attested = texts[string](r)
		default:
			r.skip()
		}
	}
}

func (w *wireCase) readDocument(r *reader) {
	d, state := &w.Document, ""
	for name := range r.members {
		switch string(name) {
		case "id":
			d.ID = r.text()
		case "record":
			d.Record = r.said()
		case "site":
			d.Site = hie.SiteID(r.said())
		case "class":
			d.Class = r.text()
		case "type":
			d.Type = r.text()
		case "confidentiality":
			d.Confidentiality = r.text()
		case "sensitivity":
			d.Sensitivity = texts[string](r)
		case "labelState":
			state = r.text()
		case "authors":
			d.Authors = texts[string](r)
		case "start":
			w.start = r.text()
		case "end":
			w.end = r.text()
		case "encounter":
			d.Encounter = r.text()
		case "replaces":
			d.Replaces = texts[string](r)
		default:
			r.skip()
		}
	}
	d.LabelState = readLabelState(state, d.Sensitivity != nil)
}

func readLabelState(s string, listed bool) consent.LabelState {
	switch {
	case s == "labelled" && listed:
		return consent.Labelled
	case s == "labelled":
		return consent.LabelledInPart
	case s == "unlabelled":
		return consent.Unlabelled
	case s == "stale":
		return consent.LabelsStale
	}
	return consent.LabelsUnknown
}
