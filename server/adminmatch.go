package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/gin-gonic/gin"
)

// Stewardship is what the stewards' doors ask of the index. *mpi.Index is one; its methods say what each does.
type Stewardship interface {
	Tasks(ctx context.Context, f mpi.TaskFilter) ([]mpi.Task, bool, error)
	Task(ctx context.Context, id mpi.TaskID) (mpi.Task, error)
	Settle(ctx context.Context, actor hie.Actor, id mpi.TaskID, v mpi.Verdict, reason string) (mpi.ChangeID, error)
	Decide(ctx context.Context, actor hie.Actor, a, b hie.SourcePatientID, v mpi.Verdict, reason string) (mpi.ChangeID, error)
	Undo(ctx context.Context, actor hie.Actor, change mpi.ChangeID, reason string) (mpi.ChangeID, error)
	HistoryOfRecord(ctx context.Context, record hie.SourcePatientID) ([]mpi.Event, error)
	PersonOf(ctx context.Context, record hie.SourcePatientID) (mpi.Person, error)
	Records(ctx context.Context, records []hie.SourcePatientID) ([]mpi.SourcePatient, error)
}

// Stewards settle identities. They see demographics, never documents, and every look at a person is recorded.
//
// Tasks, changes and records are named by sealed ids; a record's is the id of its FHIR Patient.

// requireNetwork lets those pass who act for the organisation that runs the exchange. A person's registrations are
// several organisations', and none of them may see the others'.
func (s *Server) requireNetwork(c *gin.Context) {
	if o, known := s.deps.Network().Organization(caller(c).Organization); !known || o.Kind != networkKind {
		s.fail(c, hie.ErrForbidden)
	}
}

// verdicts are the words a steward decides in.
var verdicts = map[string]mpi.Verdict{"same": mpi.MustLink, "different": mpi.CannotLink, "cannot-tell": mpi.Clear}

func verdictWord(v mpi.Verdict) string {
	for word, verdict := range verdicts {
		if v == verdict {
			return word
		}
	}
	return ""
}

// listTasks answers GET /admin/v1/match/tasks?kind=&closed=&record=&after=&count=.
func (s *Server) listTasks(c *gin.Context) {
	f, err := s.taskFilter(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	tasks, more, err := s.deps.Stewardship.Tasks(c.Request.Context(), f)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Tasks []taskJSON `json:"tasks"`
		Next  string     `json:"next,omitempty"`
	}{Tasks: make([]taskJSON, 0, len(tasks))}
	for _, t := range tasks {
		out.Tasks = append(out.Tasks, s.taskJSON(t))
	}
	if more && len(tasks) > 0 {
		out.Next = out.Tasks[len(tasks)-1].ID
	}
	s.sendJSON(c, http.StatusOK, out)
}

func (s *Server) taskFilter(c *gin.Context) (f mpi.TaskFilter, err error) {
	for name, values := range c.Request.URL.Query() {
		v := values[0]
		if len(values) > 1 {
			return f, hie.Invalid(parameterName(name), "must be given once")
		}
		switch name {
		case "kind":
			f.Kind = mpi.TaskKind(v)
			if !slices.Contains(mpi.TaskKinds(), f.Kind) {
				return f, hie.Invalid("kind", "is none of the kinds of task")
			}
		case "closed":
			if f.Closed, err = strconv.ParseBool(v); err != nil {
				return f, hie.Invalid("closed", "must be true or false")
			}
		case "record":
			record, ok := s.patientRecord(v)
			if !ok {
				return f, hie.ErrNotFound
			}
			f.Record = record
		case "after":
			id, err := s.openAdminID("task", v)
			if err != nil {
				return f, hie.Invalid("after", "does not continue this list")
			}
			f.After = mpi.TaskID(id)
		case "count":
			if f.Count, err = strconv.Atoi(v); err != nil || f.Count < 1 || f.Count > 200 {
				return f, hie.Invalid("count", "must be from 1 to 200")
			}
		default:
			return f, hie.Invalid(parameterName(name), "is not a parameter of this list")
		}
	}
	return f, nil
}

// readTask answers GET /admin/v1/match/tasks/{id}.
func (s *Server) readTask(c *gin.Context) {
	id, err := s.openAdminID("task", c.Param("id"))
	if err != nil {
		s.fail(c, hie.ErrNotFound)
		return
	}
	t, err := s.deps.Stewardship.Task(c.Request.Context(), mpi.TaskID(id))
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.taskJSON(t))
}

// settleTask answers POST /admin/v1/match/tasks/{id}/verdict {"verdict", "reason"}.
func (s *Server) settleTask(c *gin.Context) {
	var in struct {
		Verdict string `json:"verdict"`
		Reason  string `json:"reason"`
	}
	id, err := s.openAdminID("task", c.Param("id"))
	if err != nil {
		s.fail(c, hie.ErrNotFound)
		return
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	v, err := readVerdict(in.Verdict, in.Reason)
	if err != nil {
		s.fail(c, err)
		return
	}
	change, err := s.deps.Stewardship.Settle(c.Request.Context(), caller(c), mpi.TaskID(id), v, in.Reason)
	s.sendChange(c, change, err)
}

// decideRecords answers POST /admin/v1/match/verdicts {"records": [a, b], "verdict", "reason"}.
func (s *Server) decideRecords(c *gin.Context) {
	var in struct {
		Records []string `json:"records"`
		Verdict string   `json:"verdict"`
		Reason  string   `json:"reason"`
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	v, err := readVerdict(in.Verdict, in.Reason)
	if err == nil && (len(in.Records) != 2 || in.Records[0] == in.Records[1]) {
		err = hie.Invalid("records", "must name two records")
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	a, okA := s.patientRecord(in.Records[0])
	b, okB := s.patientRecord(in.Records[1])
	if !okA || !okB {
		s.fail(c, hie.ErrNotFound)
		return
	}
	change, err := s.deps.Stewardship.Decide(c.Request.Context(), caller(c), a, b, v, in.Reason)
	s.sendChange(c, change, err)
}

// undoChange answers POST /admin/v1/match/changes/{id}/undo {"reason"}.
func (s *Server) undoChange(c *gin.Context) {
	var in struct {
		Reason string `json:"reason"`
	}
	id, err := s.openAdminID("change", c.Param("id"))
	if err != nil {
		s.fail(c, hie.ErrNotFound)
		return
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	if in.Reason == "" {
		s.fail(c, hie.Required("reason"))
		return
	}
	change, err := s.deps.Stewardship.Undo(c.Request.Context(), caller(c), mpi.ChangeID(id), in.Reason)
	s.sendChange(c, change, err)
}

func readVerdict(word, reason string) (mpi.Verdict, error) {
	v, known := verdicts[word]
	switch {
	case !known:
		return v, &hie.InvalidError{Path: "verdict", Rule: "must be same, different or cannot-tell", Code: "code-invalid"}
	case reason == "":
		return v, hie.Required("reason")
	}
	return v, nil
}

// sendChange answers with the id by which the change can be undone.
func (s *Server) sendChange(c *gin.Context, change mpi.ChangeID, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, struct {
		Change string `json:"change"`
	}{s.adminID("change", int64(change))})
}

// recordHistory answers GET /admin/v1/match/records/{id}/history, oldest first.
func (s *Server) recordHistory(c *gin.Context) {
	ctx := c.Request.Context()
	record, ok := s.patientRecord(c.Param("id"))
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	events, err := s.deps.Stewardship.HistoryOfRecord(ctx, record)
	if err == nil && len(events) == 0 { // every registration begins with one
		err = hie.ErrNotFound
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	if err := s.deps.Audit.Record(context.WithoutCancel(ctx), s.asked(caller(c), "link history", "").About(record)); err != nil {
		s.fail(c, err)
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

// readPerson answers GET /admin/v1/match/records/{id}: the record's person and all its registrations.
func (s *Server) readPerson(c *gin.Context) {
	ctx := c.Request.Context()
	record, ok := s.patientRecord(c.Param("id"))
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	p, err := s.deps.Stewardship.PersonOf(ctx, record)
	if err != nil {
		s.fail(c, err)
		return
	}
	records, err := s.deps.Stewardship.Records(ctx, p.Records())
	if err != nil {
		s.fail(c, err)
		return
	}
	if err := s.deps.Audit.Record(context.WithoutCancel(ctx), s.asked(caller(c), "person view", "").About(p.Records()...)); err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Person  string       `json:"person"`
		Version int64        `json:"version"`
		Members []memberJSON `json:"members"`
	}{Person: s.adminID("person", int64(p.ID)), Version: p.Version, Members: make([]memberJSON, 0, len(records))}
	for _, sp := range records {
		m, _ := p.Member(sp.Record)
		out.Members = append(out.Members, memberJSON{Record: s.patientID(sp.Record), Site: sp.Site, Link: m.Link.String(), Active: sp.Active,
			Patient: mpifhir.Demographic(sp, s.patientID(sp.Record))})
	}
	s.sendJSON(c, http.StatusOK, out)
}

func (s *Server) adminID(kind string, id int64) string { return s.deps.Sealer.ID(kind, id, 0) }

func (s *Server) openAdminID(kind, id string) (int64, error) {
	a, _, err := s.deps.Sealer.OpenID(kind, id)
	return a, err
}
