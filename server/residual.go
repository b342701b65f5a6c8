package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// residualConsent answers POST /fhir/Consent/$residual: what a site that filters for itself may give an organisation for
// one purpose about one of its own patients, as the ihe_pcf extension of a token. Whatever that cannot say exactly is
// refused, and so is a patient who is not the caller's: the site then asks for each document.
//
// Source: IHE PCF, ITI-71; spec consent 2.19, vector 93.
func (s *Server) residualConsent(c *gin.Context) {
	ctx := c.Request.Context()
	ps, err := s.readParameters(c, "patient", "organization", "purpose")
	for _, name := range []string{"patient", "organization"} {
		if err == nil && ps.one(name).ValueReference == nil {
			err = hie.Required(parameterPath(name) + ".value")
		}
	}
	var r consent.Residual
	var record hie.SourcePatientID
	if err == nil {
		r, record, err = s.residual(ctx, caller(c), ps)
	}
	if err == nil {
		e := audit.NewEvent(audit.Decision, caller(c), s.deps.Now()).About(known(record)...)
		e.Detail = map[string]string{"interaction": "residual"}
		if r.Directive.ID != "" {
			e.Ground = []string{r.Directive.ID}
		}
		if !r.Permit {
			e.Outcome = audit.Refusal
		}
		err = s.deps.Audit.Record(context.WithoutCancel(ctx), e)
	}
	if err != nil {
		s.refuseConsent(c, "residual", 0, err)
		return
	}
	yes := r.Permit
	out := fhir.Parameters{ResourceType: "Parameters", Parameter: []fhir.Parameter{{Name: "permit", ValueBoolean: &yes}}}
	if !r.Permit {
		s.even(c)
		s.send(c, http.StatusOK, out)
		return
	}
	doc := ""
	if r.Directive.ID != "" {
		doc = s.cfg.FHIRBase() + "/Consent/" + s.publicConsent(consent.Directive{ID: r.Directive.ID, Record: record.String()})
	}
	extension := consentfhir.WriteResidual(r, s.cfg.FHIRBase()+"/Patient/"+s.patientID(record), doc)
	out.Parameter = append(out.Parameter, fhir.Parameter{Name: "ihe_pcf", ValueString: string(extension)})
	s.send(c, http.StatusOK, out)
}

// known is record as a list, none for 0.
func known(record hie.SourcePatientID) []hie.SourcePatientID {
	if record == 0 {
		return nil
	}
	return []hie.SourcePatientID{record}
}

func (s *Server) residual(ctx context.Context, actor hie.Actor, ps parameters) (consent.Residual, hie.SourcePatientID, error) {
	record, err := s.consultedRecord(ctx, actor, []fhir.Reference{*ps.one("patient").ValueReference})
	if err != nil || record == 0 {
		return consent.Residual{}, 0, err
	}
	person, err := s.deps.Patients.PersonOf(ctx, record)
	if err != nil {
		return consent.Residual{}, 0, err
	}
	onFile, err := s.deps.Consents.Load(ctx, person.Records())
	if err != nil {
		return consent.Residual{}, 0, err
	}
	req := federation.RequestOf(hie.Actor{Organization: hie.OrgID(strings.TrimPrefix(ps.one("organization").ValueReference.Reference, "Organization/")),
		Purposes: []hie.Purpose{hie.Purpose(ps.one("purpose").ValueCode)}}, s.deps.Network(), person)
	req.Roles, req.Abilities = nil, nil
	d := consent.Compile(s.deps.ConsentEnv(), federation.SubjectOf(person, onFile), onFile.Directives)
	r := d.Residual(req, record.String(), s.deps.Now())
	for _, dir := range onFile.Directives {
		if dir.ID == r.Directive.ID && dir.Record != record.String() {
			r.Directive = consent.DirectiveName{} // given elsewhere: it is not named here
		}
	}
	return r, record, nil
}
