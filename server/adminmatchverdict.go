package server

import (
	"context"
	"net/http"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// taskOf returns the task the path names; ok is false when that was answered.
func (s *Server) taskOf(c *gin.Context) (_ mpi.TaskID, ok bool) {
	id, err := s.openAdminID("task", c.Param("id"))
	if err != nil {
		s.fail(c, hie.ErrNotFound)
		return 0, false
	}
	return mpi.TaskID(id), true
}

// onTask takes a step with the task the path names and answers with the task as it is then. The body is read into in
// before step is called.
func (s *Server) onTask(c *gin.Context, in any, step func(context.Context, hie.Actor, mpi.TaskID) (mpi.Task, error)) {
	id, ok := s.taskOf(c)
	if !ok {
		return
	}
	if err := s.readJSON(c, in); err != nil {
		s.fail(c, err)
		return
	}
	t, err := step(c.Request.Context(), caller(c), id)
	s.sendTask(c, t, err)
}

// reportTask answers POST /admin/v1/match/tasks {"record", "other", "reason"}: a patient says that something is not
// theirs.
func (s *Server) reportTask(c *gin.Context) {
	var in struct {
		Record string `json:"record"`
		Other  string `json:"other"`
		Reason string `json:"reason"`
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	record, ok := s.patientRecord(in.Record)
	var other hie.SourcePatientID
	if ok && in.Other != "" {
		other, ok = s.patientRecord(in.Other)
	}
	if !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	t, err := s.deps.Stewardship.Report(c.Request.Context(), caller(c), record, other, in.Reason)
	s.sendTask(c, t, err)
}

// claimTask answers POST /admin/v1/match/tasks/{id}/claim {"minutes"}.
func (s *Server) claimTask(c *gin.Context) {
	var in struct {
		Minutes int `json:"minutes"`
	}
	s.onTask(c, &in, func(ctx context.Context, by hie.Actor, id mpi.TaskID) (mpi.Task, error) {
		if in.Minutes < 0 || in.Minutes > 720 {
			return mpi.Task{}, hie.Invalid("minutes", "must be from 1 to 720")
		}
		return s.deps.Stewardship.ClaimTask(ctx, by, id, time.Duration(in.Minutes)*time.Minute)
	})
}

// releaseTask answers POST /admin/v1/match/tasks/{id}/release {}.
func (s *Server) releaseTask(c *gin.Context) {
	s.onTask(c, &struct{}{}, s.deps.Stewardship.ReleaseTask)
}

func (s *Server) sendTask(c *gin.Context, t mpi.Task, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.taskJSON(t))
}

// settleTask answers POST /admin/v1/match/tasks/{id}/verdict {"verdict", "reason"}.
func (s *Server) settleTask(c *gin.Context) {
	id, ok := s.taskOf(c)
	if !ok {
		return
	}
	var in struct {
		Verdict string `json:"verdict"`
		Reason  string `json:"reason"`
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
	done, err := s.deps.Stewardship.Settle(c.Request.Context(), caller(c), id, v, in.Reason)
	s.sendSettled(c, done, err)
}

// previewTask answers POST /admin/v1/match/tasks/{id}/preview {"verdict"}: what settling it so would do.
func (s *Server) previewTask(c *gin.Context) {
	id, ok := s.taskOf(c)
	if !ok {
		return
	}
	var in struct {
		Verdict string `json:"verdict"`
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	v, err := readVerdict(in.Verdict, "preview")
	if err != nil {
		s.fail(c, err)
		return
	}
	e, err := s.deps.Stewardship.PreviewTask(c.Request.Context(), caller(c), id, v)
	s.sendEffect(c, e, err)
}

// twoRecords reads the two records a verdict is about.
func (s *Server) twoRecords(in []string) (a, b hie.SourcePatientID, err error) {
	if len(in) != 2 || in[0] == in[1] {
		return 0, 0, hie.Invalid("records", "must name two records")
	}
	a, okA := s.patientRecord(in[0])
	b, okB := s.patientRecord(in[1])
	if !okA || !okB {
		return 0, 0, hie.ErrNotFound
	}
	return a, b, nil
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
	if err != nil {
		s.fail(c, err)
		return
	}
	a, b, err := s.twoRecords(in.Records)
	if err != nil {
		s.fail(c, err)
		return
	}
	done, err := s.deps.Stewardship.Decide(c.Request.Context(), caller(c), a, b, v, in.Reason)
	s.sendSettled(c, done, err)
}

// previewVerdict answers POST /admin/v1/match/verdicts/preview {"records": [a, b], "verdict"}: what it would do.
func (s *Server) previewVerdict(c *gin.Context) {
	var in struct {
		Records []string `json:"records"`
		Verdict string   `json:"verdict"`
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	v, err := readVerdict(in.Verdict, "preview")
	if err != nil {
		s.fail(c, err)
		return
	}
	a, b, err := s.twoRecords(in.Records)
	if err != nil {
		s.fail(c, err)
		return
	}
	e, err := s.deps.Stewardship.PreviewDecision(c.Request.Context(), caller(c), a, b, v)
	s.sendEffect(c, e, err)
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

// sendSettled answers with the id by which the change can be undone, or with the task in which the verdict waits for a
// second reviewer.
func (s *Server) sendSettled(c *gin.Context, done mpi.Settled, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Change  string `json:"change,omitempty"`
		Pending bool   `json:"pending"`
		Second  string `json:"second,omitempty"`
		Task    string `json:"task,omitempty"`
	}{Pending: done.Pending, Second: done.Second}
	if done.Change != 0 {
		out.Change = s.adminID("change", int64(done.Change))
	}
	if done.Task != 0 {
		out.Task = s.adminID("task", int64(done.Task))
	}
	s.sendJSON(c, http.StatusOK, out)
}
