package consentfhir

import (
	"strconv"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json/jsontext"
)

// OwnRecord is how a copy, and the cases made of it, name the registration it is of.
const OwnRecord = "1"

// The wire structs below have the members of a case ([Case]), and a few that cases have no need of.
type (
	// A CopyJSON is a copy as sites have it: subject, consents, policies and sites are as in a case.
	CopyJSON struct {
		// Patient is the registration's public id; Epoch that of its own consents and labels.
		Patient string     `json:"patient"`
		Version string     `json:"version"`
		Epoch   int64      `json:"epoch"`
		AsOf    time.Time  `json:"as_of"`
		Until   *time.Time `json:"until,omitempty"`
		// Rules is the version of the rules it was made under.
		Rules    string        `json:"rules"`
		Ask      []string      `json:"ask,omitempty"`
		Subject  subjectJSON   `json:"subject"`
		Consents []consentJSON `json:"consents"`
		Policies []policyJSON  `json:"policies,omitempty"`
		Sites    []siteJSON    `json:"sites,omitempty"`
	}
	subjectJSON struct {
		Records     []recordJSON     `json:"records"`
		Proxies     []proxyJSON      `json:"proxies,omitempty"`
		Grants      []grantJSON      `json:"grants,omitempty"`
		Instruments []instrumentJSON `json:"instruments,omitempty"`
		Died        *time.Time       `json:"died,omitempty"`
		Home        string           `json:"homeJurisdiction,omitzero"`
	}
	recordJSON struct {
		ID   string     `json:"id"`
		Site hie.SiteID `json:"site,omitzero"`
		Link string     `json:"link"`
	}
	proxyJSON struct {
		Ref    string     `json:"ref"`
		Start  string     `json:"start,omitzero"`
		End    string     `json:"end,omitzero"`
		Lapses *time.Time `json:"lapses,omitempty"`
	}
	grantJSON struct {
		Organization hie.OrgID `json:"organization"`
		User         string    `json:"user"`
		At           time.Time `json:"at"`
		Until        time.Time `json:"until"`
	}
	instrumentJSON struct {
		Kind         string        `json:"kind"`
		Organization hie.OrgID     `json:"organization"`
		Purposes     []hie.Purpose `json:"purposes,omitempty"`
		From         time.Time     `json:"from"`
		Until        *time.Time    `json:"until,omitempty"`
	}
	consentJSON struct {
		Resource jsontext.Value `json:"resource"`
		Filed    time.Time      `json:"filed"`
		Signed   *time.Time     `json:"signed,omitempty"`
		// SignedWithin is for how many seconds after signed it may have been signed.
		SignedWithin    int64  `json:"signedWithin,omitzero"`
		Verified        bool   `json:"verified"`
		Record          string `json:"record"`
		NetworkWide     bool   `json:"networkWide"`
		Absolute        bool   `json:"absolute"`
		ReturnToDefault bool   `json:"returnToDefault"`
	}
	policyJSON struct {
		URI        string `json:"uri"`
		Additive   bool   `json:"additive"`
		OnExpiry   string `json:"onExpiry,omitzero"`
		Widening   bool   `json:"widening"`
		Instrument string `json:"instrument,omitzero"`
		Erase      bool   `json:"erase,omitzero"`
	}
	siteJSON struct {
		ID              hie.SiteID `json:"id"`
		Org             hie.OrgID  `json:"org,omitzero"`
		Jurisdiction    string     `json:"jurisdiction,omitzero"`
		Regimes         []string   `json:"regimes,omitzero"`
		Zone            string     `json:"zone,omitzero"`
		Labels          string     `json:"labels,omitzero"`
		PrivilegedRoles []string   `json:"privilegedRoles,omitempty"`
	}
)

// WriteCopy returns c as sites have it, without what the door adds (Patient, Version, Epoch, AsOf, Rules). resource returns a
// directive given on the record itself as it is served; id names one given elsewhere.
func WriteCopy(c consent.Copy, resource func(consent.Directive) ([]byte, error), id func(consent.Directive) string) (CopyJSON, error) {
	out := CopyJSON{Until: moment(c.Until), Ask: c.Ask, Consents: []consentJSON{}}
	name := func(record string) string {
		if record == c.Record {
			return OwnRecord
		}
		return record
	}
	for _, r := range c.Subject.Records {
		out.Subject.Records = append(out.Subject.Records, recordJSON{name(r.ID), r.Site, linkText(r.Link)})
	}
	for _, p := range c.Subject.Proxies {
		out.Subject.Proxies = append(out.Subject.Proxies, proxyJSON{p.Ref, p.Period.Start, p.Period.End, moment(p.Lapses)})
	}
	for _, g := range c.Subject.Grants {
		out.Subject.Grants = append(out.Subject.Grants, grantJSON{g.Organization, g.User, g.At, g.Until})
	}
	for _, i := range c.Subject.Instruments {
		out.Subject.Instruments = append(out.Subject.Instruments, instrumentJSON{i.Kind, i.Organization, i.Purposes, i.From, moment(i.Until)})
	}
	out.Subject.Died, out.Subject.Home = moment(c.Subject.Died), c.Subject.Home
	for _, p := range c.Policies {
		out.Policies = append(out.Policies, policyJSON(p))
	}
	for _, s := range c.Sites {
		out.Sites = append(out.Sites, siteJSON{ID: s.ID, Org: s.Org})
	}
	for _, d := range c.Directives {
		var b []byte
		if d.Elsewhere {
			b = reduced(d.Directive, id(d.Directive))
		} else {
			var err error
			if b, err = resource(d.Directive); err != nil {
				return CopyJSON{}, err
			}
		}
		out.Consents = append(out.Consents, consentJSON{b, d.Filed, moment(d.Signed), int64(d.SignedWithin / time.Second), d.Verified, name(d.Record), d.NetworkWide, d.Absolute, d.ReturnToDefault})
	}
	return out, nil
}

// ReadCopy returns the engine a site runs on a copy and the rules that hold there. Documents are on the record [OwnRecord]; requests
// of which it is not known to what care teams they belong (nil) are decided as the exchange decides what it does not know.
func ReadCopy(c CopyJSON, rules SetupJSON) (*consent.Decider, error) {
	setup := rules.setup()
	for _, p := range c.Policies {
		setup.Policies = append(setup.Policies, consent.Policy(p))
	}
	for _, s := range c.Sites {
		setup.Sites = append(setup.Sites, s.site())
	}
	env, err := consent.NewEnv(setup)
	if err != nil {
		return nil, err
	}
	var subject consent.Subject
	for _, r := range c.Subject.Records {
		subject.Records = append(subject.Records, consent.Record{ID: r.ID, Site: r.Site, Link: readLink(r.Link)})
	}
	for _, p := range c.Subject.Proxies {
		subject.Proxies = append(subject.Proxies, consent.Proxy{Ref: p.Ref, Period: consent.Period{Start: p.Start, End: p.End}, Lapses: stated(p.Lapses)})
	}
	for _, g := range c.Subject.Grants {
		subject.Grants = append(subject.Grants, consent.Grant{Emergency: consent.Emergency{At: g.At}, Record: OwnRecord, Organization: g.Organization, User: g.User, Until: g.Until})
	}
	for _, i := range c.Subject.Instruments {
		subject.Instruments = append(subject.Instruments, consent.Instrument{Record: 1, Kind: i.Kind, Organization: i.Organization, Purposes: i.Purposes, From: i.From, Until: stated(i.Until)})
	}
	subject.Died, subject.Home = stated(c.Subject.Died), c.Subject.Home
	var directives []consent.Directive
	for i, in := range c.Consents {
		d, err := Read(in.Resource)
		if err != nil {
			return nil, err
		}
		d.ID, d.Record, d.Filed, d.Signed, d.SignedWithin = "consents["+strconv.Itoa(i)+"]", in.Record, in.Filed, stated(in.Signed), time.Duration(in.SignedWithin)*time.Second
		d.Verified, d.NetworkWide, d.Absolute, d.ReturnToDefault = in.Verified, in.NetworkWide, in.Absolute, in.ReturnToDefault
		directives = append(directives, d)
	}
	return consent.Compile(env, subject, directives), nil
}

func stated(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func (s siteJSON) site() consent.Site {
	return consent.Site{ID: s.ID, Org: s.Org, Jurisdiction: s.Jurisdiction, Regimes: s.Regimes, Zone: s.Zone, Unlabelled: s.Labels == "unlabelled", PrivilegedRoles: s.PrivilegedRoles}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func linkText(l hie.LinkState) string {
	switch l {
	case hie.LinkConfirmed:
		return "confirmed"
	case hie.LinkTentative:
		return "tentative"
	}
	return "disputed"
}

// reduced writes a directive given elsewhere as a Consent of its own kind: it is no resource that could be read or filed.
func reduced(d consent.Directive, id string) []byte {
	concept := func(code string) fhir.CodeableConcept {
		return fhir.CodeableConcept{Coding: []fhir.Coding{{System: scopeSystem, Code: code}}}
	}
	o := fhir.Object{}
	o.Set("resourceType", "Consent")
	o.Set("id", id)
	var contained []fhir.Object
	root := withTeams(*d.Provision, &contained)
	if contained != nil {
		all := make([]any, len(contained))
		for i := range contained {
			all[i] = contained[i]
		}
		o.Set("contained", all)
	}
	o.Set("status", d.Status)
	o.Set("scope", concept(d.Scope))
	var policies []fhir.ConsentPolicy
	for _, uri := range d.Policies {
		policies = append(policies, fhir.ConsentPolicy{URI: uri})
	}
	o.Set("policy", policies)
	o.Set("provision", WriteProvision(root))
	return o.Bytes()
}

// withTeams is p with each PractitionerRole it names under an id of its own in contained.
func withTeams(p consent.Provision, contained *[]fhir.Object) consent.Provision {
	actors := make([]consent.Actor, len(p.Actors))
	for i, a := range p.Actors {
		if actors[i] = a; a.Team == nil {
			continue
		}
		id := "role-" + strconv.Itoa(len(*contained)+1)
		t := fhir.Object{}
		t.Set("resourceType", "PractitionerRole")
		t.Set("id", id)
		if a.Team.HasOrganization {
			t.Set("organization", fhir.Reference{Reference: a.Team.Organization, Display: "-"})
		}
		if a.Team.HasPractitioner {
			t.Set("practitioner", fhir.Reference{Reference: a.Team.Practitioner, Display: "-"})
		}
		var codes []fhir.CodeableConcept
		for _, c := range a.Team.Codes {
			codes = append(codes, fhir.CodeableConcept{Coding: []fhir.Coding{{Code: c}}})
		}
		if codes != nil {
			t.Set("code", codes)
		}
		*contained = append(*contained, t)
		actors[i].Reference = "#" + id
	}
	p.Actors = actors
	kids := make([]consent.Provision, len(p.Provisions))
	for i, k := range p.Provisions {
		kids[i] = withTeams(k, contained)
	}
	p.Provisions = kids
	return p
}
