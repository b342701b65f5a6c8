package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// snoozeTask answers POST /admin/v1/match/tasks/{id}/snooze {"until", "reason"}.
func (s *Server) snoozeTask(c *gin.Context) {
	var in struct {
		Until  string `json:"until"`
		Reason string `json:"reason"`
	}
	s.onTask(c, &in, func(ctx context.Context, by hie.Actor, id mpi.TaskID) (mpi.Task, error) {
		until, err := time.Parse(time.RFC3339, in.Until)
		if err != nil {
			return mpi.Task{}, hie.Invalid("until", "must be one instant, such as 2026-01-31T12:00:00Z")
		}
		return s.deps.Stewardship.SnoozeTask(ctx, by, id, until, in.Reason)
	})
}

// wakeTask answers POST /admin/v1/match/tasks/{id}/wake {}.
func (s *Server) wakeTask(c *gin.Context) {
	s.onTask(c, &struct{}{}, s.deps.Stewardship.WakeTask)
}

// escalateTask answers POST /admin/v1/match/tasks/{id}/escalate {"role" or "user", "reason"}.
func (s *Server) escalateTask(c *gin.Context) {
	var in struct {
		Role   string `json:"role"`
		User   string `json:"user"`
		Reason string `json:"reason"`
	}
	s.onTask(c, &in, func(ctx context.Context, by hie.Actor, id mpi.TaskID) (mpi.Task, error) {
		return s.deps.Stewardship.EscalateTask(ctx, by, id, in.Role, in.User, in.Reason)
	})
}

// recallTask answers POST /admin/v1/match/tasks/{id}/recall {}.
func (s *Server) recallTask(c *gin.Context) {
	s.onTask(c, &struct{}{}, s.deps.Stewardship.RecallTask)
}

// askSite answers POST /admin/v1/match/tasks/{id}/ask {"site", "question"}.
func (s *Server) askSite(c *gin.Context) {
	var in struct {
		Site     hie.SiteID `json:"site"`
		Question string     `json:"question"`
	}
	s.onTask(c, &in, func(ctx context.Context, by hie.Actor, id mpi.TaskID) (mpi.Task, error) {
		return s.deps.Stewardship.AskSite(ctx, by, id, in.Site, in.Question)
	})
}

// takeAnswer answers POST /admin/v1/match/tasks/{id}/answer {"site", "answer"}.
func (s *Server) takeAnswer(c *gin.Context) {
	var in struct {
		Site   hie.SiteID `json:"site"`
		Answer string     `json:"answer"`
	}
	s.onTask(c, &in, func(ctx context.Context, by hie.Actor, id mpi.TaskID) (mpi.Task, error) {
		return s.deps.Stewardship.TakeAnswer(ctx, by, id, in.Site, in.Answer)
	})
}

// withdrawTask answers POST /admin/v1/match/tasks/{id}/withdraw {"reason"}.
func (s *Server) withdrawTask(c *gin.Context) {
	var in struct {
		Reason string `json:"reason"`
	}
	s.onTask(c, &in, func(ctx context.Context, by hie.Actor, id mpi.TaskID) (mpi.Task, error) {
		return s.deps.Stewardship.WithdrawTask(ctx, by, id, in.Reason)
	})
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
