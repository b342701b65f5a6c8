package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// The CDS Hook patient-consent-consult, for record systems that speak it: an adapter over the same decisions. It is asked
// by who holds the record, and answers CONSENT_PERMIT or CONSENT_DENY, never that there is no consent: a default decides
// where nobody has said anything.
//
// Source: CDS Hooks 2.0; spec consent 2.19.

const consultPath = "/cds-services/patient-consent-consult"

// cdsServices answers GET /cds-services.
func (s *Server) cdsServices(c *gin.Context) {
	type service struct {
		Hook              string `json:"hook"`
		Title             string `json:"title"`
		Description       string `json:"description"`
		ID                string `json:"id"`
		UsageRequirements string `json:"usageRequirements"`
	}
	s.sendJSON(c, http.StatusOK, struct {
		Services []service `json:"services"`
	}{[]service{{Hook: "patient-consent-consult", ID: "patient-consent-consult", Title: "Consent consult",
		Description:       "Says whether somebody may have something about a patient, by what the patient, the sites and the law say.",
		UsageRequirements: "An access token with system/Consent.r, of the organisation whose registration the patient is named by."}}})
}

type (
	hookCoding struct {
		System string `json:"system"`
		Code   string `json:"code"`
	}
	hookObligation struct {
		ID         hookCoding     `json:"id"`
		Parameters hookParameters `json:"parameters"`
	}
	hookParameters struct {
		Codes      []hookCoding    `json:"codes,omitempty"`
		Resources  []string        `json:"resources,omitempty"`
		Statements []hookStatement `json:"statements,omitempty"`
	}
	hookStatement struct {
		Language string `json:"language"`
		Text     string `json:"text"`
		Scope    string `json:"scope,omitzero"`
	}
	hookExtension struct {
		Decision    string           `json:"decision"`
		Obligations []hookObligation `json:"obligations"`
		Content     *fhir.Bundle     `json:"content,omitzero"`
	}
	hookCard struct {
		Summary   string        `json:"summary"`
		Detail    string        `json:"detail"`
		Indicator string        `json:"indicator"`
		Source    hookSource    `json:"source"`
		Extension hookExtension `json:"extension"`
	}
	hookSource struct {
		Label string `json:"label"`
		URL   string `json:"url"`
	}
)

const actCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

// consultConsent answers POST /cds-services/patient-consent-consult. A patient who is unknown, or not the caller's, is
// refused as one who refuses.
func (s *Server) consultConsent(c *gin.Context) {
	ctx := c.Request.Context()
	body, err := s.body(c)
	var q consentfhir.Consult
	if err == nil {
		q, err = consentfhir.ReadConsult(body)
	}
	var a consulted
	if err == nil {
		a, err = s.consult(ctx, caller(c), q)
	}
	if err == nil {
		e := audit.NewEvent(audit.Decision, caller(c), s.deps.Now()).About(a.records...)
		e.Reasons, e.Ground = a.reasons, a.ground
		e.Detail = map[string]string{"interaction": "cds hook"}
		if a.card.Decision == "CONSENT_DENY" {
			e.Outcome = audit.Refusal
		}
		err = s.deps.Audit.Record(context.WithoutCancel(ctx), e)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	card := hookCard{Summary: a.card.Decision, Indicator: "info", Source: hookSource{Label: "Concord", URL: s.cfg.BaseURL}, Extension: a.card,
		Detail: "There is permission for this."}
	if a.card.Decision == "CONSENT_DENY" {
		s.even(c)
		card.Indicator, card.Detail = "critical", "There is no permission for this."
	}
	s.sendJSON(c, http.StatusOK, struct {
		Cards []hookCard `json:"cards"`
	}{[]hookCard{card}})
}

// consulted is the answer to a consultation, and what goes on record.
type consulted struct {
	card            hookExtension
	records         []hie.SourcePatientID
	reasons, ground []string
	caveats         []consent.Caveat // what of the obligations is told in words
}

func (s *Server) consult(ctx context.Context, actor hie.Actor, q consentfhir.Consult) (consulted, error) {
	a := consulted{card: hookExtension{Decision: "CONSENT_DENY", Obligations: []hookObligation{}}}
	if q.Content != nil {
		a.card.Content = &fhir.Bundle{ResourceType: "Bundle", Type: "collection"}
	}
	record, home, err := s.consultedRecord(ctx, actor, q.Patients)
	if err != nil || record == 0 {
		a.reasons = []string{"UNKNOWN_PATIENT"}
		return a, err
	}
	person, err := s.deps.Patients.Person(ctx, home.Person)
	if err != nil {
		return a, err
	}
	onFile, err := s.deps.Consents.Load(ctx, person.Records())
	if err != nil {
		return a, err
	}
	env := s.deps.ConsentEnv()
	d := consent.Compile(env, federation.SubjectOf(person, onFile), onFile.Directives)
	now := onFile.NoEarlier(s.deps.Now())
	member, _ := person.Member(record)
	a.records = []hie.SourcePatientID{record}
	for _, dir := range onFile.Directives {
		a.ground = append(a.ground, dir.ID+"/"+strconv.FormatInt(dir.Version, 10))
	}
	requests := s.consultedRequests(env, actor, q, person)
	teams, err := federation.ReadCareTeams(ctx, s.careTeams(), d)
	if err != nil {
		return a, err
	}
	for i, req := range requests {
		requests[i] = federation.WithCareTeams(req, d.CareTeams(), teams, s.deps.Network(), now)
	}
	site, _ := s.deps.Network().Site(member.Site)
	permitted := func(doc consent.Document) (bool, owing) {
		doc.Record, doc.Site = member.Record.String(), member.Site
		ok, owed := true, owing{}
		for _, req := range requests {
			if !s.deps.Network().Live(doc.Site) || !s.deps.Network().Admitted(req.Organization) {
				ok, a.reasons = false, append(a.reasons, consent.ReasonNetworkForbid.String())
				continue
			}
			decision := d.Decide(req, doc, now)
			ok = ok && decision.Release
			owed.codes = append(owed.codes, federation.Owed(decision.Obligations)...)
			owed.caveats = consent.Join(owed.caveats, d.Caveats(req, doc, now))
			if r := decision.Reason.String(); !slices.Contains(a.reasons, r) {
				a.reasons = append(a.reasons, r)
			}
		}
		return ok, owed
	}
	if q.Content != nil {
		a.weighContent(q.Content, site.Labelled, namesResources(onFile.Directives), permitted)
	} else {
		a.weighKinds(q.Classes, site.Labelled, permitted)
	}
	for i := range a.card.Obligations {
		s.speak(&a.card.Obligations[i], a.caveats)
	}
	return a, nil
}

// speak adds to o the words that go with it: who asked sends what is permitted, and must send them with it.
//
// Source: 42 CFR 2.32.
func (s *Server) speak(o *hookObligation, caveats []consent.Caveat) {
	for _, v := range caveats {
		for _, lang := range consent.Languages() {
			if obligationCoding(v.Obligation) == (fhir.Coding{System: o.ID.System, Code: o.ID.Code}) {
				o.Parameters.Statements = append(o.Parameters.Statements, hookStatement{lang, v.Words(lang).Long, consent.ExplainScope(v.Permissions, lang, s.names())})
			}
		}
	}
}

// A permitting says whether a document may go to all who are named, and what goes with it.
type permitting func(consent.Document) (ok bool, owed owing)

// An owing is what goes with what is permitted: codes, and what of them is told in words.
type owing struct {
	codes   []string
	caveats []consent.Caveat
}

func (o *owing) add(more owing) {
	o.codes = append(o.codes, more.codes...)
	o.caveats = consent.Join(o.caveats, more.caveats)
}

// namesResources reports whether some directive tells classes apart by the types of FHIR resources, which begin with a capital
// letter, as the codes of documents do not.
func namesResources(ds []consent.Directive) bool {
	var names func(p *consent.Provision) bool
	names = func(p *consent.Provision) bool {
		return slices.ContainsFunc(p.Classes, func(c string) bool { return c != "" && 'A' <= c[0] && c[0] <= 'Z' }) ||
			slices.ContainsFunc(p.Provisions, func(k consent.Provision) bool { return names(&k) })
	}
	return slices.ContainsFunc(ds, func(d consent.Directive) bool { return d.Provision != nil && names(d.Provision) })
}

// consultedRecord returns the one record that all of patients name and whose consents the caller keeps, 0 for none, and where it
// belongs.
func (s *Server) consultedRecord(ctx context.Context, actor hie.Actor, patients []fhir.Reference) (out hie.SourcePatientID, home mpi.Home, _ error) {
	for _, ref := range patients {
		record, err := s.namedRecord(ctx, ref)
		if err != nil || record == 0 || out != 0 && record != out {
			return 0, mpi.Home{}, err
		}
		var have right
		if have, home, err = s.consentRight(ctx, actor, record); err != nil || have != mayFile {
			return 0, mpi.Home{}, err
		}
		out = record
	}
	return out, home, nil
}

// consultedRequests are the requests that must all be permitted: one for each organisation and practitioner named, of
// the caller's own organisation when none is.
func (s *Server) consultedRequests(env *consent.Env, actor hie.Actor, q consentfhir.Consult, person mpi.Person) []consent.Request {
	purposes := q.Purposes
	if len(purposes) == 0 {
		purposes = actor.Purposes
	}
	organizations, practitioners := q.Organizations, q.Practitioners
	if len(organizations) == 0 {
		organizations = []hie.OrgID{actor.Organization}
	}
	if len(practitioners) == 0 {
		practitioners = []string{""}
	}
	var out []consent.Request
	for _, o := range organizations {
		for _, p := range practitioners {
			req := federation.RequestOf(hie.Actor{Organization: o, Purposes: purposes}, s.deps.Network(), person)
			req.Practitioner, req.Roles, req.Abilities = p, nil, env.Abilities()
			out = append(out, req)
		}
	}
	return out
}

// weighContent decides each resource; those that may not go are left out and named in an obligation.
func (a *consulted) weighContent(content []consentfhir.ConsultEntry, labels, byResource bool, permitted permitting) {
	var redacted []string
	var owed owing
	for _, e := range content {
		released := true
		var asks owing
		for _, doc := range consultedDocuments(e, labels, byResource) {
			ok, more := permitted(doc)
			released = released && ok
			asks.add(more)
		}
		if released {
			a.card.Content.Entry = append(a.card.Content.Entry, e.Entry)
			owed.add(asks)
		} else {
			redacted = append(redacted, e.Name)
		}
	}
	if len(a.card.Content.Entry) == 0 {
		return
	}
	a.card.Decision = "CONSENT_PERMIT"
	a.owe(owed)
	if redacted != nil {
		a.card.Obligations = append(a.card.Obligations, hookObligation{ID: hookCoding{actCode, "REDACT"}, Parameters: hookParameters{Resources: redacted}})
	}
}

// consultedDocuments is e as documents are decided about: one for each pair of class and type, each of which must be permitted.
// labels says that the site labels. Which class of document a resource without a category is, is not known; where a directive
// tells classes apart by the types of resources, its type is what counts.
func consultedDocuments(e consentfhir.ConsultEntry, labels, byResource bool) (out []consent.Document) {
	k := locator.KindOf(nil, nil, e.Labels, labels)
	base := consent.Document{ID: e.ID, Confidentiality: k.Confidentiality}
	base.Sensitivity, base.Flags = consent.ReadLabels(k.Sensitivity)
	switch {
	case !labels:
		base.LabelState = consent.Unlabelled
	case k.Labelled:
		base.LabelState = consent.Labelled
	}
	if base.LabelState != consent.Labelled && len(base.Flags) == 0 {
		base.Flags = nil // silence says nothing
	}
	classes, types := e.Classes, e.Types
	if len(classes) == 1 && !byResource {
		classes = []string{classes[0], ""}
	}
	if types == nil {
		types = []string{""}
	}
	for _, class := range classes {
		for _, t := range types {
			doc := base
			doc.Class, doc.Type = class, t
			out = append(out, doc)
		}
	}
	return out
}

// weighKinds decides about an ordinary document of each class, and which labels must be taken out of what is sent: all that
// decisions tell apart. Of a site that does not label nobody knows what an ordinary document holds.
func (a *consulted) weighKinds(classes []string, labels bool, permitted permitting) {
	if len(classes) == 0 {
		classes = []string{"11488-4"} // a consult note, which is as ordinary as any
	}
	var redacted []hookCoding
	var owed owing
	for _, class := range classes {
		doc := consent.Document{Class: class, Type: class, Confidentiality: "N", Sensitivity: []string{}, Flags: []string{}, LabelState: consent.Labelled}
		if !labels {
			doc.Confidentiality, doc.Sensitivity, doc.Flags, doc.LabelState = "", nil, nil, consent.Unlabelled
		}
		ok, asks := permitted(doc)
		if !ok {
			return
		}
		owed.add(asks)
		for _, code := range consultedLabels() {
			labelled := doc
			labelled.LabelState, labelled.Confidentiality = consent.Labelled, "R"
			switch code.System {
			case locator.SystemConfidentiality:
				labelled.Confidentiality, labelled.Sensitivity = code.Code, []string{}
			default:
				labelled.Sensitivity = []string{code.Code}
			}
			if ok, _ := permitted(labelled); !ok && !slices.Contains(redacted, code) {
				redacted = append(redacted, code)
			}
		}
	}
	a.card.Decision = "CONSENT_PERMIT"
	a.owe(owed)
	if redacted != nil {
		a.card.Obligations = append(a.card.Obligations, hookObligation{ID: hookCoding{actCode, "REDACT"}, Parameters: hookParameters{Codes: redacted}})
	}
}

// consultedLabels are the labels that are asked about one by one: those above normal, then every sensitivity.
func consultedLabels() []hookCoding {
	out := []hookCoding{{locator.SystemConfidentiality, "R"}, {locator.SystemConfidentiality, "V"}}
	for _, code := range consent.Sensitivities() {
		out = append(out, hookCoding{actCode, code})
	}
	return out
}

// owe names the obligations that go with what is permitted, each once. That labels go along is not named: they are in the
// resources.
//
// Source: spec consent 2.11.
func (a *consulted) owe(owed owing) {
	a.caveats = owed.caveats
	slices.Sort(owed.codes)
	for _, o := range slices.Compact(owed.codes) {
		if o == "LABELS" {
			continue
		}
		id := obligationCoding(o)
		a.card.Obligations = append(a.card.Obligations, hookObligation{ID: hookCoding{id.System, id.Code}})
	}
}
