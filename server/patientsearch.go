package server

import (
	"context"
	"encoding/binary"
	"net/http"
	"slices"
	"strconv"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/gin-gonic/gin"
)

// The bounds on one page of a patient search: how many rows of the index and how many persons' consents it may
// weigh. Who asks for more is told to narrow the search.
const (
	maxSearchReads   = 25
	maxSearchPersons = 500
)

var errSearchTooWide = &hie.InvalidError{Rule: "the search is too wide; add a family name, a birth date or an identifier", Code: "too-costly"}

// searchPatients answers GET /fhir/Patient and POST /fhir/Patient/_search.
//
// What may not be shown is left out before the page is filled and counted, and whether there is a next page
// depends on what may be shown alone: an answer with nothing in it says nothing about what there is.
//
// Source: IHE PDQm ITI-78.
func (s *Server) searchPatients(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	ps, ctl, err := s.controls(c, 50, 200)
	if err != nil {
		s.fail(c, err)
		return
	}
	after := hie.SourcePatientID(0)
	if ctl.cursor != "" {
		if len(ps) > 0 { // the cursor holds the search; another beside it would be ignored
			s.fail(c, errCursor)
			return
		}
		if ps, after, err = s.openSearch(actor, ctl.cursor); err != nil {
			s.fail(c, err)
			return
		}
	}
	search, err := mpifhir.ReadSearch(ps)
	if err == nil {
		err = ctl.refuseUnknown(search.Unknown)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	if !s.knownDomains(search) { // IHE PDQm 2:3.78.4.1.3, case 4
		s.send(c, http.StatusNotFound, outcome("warning", fhir.Issue{Code: "not-found", Diagnostics: "targetSystem not found"}))
		return
	}
	var found []mpi.SourcePatient
	var more bool
	if err := atRest(ctx, func() (rests []Still, err error) {
		if found, more, rests, err = s.findPatients(ctx, actor, search, after, ctl.count); err != nil {
			return nil, err
		}
		event := s.asked(actor, "search", rawParams(ps))
		for _, sp := range found {
			event = event.About(sp.Record)
		}
		event.Released = len(found)
		return rests, s.deps.Audit.Record(context.WithoutCancel(ctx), event)
	}); err != nil {
		s.fail(c, err)
		return
	}
	s.sendPatients(c, actor, ps, ctl, search.Unknown, found, more)
}

// sendPatients answers with found. No URL holds what was asked: the next page's parameters are sealed.
func (s *Server) sendPatients(c *gin.Context, actor hie.Actor, ps []fhir.Param, ctl searchControls, unknown []string, found []mpi.SourcePatient, more bool) {
	var total *int
	if n := len(found); !more && ctl.cursor == "" {
		total = &n
	}
	self, next := s.cfg.FHIRBase()+"/Patient", ""
	if ctl.countOnly {
		if total == nil { // counting further would take as long as reading
			s.fail(c, errSearchTooWide)
			return
		}
		s.sendSearchset(c, self, "", total, nil, unknownIssues(unknown))
		return
	}
	var entries []fhir.BundleEntry
	for _, sp := range found {
		entries = append(entries, searchEntry(s.shown(actor, sp)))
	}
	if more {
		next = self + "?" + encodeParams([]fhir.Param{{Name: "_cursor", Values: []string{s.sealSearch(actor, ps, found[len(found)-1].Record)}},
			{Name: "_count", Values: []string{strconv.Itoa(ctl.count)}}})
	}
	s.sendSearchset(c, self, next, total, entries, unknownIssues(unknown))
}

// findPatients returns up to count patients after a record that meet search and may be shown to actor, ordered
// by record, whether there are more of them, and what says whether that still holds.
func (s *Server) findPatients(ctx context.Context, actor hie.Actor, search mpifhir.Search, after hie.SourcePatientID, count int) (found []mpi.SourcePatient, more bool, rests []Still, err error) {
	criteria := search.Criteria
	for _, id := range search.IDs {
		if record, ok := s.patientRecord(id); ok {
			criteria.Records = append(criteria.Records, record)
		}
	}
	if search.IDs != nil && criteria.Records == nil {
		return nil, false, nil, nil // none of the ids is one of ours
	}
	if actor.Patient != 0 { // no other is shown, so no other is read
		if search.IDs != nil && !slices.Contains(criteria.Records, actor.Patient) {
			return nil, false, nil, nil
		}
		criteria.Records = []hie.SourcePatientID{actor.Patient}
	}
	criteria.After, criteria.Count = after, 200
	persons := map[hie.SourcePatientID]bool{} // decided records; a person's are decided together
	decided := 0
	for range maxSearchReads {
		page, err := s.deps.Patients.Search(ctx, criteria)
		if err != nil {
			return nil, false, nil, err
		}
		for _, sp := range page.Patients {
			if !search.Meets(sp) {
				continue
			}
			show, known := persons[sp.Record]
			if !known && !s.owns(actor, sp) {
				if decided++; decided > maxSearchPersons {
					return nil, false, nil, errSearchTooWide
				}
				var still Still
				if show, still, err = s.decidePerson(ctx, actor, sp.Record, persons); err != nil {
					return nil, false, nil, err
				}
				rests = append(rests, still)
			}
			if !show && !s.owns(actor, sp) {
				continue
			}
			if len(found) == count {
				return found, true, rests, nil
			}
			found = append(found, sp)
		}
		if page.Next == 0 {
			return found, false, rests, nil
		}
		criteria.After = page.Next
	}
	return nil, false, nil, errSearchTooWide
}

// decidePerson decides all records of record's person at once and returns the decision on record, and whether it still holds.
func (s *Server) decidePerson(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, decided map[hie.SourcePatientID]bool) (bool, Still, error) {
	p, err := s.deps.Patients.PersonOf(ctx, record)
	if err != nil {
		return false, nil, err
	}
	named, still, err := s.nameable(ctx, actor, p)
	if err != nil {
		return false, nil, err
	}
	decided[record] = false
	for _, m := range p.Members {
		decided[m.Record] = named[m.Record] && m.Link == hie.LinkConfirmed
	}
	return decided[record], still, nil
}

// knownDomains reports whether somebody assigns every domain asked for ("identifier=system|").
func (s *Server) knownDomains(search mpifhir.Search) bool {
	for _, group := range search.Domains {
		for _, system := range group {
			if _, known := s.deps.Network().SiteOf(system); !known {
				return false
			}
		}
	}
	return true
}

// sealSearch seals a search with the record its page ended at, for the organisation that made it.
func (s *Server) sealSearch(actor hie.Actor, ps []fhir.Param, last hie.SourcePatientID) string {
	payload := binary.BigEndian.AppendUint64(nil, uint64(last))
	return s.deps.Sealer.Seal(searchContext(actor), append(payload, encodeParams(ps)...))
}

func (s *Server) openSearch(actor hie.Actor, cursor string) ([]fhir.Param, hie.SourcePatientID, error) {
	payload, err := s.deps.Sealer.Open(searchContext(actor), cursor)
	if err != nil || len(payload) < 8 {
		return nil, 0, errCursor
	}
	ps, err := fhir.ParseParams(string(payload[8:]))
	if err != nil {
		return nil, 0, errCursor
	}
	return ps, hie.SourcePatientID(binary.BigEndian.Uint64(payload)), nil
}

func searchContext(actor hie.Actor) string {
	return "patient search " + string(actor.Organization) + " " + actor.Patient.String()
}
