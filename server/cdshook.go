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
		Codes     []hookCoding `json:"codes,omitempty"`
		Resources []string     `json:"resources,omitempty"`
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
}

func (s *Server) consult(ctx context.Context, actor hie.Actor, q consentfhir.Consult) (consulted, error) {
	a := consulted{card: hookExtension{Decision: "CONSENT_DENY", Obligations: []hookObligation{}}}
	if q.Content != nil {
		a.card.Content = &fhir.Bundle{ResourceType: "Bundle", Type: "collection"}
	}
	record, err := s.consultedRecord(ctx, actor, q.Patients)
	if err != nil || record == 0 {
		a.reasons = []string{"UNKNOWN_PATIENT"}
		return a, err
	}
	person, err := s.deps.Patients.PersonOf(ctx, record)
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
	permitted := func(doc consent.Document) bool {
		doc.Record, doc.Site = member.Record.String(), member.Site
		ok := true
		for _, req := range requests {
			if !s.deps.Network().Live(doc.Site) || !s.deps.Network().Admitted(req.Organization) {
				ok, a.reasons = false, append(a.reasons, consent.ReasonNetworkForbid.String())
				continue
			}
			decision := d.Decide(req, doc, now)
			ok = ok && decision.Release
			if r := decision.Reason.String(); !slices.Contains(a.reasons, r) {
				a.reasons = append(a.reasons, r)
			}
		}
		return ok
	}
	if q.Content != nil {
		a.weighContent(q.Content, permitted)
	} else {
		a.weighKinds(q.Classes, permitted)
	}
	return a, nil
}

// consultedRecord returns the one record that all of patients name and whose consents the caller keeps, 0 for none.
func (s *Server) consultedRecord(ctx context.Context, actor hie.Actor, patients []fhir.Reference) (hie.SourcePatientID, error) {
	var out hie.SourcePatientID
	for _, ref := range patients {
		record, err := s.namedRecord(ctx, ref)
		if err != nil || record == 0 || out != 0 && record != out {
			return 0, err
		}
		have, _, err := s.consentRight(ctx, actor, record)
		if err != nil || have != mayFile {
			return 0, err
		}
		out = record
	}
	return out, nil
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
func (a *consulted) weighContent(content []consentfhir.ConsultEntry, permitted func(consent.Document) bool) {
	var redacted []string
	for _, e := range content {
		if permitted(e.Document) {
			a.card.Content.Entry = append(a.card.Content.Entry, e.Entry)
		} else {
			redacted = append(redacted, e.Name)
		}
	}
	if len(a.card.Content.Entry) == 0 {
		return
	}
	a.card.Decision = "CONSENT_PERMIT"
	if redacted != nil {
		a.card.Obligations = append(a.card.Obligations, hookObligation{ID: hookCoding{actCode, "REDACT"}, Parameters: hookParameters{Resources: redacted}})
	}
}

// weighKinds decides about an ordinary document of each class, and which labels must be taken out of what is sent.
func (a *consulted) weighKinds(classes []string, permitted func(consent.Document) bool) {
	if len(classes) == 0 {
		classes = []string{"11488-4"} // a consult note, which is as ordinary as any
	}
	var redacted []hookCoding
	for _, class := range classes {
		doc := consent.Document{Class: class, Type: class, Confidentiality: "N", Sensitivity: []string{}, LabelState: consent.Labelled}
		if !permitted(doc) {
			return
		}
		for _, kind := range consent.SightKinds()[1:] {
			labelled := doc
			if labelled.Confidentiality = "R"; kind != "restricted" {
				labelled.Sensitivity = []string{kind}
			}
			code := hookCoding{actCode, kind}
			if kind == "restricted" {
				code = hookCoding{"http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R"}
			}
			if !permitted(labelled) && !slices.Contains(redacted, code) {
				redacted = append(redacted, code)
			}
		}
	}
	a.card.Decision = "CONSENT_PERMIT"
	if redacted != nil {
		a.card.Obligations = append(a.card.Obligations, hookObligation{ID: hookCoding{actCode, "REDACT"}, Parameters: hookParameters{Codes: redacted}})
	}
}
