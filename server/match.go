package server

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/gin-gonic/gin"
)

// maxMatches bounds the identities one $match weighs and the records it returns.
const maxMatches = 50

// matchPatient answers POST /fhir/Patient/$match.
//
// The caller's own registrations are shown at any grade. Others' need more than a score: the identity must be
// proven, and consent must let the caller learn of them. What is not shown leaves no trace in the answer.
//
// Source: IHE PDQm ITI-119; DESIGN ideas 3 and 6.
func (s *Server) matchPatient(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	body, err := s.body(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	q, err := mpifhir.ReadMatch(body)
	if err == nil && actor.Patient != 0 {
		err = hie.ErrForbidden
	}
	if err == nil {
		err = searchControls{strict: isStrict(c)}.refuseUnknown(q.Unknown)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	m, err := s.deps.Patients.Match(ctx, actor, q.Patient.Demographics, mpi.MatchOptions{OnlyCertain: q.OnlyCertain, Count: maxMatches})
	if err != nil {
		s.fail(c, err)
		return
	}
	found, err := s.matches(ctx, actor, m)
	if err != nil {
		s.fail(c, err)
		return
	}
	if q.Count == 0 || q.Count > maxMatches {
		q.Count = maxMatches
	}
	found = found[:min(len(found), q.Count)]
	if err := s.recordMatch(ctx, actor, m, found); err != nil {
		s.fail(c, err)
		return
	}
	var entries []fhir.BundleEntry
	for _, f := range found {
		e := searchEntry(s.shown(actor, f.patient))
		e.Search = mpifhir.MatchSearch(f.identity.Grade, f.identity.Probability)
		entries = append(entries, e)
	}
	issues := unknownIssues(q.Unknown)
	if m.Truncated && !q.OnlyCertain {
		issues = append(issues, fhir.Issue{Severity: "warning", Code: "incomplete",
			Diagnostics: "Too many registrations share a value of the query for all to be weighed. Add what distinguishes the person."})
	}
	total := len(entries)
	s.sendSearchset(c, s.cfg.FHIRBase()+"/Patient/$match", "", &total, entries, issues)
}

// matched is one registration to show, with the identity it belongs to.
type matched struct {
	identity *mpi.Identity
	patient  mpi.SourcePatient
}

// matches returns the registrations of m that actor may see, best identity first, an identity's by record.
func (s *Server) matches(ctx context.Context, actor hie.Actor, m mpi.Matched) ([]matched, error) {
	proven, isProven := m.Proven()
	var out []matched
	for i := range m.Identities {
		identity := &m.Identities[i]
		if identity.Grade == mpi.GradeNone { // there only because it is proven too
			continue
		}
		var named map[hie.SourcePatientID]bool
		if isProven && identity.Person.ID == proven {
			var err error
			if named, err = s.nameable(ctx, actor, identity.Person); err != nil {
				return nil, err
			}
		}
		for _, sp := range identity.Records {
			if s.owns(actor, sp) || named[sp.Record] {
				out = append(out, matched{identity, sp})
			}
		}
	}
	return out, nil
}

// recordMatch records what a $match reveals, before it does. The query itself, whom it found and why it found
// nobody the index has recorded.
func (s *Server) recordMatch(ctx context.Context, actor hie.Actor, m mpi.Matched, found []matched) error {
	if len(found) == 0 {
		return nil
	}
	event := audit.NewEvent(audit.Disclosed, actor, s.deps.Now())
	event.Action, event.Detail = "R", map[string]string{"interaction": "patient match"}
	records := 0
	for i := range m.Identities {
		records += len(m.Identities[i].Records)
	}
	for _, f := range found {
		event = event.About(f.patient.Record)
	}
	event.Released, event.Withheld = len(found), records-len(found)
	return s.deps.Audit.Record(context.WithoutCancel(ctx), event)
}

// crossReference answers GET and POST /fhir/Patient/$ihe-pix.
//
// Only links that are confirmed are told, and of them only records the caller may learn of. An identifier of
// another organisation is answered only if the caller may learn of that record: else it is not found, like one
// that was never registered.
//
// Source: IHE PIXm ITI-83, 2:3.83.4.1.3; spec federation 5.3.
func (s *Server) crossReference(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	q, raw, err := s.crossReferenceQuery(c)
	if err == nil && actor.Patient != 0 {
		err = hie.ErrForbidden
	}
	if err == nil {
		err = searchControls{strict: isStrict(c)}.refuseUnknown(q.Unknown)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	if _, known := s.deps.Network().SiteOf(q.Source.System); !known {
		s.refuseCrossReference(c, http.StatusBadRequest, "code-invalid", "sourceIdentifier Assigning Authority not found")
		return
	}
	for _, system := range q.Targets {
		if _, known := s.deps.Network().SiteOf(system); !known {
			s.refuseCrossReference(c, http.StatusForbidden, "code-invalid", "targetSystem not found")
			return
		}
	}
	found, event, err := s.crossReferences(ctx, actor, q)
	notFound := errors.Is(err, hie.ErrNotFound)
	if err != nil && !notFound {
		s.fail(c, err)
		return
	}
	event.Query = raw
	if notFound {
		event.Outcome = audit.Refusal
	}
	if err := s.deps.Audit.Record(context.WithoutCancel(ctx), event); err != nil {
		s.fail(c, err)
		return
	}
	if notFound {
		s.refuseCrossReference(c, http.StatusNotFound, "not-found", "sourceIdentifier Patient Identifier not found")
		return
	}
	s.send(c, http.StatusOK, mpifhir.CrossReferences(found))
}

func (s *Server) crossReferenceQuery(c *gin.Context) (q mpifhir.CrossReferenceQuery, raw string, err error) {
	if c.Request.Method == http.MethodPost {
		body, err := s.body(c)
		if err != nil {
			return q, "", err
		}
		q, err = mpifhir.ReadCrossReferenceBody(body)
		return q, string(body), err
	}
	ps, _, err := s.params(c)
	if err != nil {
		return q, "", err
	}
	q, err = mpifhir.ReadCrossReference(ps)
	return q, rawParams(ps), err
}

// refuseCrossReference answers with the code and text PIXm gives each case.
func (s *Server) refuseCrossReference(c *gin.Context, status int, code, text string) {
	s.send(c, status, outcome("error", fhir.Issue{Code: code, Details: &fhir.CodeableConcept{Text: text}, Diagnostics: text}))
	c.Abort()
}

// crossReferences returns the other identities of q.Source's person that actor may learn of, ordered by record,
// and the event that tells of it. hie.ErrNotFound means that q.Source is unknown, or may not be learnt of.
func (s *Server) crossReferences(ctx context.Context, actor hie.Actor, q mpifhir.CrossReferenceQuery) ([]mpifhir.CrossReference, audit.Event, error) {
	event := s.asked(actor, "ihe-pix", "")
	source, err := s.deps.Patients.RecordOf(ctx, q.Source)
	if err != nil {
		return nil, event, err
	}
	event = event.About(source)
	p, err := s.deps.Patients.PersonOf(ctx, source)
	if err != nil {
		return nil, event, err
	}
	named, err := s.nameable(ctx, actor, p)
	if err != nil {
		return nil, event, err
	}
	member, _ := p.Member(source)
	if !named[source] {
		return nil, event, hie.ErrNotFound
	}
	if member.Link != hie.LinkConfirmed { // whose record it is is in question, so nothing else is told
		return nil, event, nil
	}
	var told []hie.SourcePatientID
	for _, m := range p.Members {
		switch {
		case m.Link != hie.LinkConfirmed || (q.Targets != nil && !slices.Contains(q.Targets, m.Local.System)):
		case named[m.Record]:
			told = append(told, m.Record)
		default:
			event.Withheld++
		}
	}
	records, err := s.deps.Patients.Records(ctx, told)
	if err != nil {
		return nil, event, err
	}
	var out []mpifhir.CrossReference
	for _, sp := range records {
		asked := sp.Local.System == q.Source.System && sp.Local.Value == q.Source.Value
		if asked || !sp.Active || sp.AliasOf != 0 {
			continue
		}
		event = event.About(sp.Record)
		out = append(out, mpifhir.CrossReference{ID: s.patientID(sp.Record), Identifier: sp.Local})
	}
	event.Released = len(out)
	return out, event, nil
}
