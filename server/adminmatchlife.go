package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// snoozeTask answers POST /admin/v1/match/tasks/{id}/snooze {"until", "reason"}.
func (s *Server) snoozeTask(c *gin.Context) {
	id, ok := s.taskOf(c)
	if !ok {
		return
	}
	var in struct {
		Until  string `json:"until"`
		Reason string `json:"reason"`
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	until, err := time.Parse(time.RFC3339, in.Until)
	if err != nil {
		s.fail(c, hie.Invalid("until", "must be one instant, such as 2026-01-31T12:00:00Z"))
		return
	}
	t, err := s.deps.Stewardship.SnoozeTask(c.Request.Context(), caller(c), id, until, in.Reason)
	s.sendTask(c, t, err)
}

// wakeTask answers POST /admin/v1/match/tasks/{id}/wake {}.
func (s *Server) wakeTask(c *gin.Context) {
	id, ok := s.taskOf(c)
	if !ok {
		return
	}
	if err := s.readJSON(c, &struct{}{}); err != nil {
		s.fail(c, err)
		return
	}
	t, err := s.deps.Stewardship.WakeTask(c.Request.Context(), caller(c), id)
	s.sendTask(c, t, err)
}

// escalateTask answers POST /admin/v1/match/tasks/{id}/escalate {"role" or "user", "reason"}.
func (s *Server) escalateTask(c *gin.Context) {
	id, ok := s.taskOf(c)
	if !ok {
		return
	}
	var in struct {
		Role   string `json:"role"`
		User   string `json:"user"`
		Reason string `json:"reason"`
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	t, err := s.deps.Stewardship.EscalateTask(c.Request.Context(), caller(c), id, in.Role, in.User, in.Reason)
	s.sendTask(c, t, err)
}

// recallTask answers POST /admin/v1/match/tasks/{id}/recall {}.
func (s *Server) recallTask(c *gin.Context) {
	id, ok := s.taskOf(c)
	if !ok {
		return
	}
	if err := s.readJSON(c, &struct{}{}); err != nil {
		s.fail(c, err)
		return
	}
	t, err := s.deps.Stewardship.RecallTask(c.Request.Context(), caller(c), id)
	s.sendTask(c, t, err)
}

// assignTasks answers POST /admin/v1/match/tasks/assign {"tasks", "to", "minutes"}: several are given to a steward, or
// without "to" claimed; each on its own.
func (s *Server) assignTasks(c *gin.Context) {
	var in struct {
		Tasks   []string `json:"tasks"`
		To      string   `json:"to"`
		Minutes int      `json:"minutes"`
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	var ids []mpi.TaskID
	for _, id := range in.Tasks {
		n, err := s.openAdminID("task", id)
		if err != nil {
			s.fail(c, hie.ErrNotFound)
			return
		}
		ids = append(ids, mpi.TaskID(n))
	}
	if in.Minutes < 0 || in.Minutes > 1<<20 {
		s.fail(c, hie.Invalid("minutes", "must be a number of minutes"))
		return
	}
	done, err := s.deps.Stewardship.AssignTasks(c.Request.Context(), caller(c), ids, in.To, time.Duration(in.Minutes)*time.Minute)
	if err != nil {
		s.fail(c, err)
		return
	}
	type assignedJSON struct {
		ID      string    `json:"id"`
		Task    *taskJSON `json:"task,omitempty"`
		Refused string    `json:"refused,omitempty"`
	}
	out := struct {
		Tasks []assignedJSON `json:"tasks"`
	}{Tasks: make([]assignedJSON, 0, len(done))}
	for _, a := range done {
		j := assignedJSON{ID: s.adminID("task", int64(a.ID)), Refused: refusal(a.Err)}
		if a.Err == nil {
			t := s.taskJSON(a.Task)
			j.Task = &t
		}
		out.Tasks = append(out.Tasks, j)
	}
	s.sendJSON(c, http.StatusOK, out)
}

// refusal is the word for why one of several was not done, "" when it was.
func refusal(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, hie.ErrForbidden):
		return "handed-on"
	case errors.Is(err, hie.ErrNotFound):
		return "not-found"
	}
	return "conflict"
}
