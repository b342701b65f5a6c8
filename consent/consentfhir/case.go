package consentfhir

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Case is one line of a case file: everything a decision needs, with nothing read from elsewhere.
//
// Source: spec consent-cases, "Case".
type Case struct {
	ID       string
	Setup    consent.Setup
	Subject  consent.Subject
	Consents []consent.Directive
	Request  consent.Request
	Document consent.Document
	// Now is zero when it could not be read.
	Now time.Time

	readable bool
	start    string
	end      string
}

type wireCase struct {
	ID             string           `json:"id"`
	Now            *string          `json:"now"`
	EmergencyHours *float64         `json:"emergencyHours"`
	HomeDefault    bool             `json:"homeDefault"`
	Purposes       []wirePurpose    `json:"purposes"`
	Defaults       []wireDefault    `json:"defaults"`
	Organizations  []wireOrg        `json:"organizations"`
	Sites          []wireSite       `json:"sites"`
	Policies       []wireRegistered `json:"policies"`
	Subject        *wireSubject     `json:"subject"`
	Consents       []wireFiled      `json:"consents"`
	Rules          []wireRule       `json:"rules"`
	Request        *wireRequest     `json:"request"`
	Document       *wireDocument    `json:"document"`
}

type (
	wirePurpose struct {
		Code   *text `json:"code"`
		Parent text  `json:"parent"`
	}
	wireDefault struct {
		Network      bool   `json:"network"`
		Site         text   `json:"site"`
		Jurisdiction string `json:"jurisdiction"`
		PurposeClass string `json:"purposeClass"`
		Category     string `json:"category"`
		Default      string `json:"default"`
	}
	wireOrg struct {
		ID     *text `json:"id"`
		Parent text  `json:"parent"`
	}
	wireSite struct {
		ID              *text    `json:"id"`
		Org             text     `json:"org"`
		Jurisdiction    string   `json:"jurisdiction"`
		Regimes         []string `json:"regimes"`
		Zone            string   `json:"zone"`
		Labels          string   `json:"labels"`
		PrivilegedRoles []string `json:"privilegedRoles"`
	}
	wireRegistered struct {
		URI      *text `json:"uri"`
		Additive bool  `json:"additive"`
		OnExpiry text  `json:"onExpiry"`
		Widening bool  `json:"widening"`
	}
	wireSubject struct {
		Records          []wireRecord `json:"records"`
		BirthDate        string       `json:"birthDate"`
		DeathDate        string       `json:"deathDate"`
		HomeJurisdiction string       `json:"homeJurisdiction"`
		Proxies          []wireProxy  `json:"proxies"`
	}
	wireRecord struct {
		ID   *text  `json:"id"`
		Site text   `json:"site"`
		Link string `json:"link"`
	}
	wireProxy struct {
		Ref   *text `json:"ref"`
		Start text  `json:"start"`
		End   text  `json:"end"`
	}
	wireFiled struct {
		Resource        *wireConsent `json:"resource"`
		Filed           *string      `json:"filed"`
		Signed          string       `json:"signed"`
		Verified        bool         `json:"verified"`
		Record          text         `json:"record"`
		NetworkWide     bool         `json:"networkWide"`
		Absolute        bool         `json:"absolute"`
		ReturnToDefault bool         `json:"returnToDefault"`
	}
	wireRule struct {
		ID              *string    `json:"id"`
		Layer           *string    `json:"layer"`
		Effect          *string    `json:"effect"`
		Kind            string     `json:"kind"`
		Overridable     bool       `json:"overridable"`
		EmergencyClause bool       `json:"emergencyClause"`
		Obligations     []string   `json:"obligations"`
		Start           string     `json:"start"`
		End             string     `json:"end"`
		Scope           *wireScope `json:"scope"`
	}
	wireScope struct {
		Purposes               []text   `json:"purposes"`
		Sites                  []text   `json:"sites"`
		Regimes                []string `json:"regimes"`
		Jurisdictions          []string `json:"jurisdictions"`
		RequesterJurisdictions []string `json:"requesterJurisdictions"`
		Classes                []string `json:"classes"`
		Labels                 []string `json:"labels"`
		Orgs                   []text   `json:"orgs"`
		Roles                  []string `json:"roles"`
	}
	wireRequest struct {
		Organization text           `json:"organization"`
		Practitioner string         `json:"practitioner"`
		Roles        []string       `json:"roles"`
		CareTeams    []string       `json:"careTeams"`
		Purposes     []text         `json:"purposes"`
		Emergency    *wireEmergency `json:"emergency"`
		Instruments  []string       `json:"instruments"`
		Abilities    []string       `json:"abilities"`
		Jurisdiction string         `json:"jurisdiction"`
	}
	wireEmergency struct {
		ReasonCode string   `json:"reasonCode"`
		Text       string   `json:"text"`
		Role       string   `json:"role"`
		At         string   `json:"at"`
		Attested   []string `json:"attested"`
	}
	wireDocument struct {
		ID              string   `json:"id"`
		Record          text     `json:"record"`
		Site            text     `json:"site"`
		Class           string   `json:"class"`
		Type            string   `json:"type"`
		Confidentiality string   `json:"confidentiality"`
		Sensitivity     []string `json:"sensitivity"`
		LabelState      string   `json:"labelState"`
		Authors         []string `json:"authors"`
		Start           string   `json:"start"`
		End             string   `json:"end"`
		Encounter       string   `json:"encounter"`
		Replaces        []string `json:"replaces"`
	}
)

// ReadCase reads one line. It returns an *hie.InvalidError for what is not JSON, has the wrong shape or lacks a
// required member; the Case then holds the id if that at least could be read. What can be read but not be
// decided on (an unknown purpose, an instant that is none) is left for [Case.Decide] to refuse.
func ReadCase(line []byte) (Case, error) {
	var w wireCase
	var options []json.Options
	if bytes.Contains(line, []byte("null")) {
		options = append(options, strictLists)
	}
	if err := json.Unmarshal(line, &w, options...); err != nil {
		var id struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(line, &id) // the id is echoed if there is one
		return Case{ID: id.ID}, hie.Invalid("", "is not a case: not JSON, or a member has the wrong type")
	}
	if err := w.check(); err != nil {
		return Case{ID: w.ID}, err
	}
	c := Case{ID: w.ID, readable: true}
	c.Now, _ = consent.ParseInstant(*w.Now)
	c.Setup = w.setup()
	c.Subject = w.Subject.read()
	c.Request = w.Request.read()
	c.Document = w.Document.read()
	c.start, c.end = w.Document.Start, w.Document.End
	for i := range w.Consents {
		d, err := w.Consents[i].read()
		if err != nil {
			return Case{ID: w.ID}, err
		}
		d.ID = "consents[" + strconv.Itoa(i) + "]"
		c.Consents = append(c.Consents, d)
	}
	return c, nil
}

// strictLists refuses null as an entry of a list that is read: null makes a member absent, but an entry cannot be.
var strictLists = json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v any) error {
	if _, any := v.(*jsontext.Value); any || dec.PeekKind() != 'n' {
		return errors.ErrUnsupported
	}
	if kind, _ := dec.StackIndex(dec.StackDepth()); kind == '[' {
		return errNullEntry
	}
	return errors.ErrUnsupported
}))

var errNullEntry = errors.New("null is no entry")

// check looks for required members.
func (w *wireCase) check() error {
	for _, m := range []struct {
		name    string
		missing bool
	}{{"now", w.Now == nil}, {"subject", w.Subject == nil}, {"request", w.Request == nil}, {"document", w.Document == nil}} {
		if m.missing {
			return hie.Required(m.name)
		}
	}
	lacks := func(ok bool, path string) error {
		if !ok {
			return hie.Required(path)
		}
		return nil
	}
	for _, p := range w.Purposes {
		if err := lacks(p.Code != nil, "purposes.code"); err != nil {
			return err
		}
	}
	for _, o := range w.Organizations {
		if err := lacks(o.ID != nil, "organizations.id"); err != nil {
			return err
		}
	}
	for _, s := range w.Sites {
		if err := lacks(s.ID != nil, "sites.id"); err != nil {
			return err
		}
	}
	for _, p := range w.Policies {
		if err := lacks(p.URI != nil, "policies.uri"); err != nil {
			return err
		}
	}
	for _, r := range w.Subject.Records {
		if err := lacks(r.ID != nil, "subject.records.id"); err != nil {
			return err
		}
	}
	for _, p := range w.Subject.Proxies {
		if err := lacks(p.Ref != nil, "subject.proxies.ref"); err != nil {
			return err
		}
	}
	for _, c := range w.Consents {
		if err := lacks(c.Resource != nil && c.Filed != nil, "consents"); err != nil {
			return err
		}
	}
	for _, r := range w.Rules {
		if err := lacks(r.ID != nil && r.Layer != nil && r.Effect != nil, "rules"); err != nil {
			return err
		}
	}
	return nil
}

func (w *wireCase) setup() consent.Setup {
	s := consent.Setup{HomeDefault: w.HomeDefault, EmergencyHours: consent.DefaultEmergencyHours}
	if w.EmergencyHours != nil {
		s.EmergencyHours = *w.EmergencyHours
	}
	for _, p := range w.Purposes {
		s.Purposes = append(s.Purposes, consent.LocalPurpose{Code: hie.Purpose(*p.Code), Parent: hie.Purpose(p.Parent)})
	}
	for _, o := range w.Organizations {
		s.Organizations = append(s.Organizations, consent.Organization{ID: hie.OrgID(*o.ID), Parent: hie.OrgID(o.Parent)})
	}
	for _, i := range w.Sites {
		s.Sites = append(s.Sites, consent.Site{ID: hie.SiteID(*i.ID), Org: hie.OrgID(i.Org), Jurisdiction: i.Jurisdiction,
			Regimes: i.Regimes, Zone: i.Zone, Unlabelled: i.Labels == "unlabelled", PrivilegedRoles: i.PrivilegedRoles})
	}
	for _, p := range w.Policies {
		s.Policies = append(s.Policies, consent.Policy{URI: string(*p.URI), Additive: p.Additive, OnExpiry: string(p.OnExpiry), Widening: p.Widening})
	}
	for _, d := range w.Defaults {
		s.Defaults = append(s.Defaults, consent.Default{Network: d.Network, Site: hie.SiteID(d.Site), Jurisdiction: d.Jurisdiction,
			PurposeClass: d.PurposeClass, Category: d.Category, Rule: d.Default})
	}
	for _, r := range w.Rules {
		out := consent.Rule{ID: *r.ID, Layer: consent.Layer(*r.Layer), Effect: consent.Effect(*r.Effect), Kind: r.Kind,
			Overridable: r.Overridable, EmergencyClause: r.EmergencyClause, Obligations: r.Obligations}
		out.Start, _ = consent.ParseInstant(r.Start)
		out.End, _ = consent.ParseInstant(r.End)
		if sc := r.Scope; sc != nil {
			out.Scope = consent.Scope{Purposes: ids[hie.Purpose](sc.Purposes), Sites: ids[hie.SiteID](sc.Sites), Regimes: sc.Regimes, Jurisdictions: sc.Jurisdictions,
				RequesterJurisdictions: sc.RequesterJurisdictions, Classes: sc.Classes, Labels: sc.Labels, Orgs: ids[hie.OrgID](sc.Orgs), Roles: sc.Roles}
		}
		s.Rules = append(s.Rules, out)
	}
	return s
}

// ids are texts as what they name.
func ids[T ~string](texts []text) []T {
	out := make([]T, len(texts))
	for i, t := range texts {
		out[i] = T(t)
	}
	return out
}

func (w *wireSubject) read() consent.Subject {
	s := consent.Subject{Home: w.HomeJurisdiction}
	for _, r := range w.Records {
		s.Records = append(s.Records, consent.Record{ID: string(*r.ID), Site: hie.SiteID(r.Site), Link: readLink(r.Link)})
	}
	for _, p := range w.Proxies {
		s.Proxies = append(s.Proxies, consent.Proxy{Ref: string(*p.Ref), Period: consent.Period{Start: string(p.Start), End: string(p.End)}})
	}
	return s
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

func (w *wireFiled) read() (consent.Directive, error) {
	d, err := w.Resource.directive()
	if err != nil {
		return consent.Directive{}, err
	}
	d.Filed, _ = consent.ParseInstant(*w.Filed) // zero: the engine refuses
	d.Signed, _ = consent.ParseInstant(w.Signed)
	d.Record, d.Verified, d.NetworkWide = string(w.Record), w.Verified, w.NetworkWide
	d.Absolute, d.ReturnToDefault = w.Absolute, w.ReturnToDefault
	return d, nil
}

func (w *wireRequest) read() consent.Request {
	r := consent.Request{Organization: hie.OrgID(w.Organization), Practitioner: w.Practitioner, Roles: w.Roles, CareTeams: w.CareTeams,
		Purposes: ids[hie.Purpose](w.Purposes), Instruments: w.Instruments, Abilities: w.Abilities, Jurisdiction: w.Jurisdiction}
	if e := w.Emergency; e != nil {
		r.Emergency = &consent.Emergency{ReasonCode: e.ReasonCode, Text: e.Text, Role: e.Role, Attested: e.Attested}
		r.Emergency.At, _ = consent.ParseInstant(e.At)
	}
	return r
}

func (w *wireDocument) read() consent.Document {
	return consent.Document{ID: w.ID, Record: string(w.Record), Site: hie.SiteID(w.Site), Class: w.Class, Type: w.Type,
		Confidentiality: w.Confidentiality, Sensitivity: w.Sensitivity, LabelState: readLabelState(w.LabelState, w.Sensitivity != nil),
		Authors: w.Authors, Encounter: w.Encounter, Replaces: w.Replaces}
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

// Zones finds time zones by name, reading each from the system once.
type Zones struct{ known map[string]*time.Location }

// Load is time.LoadLocation with a memory. It is not safe for use by several goroutines.
func (z *Zones) Load(name string) (*time.Location, error) {
	if l, ok := z.known[name]; ok {
		return l, nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	if z.known == nil {
		z.known = map[string]*time.Location{}
	}
	z.known[name] = l
	return l, nil
}

// prepare makes c ready to be decided; ok is false for a rule that is none.
func (c *Case) prepare(zones *Zones) (*consent.Decider, bool) {
	c.Setup.Zone = zones.Load
	env, err := consent.NewEnv(c.Setup)
	if err != nil {
		return nil, false
	}
	c.Document.Start, c.Document.End = env.DocumentTimes(c.Document.Site, c.start, c.end)
	return consent.Compile(env, c.Subject, c.Consents), true
}

// Decide answers c.
func (c *Case) Decide(zones *Zones) consent.Decision {
	if !c.readable {
		return refusedLine()
	}
	d, ok := c.prepare(zones)
	if !ok {
		return consent.RefuseInput(c.Document)
	}
	return d.Decide(c.Request, c.Document, c.Now)
}

// Explain answers c with everything that spoke.
func (c *Case) Explain(zones *Zones) consent.Trace {
	if c.readable {
		if d, ok := c.prepare(zones); ok {
			return d.Explain(c.Request, c.Document, c.Now)
		}
		return consent.Trace{Decision: consent.RefuseInput(c.Document)}
	}
	return consent.Trace{Decision: refusedLine()}
}

// refusedLine is the answer to a line that is no case: its one atom is plain.
func refusedLine() consent.Decision {
	return consent.RefuseInput(consent.Document{LabelState: consent.Labelled})
}

type wireDecision struct {
	ID          string            `json:"id"`
	Release     bool              `json:"release"`
	Atoms       map[string]string `json:"atoms"`
	Reason      string            `json:"reason"`
	Layer       string            `json:"layer"`
	Obligations []string          `json:"obligations"`
}

// DecideLine reads one line and returns the line that answers it, without a line end. It never fails: a line
// that is no case is refused with reason INPUT.
func DecideLine(line []byte, zones *Zones) []byte {
	c, err := ReadCase(line)
	if err != nil {
		return EncodeDecision(c.ID, refusedLine())
	}
	return EncodeDecision(c.ID, c.Decide(zones))
}

// EncodeDecision writes a decision as spec consent-cases says.
func EncodeDecision(id string, d consent.Decision) []byte {
	w := wireDecision{ID: id, Release: d.Release, Atoms: map[string]string{}, Reason: d.Reason.String(), Layer: string(d.Layer), Obligations: d.Obligations}
	d.Atoms.Each(func(label string, permit bool) {
		if permit && w.Atoms[label] != "deny" {
			w.Atoms[label] = "permit"
		} else {
			w.Atoms[label] = "deny"
		}
	})
	return fhir.Encode(w)
}
