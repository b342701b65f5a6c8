package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// Emergencies is what the break-glass and review doors ask of the store. *consentpg.Store is one.
type Emergencies interface {
	Claim(ctx context.Context, actor hie.Actor, claim consent.Emergency, until time.Time, records []hie.SourcePatientID, owners []hie.OrgID) error
	Tasks(ctx context.Context, f consent.TaskFilter) ([]consent.Task, bool, error)
	Task(ctx context.Context, id int64) (consent.Task, error)
	Close(ctx context.Context, actor hie.Actor, id int64, contested bool, finding, note string) error
	Contest(ctx context.Context, actor hie.Actor, id int64, reason string) error
	Notices(ctx context.Context, records []hie.SourcePatientID, limit int) ([]consent.Notice, error)
	End(ctx context.Context, actor hie.Actor, id int64, reason string) error
	HoldNotices(ctx context.Context, actor hie.Actor, task consent.Task, until time.Time, reason string) error
}

// breakGlass answers POST /fhir/Patient/$break-glass: a claim that a patient's restrictions must give way now. It
// grants nothing by itself; queries of the same person of the same organisation under an emergency purpose use it
// while it holds. What is wrong with a claim is said; whether anybody is known by the identifier is not: the
// answer is the same.
//
// Source: spec consent 2.10 and 2.21; DESIGN idea 6.
func (s *Server) breakGlass(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	claim, identifier, err := s.readClaim(c)
	if err != nil {
		s.refuseClaim(c, claim, err)
		return
	}
	records, owners, err := s.claimedRecords(ctx, identifier)
	if err != nil {
		s.fail(c, err)
		return
	}
	until := claim.At.Add(s.deps.ConsentEnv().Window())
	if err := s.deps.Emergencies.Claim(ctx, actor, claim, until, records, owners); err != nil {
		s.fail(c, err)
		return
	}
	s.even(c)
	s.send(c, http.StatusOK, fhir.Parameters{ResourceType: "Parameters", Parameter: []fhir.Parameter{{Name: "until", ValueDateTime: fhir.Instant(until)}}})
}

// endEmergency answers POST /fhir/Patient/$end-emergency: who claimed an emergency about a patient says that it is over. All
// their claims about the patient that hold end at once; the answer is the same where there is none, and where nobody is known by the
// identifier.
//
// Source: spec consent 2.10; DESIGN idea 6.
func (s *Server) endEmergency(c *gin.Context) {
	actor := caller(c)
	if actor.Patient != 0 || actor.User == "" {
		s.fail(c, hie.ErrForbidden)
		return
	}
	identifier, text, err := s.readEnd(c)
	if err == nil {
		err = s.endClaims(c.Request.Context(), actor, identifier, text)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.even(c)
	c.Status(http.StatusNoContent)
}

// readEnd reads whose emergency is over, and why.
func (s *Server) readEnd(c *gin.Context) (id hie.Identifier, text string, err error) {
	body, err := s.body(c)
	if err != nil {
		return id, "", err
	}
	var p fhir.Parameters
	if err := fhir.Decode(body, &p); err != nil {
		return id, "", err
	}
	if p.ResourceType != "Parameters" {
		return id, "", hie.Invalid("resourceType", "must be Parameters")
	}
	var claim consent.Emergency
	if err := checkClaimForm(p.Parameter, isStrict(c)); err != nil {
		return id, "", err
	}
	if id = fillClaim(&claim, p.Parameter); id.System == "" || id.Value == "" {
		return id, "", hie.Required(parameterPath("identifier"))
	}
	if text = strings.TrimSpace(claim.Text); len(text) > maxClaimText {
		return id, "", &hie.InvalidError{Path: parameterPath("text"), Rule: "must not be longer than 4000 bytes", Code: "too-long"}
	}
	return id, text, nil
}

// endClaims ends what actor claimed about the person of id and what holds.
func (s *Server) endClaims(ctx context.Context, actor hie.Actor, id hie.Identifier, reason string) error {
	records, _, err := s.claimedRecords(ctx, id)
	if err != nil {
		return err
	}
	f := consent.TaskFilter{Organization: actor.Organization, Claimant: actor.User, HoldsAt: s.deps.Now(), Limit: 200}
	for more := true; more; {
		var tasks []consent.Task
		if tasks, more, err = s.deps.Emergencies.Tasks(ctx, f); err != nil {
			return err
		}
		for _, t := range tasks {
			f.After = t.ID
			about := slices.ContainsFunc(t.Records, func(r hie.SourcePatientID) bool { return slices.Contains(records, r) })
			if !about || t.MayEnd(actor, false, reason) != nil { // Organization selects its registrations' claims by others too
				continue
			}
			if err := s.deps.Emergencies.End(ctx, actor, t.ID, reason); err != nil && !errors.Is(err, hie.ErrConflict) {
				return err
			}
		}
	}
	return nil
}

// readClaim reads and checks a claim. Its errors depend on the claim and the token alone.
func (s *Server) readClaim(c *gin.Context) (consent.Emergency, hie.Identifier, error) {
	var claim consent.Emergency
	actor := caller(c)
	role, privileged := s.deps.ConsentEnv().PrivilegedAnywhere(actor.Roles)
	if actor.Patient != 0 || actor.User == "" || !privileged || !s.deps.Network().Admitted(actor.Organization) || len(actor.Purposes) == 0 ||
		slices.ContainsFunc(actor.Purposes, func(p hie.Purpose) bool { return !consent.EmergencyPurpose(p) }) {
		return claim, hie.Identifier{}, hie.ErrForbidden
	}
	body, err := s.body(c)
	if err != nil {
		return claim, hie.Identifier{}, err
	}
	var p fhir.Parameters
	if err := fhir.Decode(body, &p); err != nil {
		return claim, hie.Identifier{}, err
	}
	if p.ResourceType != "Parameters" {
		return claim, hie.Identifier{}, hie.Invalid("resourceType", "must be Parameters")
	}
	claim.Role, claim.At = role, s.deps.Now()
	if err := checkClaimForm(p.Parameter, isStrict(c)); err != nil {
		return claim, hie.Identifier{}, err
	}
	identifier := fillClaim(&claim, p.Parameter)
	if identifier.System == "" || identifier.Value == "" {
		return claim, identifier, hie.Required(parameterPath("identifier"))
	}
	if err := claim.Check(); err != nil {
		var inv *hie.InvalidError
		if errors.As(err, &inv) {
			err = &hie.InvalidError{Path: parameterPath(inv.Path), Rule: inv.Rule, Code: inv.Code}
		}
		return claim, identifier, err
	}
	if len(claim.Text) > maxClaimText {
		return claim, identifier, &hie.InvalidError{Path: parameterPath("text"), Rule: "must not be longer than 4000 bytes", Code: "too-long"}
	}
	return claim, identifier, nil
}

const maxClaimText = 4000

// checkClaimForm refuses a parameter said twice that may be said once, and, when strict, one that is none of the claim's.
func checkClaimForm(ps []fhir.Parameter, strict bool) error {
	seen := map[string]bool{}
	for _, p := range ps {
		switch p.Name {
		case "identifier", "reason", "text":
			if seen[p.Name] {
				return &hie.InvalidError{Path: parameterPath(p.Name), Rule: "must be given once", Code: "value"}
			}
			seen[p.Name] = true
		case "attested":
		default:
			if strict {
				return &hie.InvalidError{Path: "Parameters.parameter", Rule: "holds one that is no part of a claim", Code: "not-supported"}
			}
		}
	}
	return nil
}

// fillClaim takes what the parameters say.
func fillClaim(claim *consent.Emergency, ps []fhir.Parameter) hie.Identifier {
	var id hie.Identifier
	for _, p := range ps {
		switch p.Name {
		case "identifier":
			if p.ValueIdentifier != nil {
				id = hie.Identifier{System: p.ValueIdentifier.System, Value: p.ValueIdentifier.Value}
			}
		case "reason":
			claim.ReasonCode = p.ValueCode
		case "text":
			claim.Text = p.ValueString
		case "attested":
			if slices.Contains(consent.Attestations(), p.ValueCode) && !slices.Contains(claim.Attested, p.ValueCode) {
				claim.Attested = append(claim.Attested, p.ValueCode)
			}
		}
	}
	return id
}

// claimedRecords returns the records the identifier's person has and the organisations whose registrations they are,
// none when nobody is known by it. Records whose link is disputed are left out: no emergency reaches them.
func (s *Server) claimedRecords(ctx context.Context, id hie.Identifier) (records []hie.SourcePatientID, owners []hie.OrgID, _ error) {
	p, err := s.deps.Patients.Resolve(ctx, id)
	if errors.Is(err, hie.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, m := range p.Members {
		if m.Link == hie.LinkDisputed {
			continue
		}
		records = append(records, m.Record)
		if site, known := s.deps.Network().Site(m.Site); known && !slices.Contains(owners, site.Org) {
			owners = append(owners, site.Org)
		}
	}
	return records, owners, nil
}

// refuseClaim records a refused claim, without whom it named, and answers.
func (s *Server) refuseClaim(c *gin.Context, claim consent.Emergency, err error) {
	if status, _ := outcomeOf(err); status < http.StatusInternalServerError {
		e := audit.NewEvent(audit.EmergencyClaimed, caller(c), s.deps.Now())
		e.Outcome, e.Emergency, e.Detail = audit.Refusal, true, map[string]string{"status": strconv.Itoa(status)}
		if slices.Contains(consent.EmergencyReasons(), claim.ReasonCode) {
			e.Reasons = []string{claim.ReasonCode}
		}
		if failed := s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), e); failed != nil {
			err = failed
		}
	}
	s.fail(c, err)
}
