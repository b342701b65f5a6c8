package server

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditfhir"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// fileConsent answers POST /fhir/Consent/$file-consent: a Consent and the document it rests on, filed together.
//
// Source: HL7 FAST consent management, file-consent (code fileConsent).
func (s *Server) fileConsent(c *gin.Context) {
	v, err := s.readFiledConsent(c)
	if err == nil {
		v, err = s.keepConsent(c, v, 0)
	}
	if err != nil {
		s.refuseConsent(c, "file", 0, err)
		return
	}
	c.Header("Location", s.consentLocation(v))
	s.send(c, http.StatusOK, done("The consent is filed and in force."))
}

func (s *Server) readFiledConsent(c *gin.Context) (consent.Version, error) {
	ps, err := s.readParameters(c, "consent", "document")
	if err != nil {
		return consent.Version{}, err
	}
	for _, name := range []string{"consent", "document"} {
		if ps.one(name).Resource == nil {
			return consent.Version{}, hie.Required(parameterPath(name) + ".resource")
		}
	}
	evidence, err := consentfhir.ReadEvidence(ps.one("document").Resource)
	if err != nil {
		return consent.Version{}, err
	}
	v, err := s.filing(c.Request.Context(), caller(c), ps.one("consent").Resource)
	if err != nil {
		return v, err
	}
	v.Evidence = append(v.Evidence, evidence)
	return v, nil
}

// revokeNamed answers POST /fhir/Consent/$revoke-consent, which names consent and patient in its Parameters, with the
// paper the revocation rests on if there is one. It acts before anybody has looked at that paper.
//
// Source: HL7 FAST consent management, $revoke-consent; spec consent 2.20 (a revocation acts before its paperwork).
func (s *Server) revokeNamed(c *gin.Context) {
	record, err := s.revokeFromParameters(c)
	if err != nil {
		s.refuseConsent(c, "revoke", record, err)
		return
	}
	s.send(c, http.StatusOK, done("The consent is revoked."))
}

// errNamedConsent is the answer for every consent the caller may not revoke, there or not.
var errNamedConsent = &hie.InvalidError{Path: parameterPath("consent"), Rule: "must name a consent of the patient that the caller may revoke", Code: "business-rule"}

func (s *Server) revokeFromParameters(c *gin.Context) (record hie.SourcePatientID, _ error) {
	ctx, actor := c.Request.Context(), caller(c)
	ps, err := s.readParameters(c, "consent", "patient", "document", "returnToDefault")
	if err != nil {
		return 0, err
	}
	for _, name := range []string{"consent", "patient"} {
		if ps.one(name).ValueReference == nil {
			return 0, hie.Required(parameterPath(name) + ".value")
		}
	}
	var evidence []consent.Evidence
	if doc := ps.one("document").Resource; doc != nil {
		e, err := consentfhir.ReadEvidence(doc)
		if err != nil {
			return 0, err
		}
		evidence = append(evidence, e)
	}
	toDefault := ps.one("returnToDefault").ValueBoolean
	patient, err := s.namedRecord(ctx, *ps.one("patient").ValueReference)
	if err != nil {
		return 0, err
	}
	ref := strings.TrimPrefix(ps.one("consent").ValueReference.Reference, s.cfg.FHIRBase()+"/")
	sp, id, err := s.deps.Sealer.OpenID("consent", strings.TrimPrefix(ref, "Consent/"))
	if err != nil || patient == 0 || hie.SourcePatientID(sp) != patient {
		return 0, errNamedConsent
	}
	have, _, err := s.consentRight(ctx, actor, patient)
	if err != nil || have != mayFile {
		return 0, firstError(err, errNamedConsent)
	}
	_, err = s.withdraw(ctx, actor, withdrawal{record: patient, id: id, toDefault: toDefault != nil && *toDefault, evidence: evidence})
	return patient, err
}

// done is the outcome of an operation that went well.
func done(text string) fhir.OperationOutcome {
	return outcome("information", fhir.Issue{Code: "informational", Diagnostics: text})
}

func (s *Server) consentLocation(v consent.Version) string {
	return s.cfg.FHIRBase() + "/Consent/" + s.consentID(v) + "/_history/" + strconv.FormatInt(v.Number, 10)
}

// recordDisclosure answers POST /fhir/AuditEvent/$record-disclosure: a site tells that it disclosed something itself
// on the ground of a consent kept here. It is put on record as what the caller said it did.
//
// Source: HL7 FAST consent management, $record-disclosure; 45 CFR 164.528.
func (s *Server) recordDisclosure(c *gin.Context) {
	e, err := s.readDisclosure(c)
	if err == nil {
		err = s.deps.Audit.Record(c.Request.Context(), e)
	}
	if err != nil {
		s.refuseConsent(c, "record-disclosure", 0, err)
		return
	}
	s.send(c, http.StatusOK, done("The disclosure is on record."))
}

func (s *Server) readDisclosure(c *gin.Context) (audit.Event, error) {
	ctx, actor := c.Request.Context(), caller(c)
	ps, err := s.readParameters(c, "disclosure", "consent")
	if err != nil {
		return audit.Event{}, err
	}
	if ps.one("disclosure").Resource == nil {
		return audit.Event{}, hie.Required(parameterPath("disclosure") + ".resource")
	}
	if ps.one("consent").ValueReference == nil {
		return audit.Event{}, hie.Required(parameterPath("consent") + ".value")
	}
	told, err := auditfhir.ReadDisclosure(ps.one("disclosure").Resource, s.deps.Now())
	if err != nil {
		return audit.Event{}, err
	}
	ref := strings.TrimPrefix(ps.one("consent").ValueReference.Reference, s.cfg.FHIRBase()+"/")
	sp, id, err := s.deps.Sealer.OpenID("consent", strings.TrimPrefix(ref, "Consent/"))
	if err != nil {
		return audit.Event{}, errNamedConsent
	}
	record := hie.SourcePatientID(sp)
	have, home, err := s.consentRight(ctx, actor, record)
	if err != nil || have != mayFile || actor.Patient != 0 {
		return audit.Event{}, firstError(err, errNamedConsent)
	}
	versions, err := s.deps.Consents.History(ctx, record, id)
	if err != nil {
		return audit.Event{}, errNamedConsent
	}
	e := audit.NewEvent(audit.Disclosed, actor, s.deps.Now()).About(record)
	e.Action, e.Site = "R", home.Site
	e.Ground = []string{strconv.FormatInt(id, 10) + "/" + strconv.FormatInt(versions[0].Number, 10)}
	e.Detail = map[string]string{"interaction": "recorded", "disclosed": fhir.Instant(told.At), "recipient": "unlisted"}
	if o, known := s.deps.Network().Organization(told.Recipient); known {
		e.Detail["recipient"] = string(o.ID)
	}
	if len(told.Purposes) > 0 {
		e.Actor.Purposes = told.Purposes
	}
	return e, nil
}
