package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// residualConsent answers POST /fhir/Consent/$residual: what a site that filters for itself may give an organisation for
// one purpose about one of its own patients: the ihe_pcf extension, and the signed token that carries it for whoever at the
// site filters. A patient who is not the caller's is refused. What rules cannot say exactly is said by naming the documents that
// may leave, as far as the index knows them; rules that are exact only for documents of one label, or for those that say what is
// looked at, are given to a site that says by oneLabel that it asks for each of the others. Where nothing can be said it is
// refused: the site then asks for each document.
//
// Source: IHE PCF, ITI-71; spec consent 2.19, vector 93.
func (s *Server) residualConsent(c *gin.Context) {
	ctx := c.Request.Context()
	ps, err := s.readParameters(c, "patient", "organization", "purpose", "oneLabel")
	for _, name := range []string{"patient", "organization"} {
		if err == nil && ps.one(name).ValueReference == nil {
			err = hie.Required(parameterPath(name) + ".value")
		}
	}
	var r consent.Residual
	var record hie.SourcePatientID
	var until time.Time
	if err == nil {
		r, record, until, err = s.residual(ctx, caller(c), ps)
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
	extension := consentfhir.WriteResidual(r, s.cfg.FHIRBase(), s.cfg.FHIRBase()+"/Patient/"+s.patientID(record), doc)
	signed, err := s.permission(caller(c).Organization, ps, extension, until)
	if err != nil {
		s.fail(c, err)
		return
	}
	out.Parameter = append(out.Parameter, fhir.Parameter{Name: "ihe_pcf", ValueString: string(extension)}, fhir.Parameter{Name: "token", ValueString: signed})
	s.send(c, http.StatusOK, out)
}

// permissionFor bounds how long a permission's token holds: a site that filters for itself is not told of a revocation.
//
// Source: DESIGN idea 8; spec consent 2.14 and section 5 (copies must be refreshed before they are enforced).
const permissionFor = time.Minute

// maxHeld is how many of a record's newest documents are looked at for a list, maxNamed how many it names: a token is carried in a
// header. The site asks for each of the others.
const (
	maxHeld  = 2000
	maxNamed = 40
)

// permission signs what site's filter needs to know: who may have what, and until when, which is never beyond until.
func (s *Server) permission(site hie.OrgID, ps parameters, extension []byte, until time.Time) (string, error) {
	network, now := s.deps.Network(), s.deps.Now()
	holder, _ := network.Organization(site)
	asker, _ := network.Organization(organizationIn(ps))
	end := now.Add(permissionFor)
	if !until.IsZero() && until.Before(end) {
		end = until
	}
	return s.deps.SignPermission(accessjwt.Permission{ID: rand.Text(), Issuer: s.cfg.BaseURL, Audience: holder.Identifier, Requester: asker.Identifier,
		RequesterName: asker.Name, Purpose: hie.Purpose(ps.one("purpose").ValueCode), IssuedAt: now, Expires: end, PCF: extension})
}

// organizationIn is who would have the documents.
func organizationIn(ps parameters) hie.OrgID {
	return hie.OrgID(strings.TrimPrefix(ps.one("organization").ValueReference.Reference, "Organization/"))
}

// known is record as a list, none for 0.
func known(record hie.SourcePatientID) []hie.SourcePatientID {
	if record == 0 {
		return nil
	}
	return []hie.SourcePatientID{record}
}

func (s *Server) residual(ctx context.Context, actor hie.Actor, ps parameters) (_ consent.Residual, _ hie.SourcePatientID, until time.Time, _ error) {
	record, home, err := s.consultedRecord(ctx, actor, []fhir.Reference{*ps.one("patient").ValueReference})
	if err != nil || record == 0 {
		return consent.Residual{}, 0, until, err
	}
	person, err := s.deps.Patients.Person(ctx, home.Person)
	if err != nil {
		return consent.Residual{}, 0, until, err
	}
	onFile, err := s.deps.Consents.Load(ctx, person.Records())
	if err != nil {
		return consent.Residual{}, 0, until, err
	}
	req := federation.RequestOf(hie.Actor{Organization: organizationIn(ps),
		Purposes: []hie.Purpose{hie.Purpose(ps.one("purpose").ValueCode)}}, s.deps.Network(), person)
	req.Roles, req.Abilities = nil, nil
	if m, _ := person.Member(record); !s.deps.Network().Live(m.Site) || !s.deps.Network().Admitted(req.Organization) {
		return consent.Residual{}, record, until, nil
	}
	d := consent.Compile(s.deps.ConsentEnv(), federation.SubjectOf(person, onFile), onFile.Directives)
	now := onFile.NoEarlier(s.deps.Now())
	teams, err := federation.ReadCareTeams(ctx, s.careTeams(), d)
	if err != nil {
		return consent.Residual{}, 0, until, err
	}
	req = federation.WithCareTeams(req, d.CareTeams(), teams, s.deps.Network(), now)
	r := d.Residual(req, record.String(), now)
	if aware := ps.one("oneLabel").ValueBoolean; (!r.Permit || r.Asks() && (aware == nil || !*aware)) && s.deps.Held != nil {
		member, _ := person.Member(record)
		held, err := s.deps.Held(ctx, member, maxHeld)
		if err != nil {
			return consent.Residual{}, 0, until, err
		}
		r = d.List(req, held, maxNamed, now)
	} else if r.Asks() && (aware == nil || !*aware) {
		r = consent.Residual{}
	}
	for _, dir := range onFile.Directives {
		if dir.ID == r.Directive.ID && dir.Record != record.String() {
			r.Directive = consent.DirectiveName{} // given elsewhere: it is not named here
		}
	}
	until = d.Until(now)
	for _, t := range teams {
		if turn := t.Turn(now); !turn.IsZero() && (until.IsZero() || turn.Before(until)) {
			until = turn
		}
	}
	return r, record, until, nil
}
