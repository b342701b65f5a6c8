package server

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// maxCompanions bounds how many other records one report of leaning disclosures looks at.
const maxCompanions = 32

// listLeaned answers GET /admin/v1/reports/leaned?patient=&other=&after=&count=: the disclosures that leaned on a link
// which is no more, between the patient's record and other, or every record it was ever linked with. Newest first.
// Only the network's officers see it: it names records of several organisations.
//
// Source: spec consent 2.13 and scenario 1.
func (s *Server) listLeaned(c *gin.Context) {
	ctx := c.Request.Context()
	p, err := readListParams(c, "patient", "other")
	var rows []accessJSON
	if err == nil {
		rows, err = s.leanedRows(c, p)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	part, next, err := s.pageOfRows(c, rows, p)
	if err == nil {
		about := make([]hie.SourcePatientID, 0, len(part))
		for _, a := range part {
			record, _ := s.patientRecord(a.Record)
			about = append(about, record)
		}
		err = s.deps.Audit.Record(context.WithoutCancel(ctx), s.reviewed(c, "report leaned").About(about...))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, reportJSON{part, next})
}

// leanedRows returns all rows of the report, newest first.
func (s *Server) leanedRows(c *gin.Context, p listParams) ([]accessJSON, error) {
	ctx := c.Request.Context()
	record, err := s.reportedPatient(ctx, caller(c), p)
	if err != nil {
		return nil, err
	}
	person, err := s.deps.Patients.PersonOf(ctx, record)
	if err != nil {
		return nil, err
	}
	others, err := s.companions(ctx, record, strings.TrimPrefix(p.values["other"], "Patient/"))
	if err != nil {
		return nil, err
	}
	var rows []accessJSON
	for _, other := range others {
		if _, still := person.Member(other); still {
			continue // the link stands
		}
		found, err := s.reports.Leaned(ctx, record, other)
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			row := s.accessJSON(l.Event)
			row.Record, row.Why = s.patientID(l.Record), l.Why
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b accessJSON) int { return strings.Compare(b.Event+b.Record, a.Event+a.Record) })
	return slices.CompactFunc(rows, func(a, b accessJSON) bool { return a.Event == b.Event && a.Record == b.Record }), nil
}

// pageOfRows cuts a page out of rows, which are in order; the cursor holds the row before it.
func (s *Server) pageOfRows(c *gin.Context, rows []accessJSON, p listParams) (part []accessJSON, next string, err error) {
	actor := caller(c)
	what := "leaned " + string(actor.Organization) + " " + actor.User + " " + p.values["patient"] + " " + p.values["other"]
	if after := p.values["after"]; after != "" {
		b, err := s.deps.Sealer.Open(what, after)
		if err != nil {
			return nil, "", errAfter
		}
		i := slices.IndexFunc(rows, func(a accessJSON) bool { return a.Event+a.Record < string(b) })
		if i < 0 {
			i = len(rows)
		}
		rows = rows[i:]
	}
	if len(rows) > p.count {
		rows = rows[:p.count]
		last := rows[p.count-1]
		next = s.deps.Sealer.Seal(what, []byte(last.Event+last.Record))
	}
	if rows == nil {
		rows = []accessJSON{}
	}
	return rows, next, nil
}

// companions returns the records whose link with record a report is about: the one named, or all there ever were.
func (s *Server) companions(ctx context.Context, record hie.SourcePatientID, named string) ([]hie.SourcePatientID, error) {
	if named != "" {
		other, ok := s.patientRecord(named)
		if !ok || other == record {
			return nil, hie.ErrNotFound
		}
		if _, err := s.deps.Patients.Home(ctx, other); err != nil {
			return nil, err
		}
		return []hie.SourcePatientID{other}, nil
	}
	history, err := s.reports.History(ctx, record)
	if err != nil {
		return nil, err
	}
	out := mpi.Companions(record, history)
	return out[:min(len(out), maxCompanions)], nil
}

// askedAbout returns the record a recorded query named its patient by, 0 when it cannot be told.
func (s *Server) askedAbout(ctx context.Context, query string) hie.SourcePatientID {
	ps, err := fhir.ParseParams(query)
	if err != nil {
		return 0
	}
	for _, p := range ps {
		if len(p.Values) != 1 || p.Name != "patient" && p.Name != "patient.identifier" {
			continue
		}
		ref := fhir.Reference{Reference: fhir.Text(p.Values[0])}
		if p.Name == "patient.identifier" {
			t := fhir.ParseToken(p.Values[0])
			ref = fhir.Reference{Identifier: &fhir.Identifier{System: t.System, Value: t.Code}}
		} else if !strings.Contains(ref.Reference, "/") {
			ref.Reference = "Patient/" + ref.Reference
		}
		if record, err := s.namedRecord(ctx, ref); err == nil {
			return record
		}
	}
	return 0
}
