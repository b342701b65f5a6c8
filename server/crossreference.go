package server

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/gin-gonic/gin"
)

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
	var found []mpifhir.CrossReference
	var notFound bool
	if err := atRest(ctx, func() ([]Still, error) {
		told, event, still, err := s.crossReferences(ctx, actor, q)
		if notFound = errors.Is(err, hie.ErrNotFound); err != nil && !notFound {
			return nil, err
		}
		event.Query = raw
		if notFound {
			event.Outcome = audit.Refusal
		}
		found = told
		return []Still{still}, s.deps.Audit.Record(context.WithoutCancel(ctx), event)
	}); err != nil {
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
// the event that tells of it, and whether that still holds. hie.ErrNotFound means that q.Source is unknown, or may not be learnt
// of.
func (s *Server) crossReferences(ctx context.Context, actor hie.Actor, q mpifhir.CrossReferenceQuery) (out []mpifhir.CrossReference, event audit.Event, still Still, err error) {
	event = s.asked(actor, "ihe-pix", "")
	source, err := s.deps.Patients.RecordOf(ctx, q.Source)
	if err != nil {
		return nil, event, nil, err
	}
	event = event.About(source)
	p, err := s.deps.Patients.PersonOf(ctx, source)
	if err != nil {
		return nil, event, nil, err
	}
	named, still, err := s.nameable(ctx, actor, p)
	if err != nil {
		return nil, event, nil, err
	}
	member, _ := p.Member(source)
	if !named[source] {
		return nil, event, still, hie.ErrNotFound
	}
	if member.Link != hie.LinkConfirmed { // whose record it is is in question, so nothing else is told
		return nil, event, still, nil
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
		return nil, event, nil, err
	}
	for _, sp := range records {
		asked := sp.Local.System == q.Source.System && sp.Local.Value == q.Source.Value
		if asked || !sp.Active || sp.AliasOf != 0 {
			continue
		}
		event = event.About(sp.Record)
		out = append(out, mpifhir.CrossReference{ID: s.patientID(sp.Record), Identifier: sp.Local})
	}
	event.Released = len(out)
	return out, event, still, nil
}
