package server

import (
	"context"

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
	if q.Count == 0 || q.Count > maxMatches {
		q.Count = maxMatches
	}
	m, found, err := s.find(ctx, actor, q, isStrict(c), err, func(all []matched) []matched { return all[:min(len(all), q.Count)] })
	if err != nil {
		s.fail(c, err)
		return
	}
	var entries []fhir.BundleEntry
	for _, f := range found {
		e := searchEntry(s.shown(actor, f.patient))
		e.Search = mpifhir.MatchSearch(f.identity)
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

// find matches q, whose reading ended with err, and returns what was found and which of the registrations actor may see are
// shown, as pick chooses. Both the query and the showing are recorded.
func (s *Server) find(ctx context.Context, actor hie.Actor, q mpifhir.MatchQuery, strict bool, err error, pick func([]matched) []matched) (mpi.Matched, []matched, error) {
	if err == nil && actor.Patient != 0 {
		err = hie.ErrForbidden
	}
	if err == nil {
		err = searchControls{strict: strict}.refuseUnknown(q.Unknown)
	}
	if err != nil {
		return mpi.Matched{}, nil, err
	}
	var m mpi.Matched
	var found []matched
	err = atRest(ctx, func() (rests []Still, err error) {
		m, err = s.deps.Patients.Match(ctx, actor, q.Patient.Demographics, mpi.MatchOptions{OnlyCertain: q.OnlyCertain, Count: maxMatches, Stewardship: q.Stewardship,
			Also: func(ctx context.Context, m mpi.Matched) ([]audit.Event, error) {
				all, still, err := s.matches(ctx, actor, m)
				if err != nil {
					return nil, err
				}
				rests = []Still{still}
				found = pick(all)
				return s.shownByMatch(actor, m, found), nil
			}})
		return rests, err
	})
	return m, found, err
}

// matched is one registration to show, with the identity it belongs to.
type matched struct {
	identity *mpi.Identity
	patient  mpi.SourcePatient
	bits     mpi.Bits // how strongly the registration by itself resembles the query
}

// matches returns the registrations of m that actor may see, best identity first, an identity's by record; and whether that still
// holds.
func (s *Server) matches(ctx context.Context, actor hie.Actor, m mpi.Matched) (out []matched, still Still, err error) {
	proven, isProven := m.Proven()
	for i := range m.Identities {
		identity := &m.Identities[i]
		if identity.Grade == mpi.GradeNone { // there only because it is proven too
			continue
		}
		var named map[hie.SourcePatientID]bool
		if isProven && identity.Person.ID == proven {
			if named, still, err = s.nameable(ctx, actor, identity.Person); err != nil {
				return nil, nil, err
			}
		}
		for n, sp := range identity.Records {
			if s.owns(actor, sp) || named[sp.Record] {
				out = append(out, matched{identity, sp, identity.Scores[n]})
			}
		}
	}
	return out, still, nil
}

// shownByMatch tells what a $match reveals, to be recorded before it does. The query itself, whom it found and why it found
// nobody the index records.
func (s *Server) shownByMatch(actor hie.Actor, m mpi.Matched, found []matched) []audit.Event {
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
	return []audit.Event{event}
}
