package server

import (
	"context"
	"net/http"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json/jsontext"
)

// looked records that the caller looked at records; false means that it could not be recorded and was answered.
func (s *Server) looked(c *gin.Context, interaction string, records ...hie.SourcePatientID) bool {
	ctx := context.WithoutCancel(c.Request.Context())
	if err := s.deps.Audit.Record(ctx, s.asked(caller(c), interaction, "").About(records...)); err != nil {
		s.fail(c, err)
		return false
	}
	return true
}

// recordHistory answers GET /admin/v1/match/records/{id}/history, oldest first.
func (s *Server) recordHistory(c *gin.Context) {
	record, ok := s.patientRecord(c.Param("id"))
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	events, err := s.deps.Stewardship.HistoryOfRecord(c.Request.Context(), record)
	s.sendHistory(c, events, err)
}

// personHistory answers GET /admin/v1/match/persons/{id}/history, oldest first.
func (s *Server) personHistory(c *gin.Context) {
	id, err := s.openAdminID("person", c.Param("id"))
	if err != nil {
		s.fail(c, hie.ErrNotFound)
		return
	}
	events, err := s.deps.Stewardship.HistoryOfPerson(c.Request.Context(), hie.PersonID(id))
	s.sendHistory(c, events, err)
}

func (s *Server) sendHistory(c *gin.Context, events []mpi.Event, err error) {
	if err == nil && len(events) == 0 { // every registration begins with one
		err = hie.ErrNotFound
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	var about []hie.SourcePatientID
	for _, e := range events {
		if e.Record != 0 {
			about = append(about, e.Record)
		}
	}
	if !s.looked(c, "link history", about...) {
		return
	}
	out := struct {
		Events []eventJSON `json:"events"`
	}{Events: make([]eventJSON, 0, len(events))}
	for _, e := range events {
		out.Events = append(out.Events, s.eventJSON(e))
	}
	s.sendJSON(c, http.StatusOK, out)
}

// readPerson answers GET /admin/v1/match/records/{id}?at=: the record's person and all its registrations, now or at an
// instant.
func (s *Server) readPerson(c *gin.Context) {
	ctx := c.Request.Context()
	record, ok := s.patientRecord(c.Param("id"))
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	p, records, err := s.personAt(ctx, record, c.Request.URL.Query()["at"])
	if err != nil {
		s.fail(c, err)
		return
	}
	if !s.looked(c, "person view", p.Records()...) {
		return
	}
	out := struct {
		Person  string       `json:"person"`
		Version int64        `json:"version"`
		Members []memberJSON `json:"members"`
	}{Person: s.adminID("person", int64(p.ID)), Version: p.Version, Members: make([]memberJSON, 0, len(records))}
	for _, sp := range records {
		m, _ := p.Member(sp.Record)
		out.Members = append(out.Members, s.memberJSON(sp, m.Link))
	}
	s.sendJSON(c, http.StatusOK, out)
}

// personAt returns record's person and what its members say, now or at an instant.
func (s *Server) personAt(ctx context.Context, record hie.SourcePatientID, at []string) (p mpi.Person, records []mpi.SourcePatient, err error) {
	if len(at) == 0 {
		if p, err = s.deps.Stewardship.PersonOf(ctx, record); err == nil {
			records, err = s.deps.Stewardship.Records(ctx, p.Records())
		}
		return p, records, err
	}
	t, err := time.Parse(time.RFC3339, at[0])
	if err != nil || len(at) > 1 {
		return p, nil, hie.Invalid("at", "must be one instant, such as 2026-01-31T12:00:00Z")
	}
	if p, err = s.deps.Stewardship.AsOf(ctx, record, t); err == nil {
		records, err = s.deps.Stewardship.SaidAt(ctx, p.Records(), t)
	}
	return p, records, err
}

func (s *Server) memberJSON(sp mpi.SourcePatient, link hie.LinkState) memberJSON {
	return memberJSON{Record: s.patientID(sp.Record), Site: sp.Site, Link: link.String(), Active: sp.Active,
		Patient: mpifhir.Masked(sp, s.patientID(sp.Record))}
}

// recordVersions answers GET /admin/v1/match/records/{id}/versions: everything a registration has said, oldest first.
func (s *Server) recordVersions(c *gin.Context) {
	ctx := c.Request.Context()
	record, ok := s.patientRecord(c.Param("id"))
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	versions, err := s.deps.Stewardship.RecordVersions(ctx, record)
	if err != nil {
		s.fail(c, err)
		return
	}
	sp, err := s.deps.Stewardship.Record(ctx, record)
	if err != nil {
		s.fail(c, err)
		return
	}
	if !s.looked(c, "record history", record) {
		return
	}
	type versionJSON struct {
		Version  int64          `json:"version"`
		Since    time.Time      `json:"since"`
		Until    *time.Time     `json:"until,omitempty"`
		Active   bool           `json:"active"`
		Disputed bool           `json:"disputed"`
		Patient  jsontext.Value `json:"patient"`
	}
	out := struct {
		Record   string        `json:"record"`
		Site     hie.SiteID    `json:"site"`
		Versions []versionJSON `json:"versions"`
	}{Record: s.patientID(record), Site: sp.Site, Versions: make([]versionJSON, 0, len(versions))}
	for _, v := range versions {
		then := sp
		then.Demographics, then.Active, then.Version = v.Demographics, v.Active, v.Number
		j := versionJSON{Version: v.Number, Since: v.Since, Active: v.Active, Disputed: v.Disputed, Patient: mpifhir.Masked(then, s.patientID(record))}
		if !v.Until.IsZero() {
			j.Until = &v.Until
		}
		out.Versions = append(out.Versions, j)
	}
	s.sendJSON(c, http.StatusOK, out)
}

// bestRecord answers GET /admin/v1/match/records/{id}/best: what the person's records together say, with the source of
// each value.
func (s *Server) bestRecord(c *gin.Context) {
	record, ok := s.patientRecord(c.Param("id"))
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	best, err := s.deps.Stewardship.BestOf(c.Request.Context(), record)
	if err != nil {
		s.fail(c, err)
		return
	}
	if !s.looked(c, "person view", best.Person.Records()...) {
		return
	}
	type originJSON struct {
		Field  string     `json:"field"`
		Place  int        `json:"place"`
		Record string     `json:"record"`
		Site   hie.SiteID `json:"site"`
		Reason string     `json:"reason"`
		Agree  int        `json:"agree"`
		Differ int        `json:"differ"`
	}
	out := struct {
		Person  string         `json:"person"`
		Patient jsontext.Value `json:"patient"`
		Origins []originJSON   `json:"origins"`
	}{Person: s.adminID("person", int64(best.Person.ID)), Patient: mpifhir.Composite(best.Demographics), Origins: make([]originJSON, 0, len(best.Origins))}
	for _, o := range best.Origins {
		out.Origins = append(out.Origins, originJSON{o.Field, o.Place, s.patientID(o.Record), o.Site, o.Reason, o.Agree, o.Differ})
	}
	s.sendJSON(c, http.StatusOK, out)
}

// revealRecord answers POST /admin/v1/match/records/{id}/reveal {"reason"}: the registration with its numbers in full.
// Who asked and why is recorded.
func (s *Server) revealRecord(c *gin.Context) {
	ctx := c.Request.Context()
	record, ok := s.patientRecord(c.Param("id"))
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	var in struct {
		Reason string `json:"reason"`
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	if in.Reason == "" {
		s.fail(c, hie.Required("reason"))
		return
	}
	sp, err := s.deps.Stewardship.Record(ctx, record)
	if err != nil {
		s.fail(c, err)
		return
	}
	e := s.asked(caller(c), "reveal", "").About(record)
	e.Reasons = []string{in.Reason}
	if err := s.deps.Audit.Record(context.WithoutCancel(ctx), e); err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, struct {
		Record  string         `json:"record"`
		Patient jsontext.Value `json:"patient"`
	}{s.patientID(record), mpifhir.Demographic(sp, s.patientID(record))})
}

// compareRecords answers POST /admin/v1/match/compare {"records"}: two to six registrations side by side, and what
// speaks for and against every two of them.
func (s *Server) compareRecords(c *gin.Context) {
	ctx := c.Request.Context()
	var in struct {
		Records []string `json:"records"`
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	var records []hie.SourcePatientID
	for _, id := range in.Records {
		r, ok := s.patientRecord(id)
		if !ok {
			s.fail(c, hie.ErrNotFound)
			return
		}
		records = append(records, r)
	}
	pairs, err := s.deps.Stewardship.Pairs(ctx, records)
	if err != nil {
		s.fail(c, err)
		return
	}
	said, err := s.deps.Stewardship.Records(ctx, records)
	if err != nil {
		s.fail(c, err)
		return
	}
	if !s.looked(c, "compare", records...) {
		return
	}
	type pairJSON struct {
		Records  [2]string      `json:"records"`
		Grade    string         `json:"grade"`
		Bits     mpi.Bits       `json:"bits"`
		Evidence []evidenceJSON `json:"evidence"`
		Vetoes   []string       `json:"vetoes,omitempty"`
		Verdict  string         `json:"verdict,omitempty"`
	}
	out := struct {
		Members []memberJSON `json:"members"`
		Pairs   []pairJSON   `json:"pairs"`
	}{Members: make([]memberJSON, 0, len(said)), Pairs: make([]pairJSON, 0, len(pairs))}
	for _, sp := range said {
		p, err := s.deps.Stewardship.PersonOf(ctx, sp.Record)
		if err != nil {
			s.fail(c, err)
			return
		}
		m, _ := p.Member(sp.Record)
		out.Members = append(out.Members, s.memberJSON(sp, m.Link))
	}
	for _, p := range pairs {
		j := pairJSON{Records: [2]string{s.patientID(p.A), s.patientID(p.B)}, Grade: p.Grade.String(), Bits: p.Bits, Evidence: evidence(p.Evidence), Vetoes: p.Vetoes}
		if p.Verdict != mpi.Clear {
			j.Verdict = p.Verdict.String()
		}
		out.Pairs = append(out.Pairs, j)
	}
	s.sendJSON(c, http.StatusOK, out)
}
