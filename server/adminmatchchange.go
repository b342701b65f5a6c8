package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// listChanges answers GET /admin/v1/match/changes?after=&count=&reader=: what changed behind after, in order, nothing left out;
// who reads as a registered reader says that all before after was dealt with.
func (s *Server) listChanges(c *gin.Context) {
	var after mpi.Cursor
	count, reader := 100, ""
	for name, values := range c.Request.URL.Query() {
		v, err := values[0], error(nil)
		switch {
		case len(values) > 1:
			err = hie.Invalid(parameterName(name), "must be given once")
		case name == "after":
			var badCursor error
			if after.Transaction, after.Notice, badCursor = s.deps.Sealer.OpenID("notice", v); badCursor != nil {
				err = hie.Invalid("after", "does not continue this list")
			}
		case name == "reader":
			reader = v
		case name == "count":
			var notNumber error
			if count, notNumber = strconv.Atoi(v); notNumber != nil || count < 1 || count > 1000 {
				err = hie.Invalid("count", "must be from 1 to 1000")
			}
		default:
			err = hie.Invalid(parameterName(name), "is not a parameter of this list")
		}
		if err != nil {
			s.fail(c, err)
			return
		}
	}
	var notices []mpi.Notice
	var err error
	if reader == "" {
		notices, err = s.deps.Stewardship.Notices(c.Request.Context(), after, count)
	} else {
		notices, err = s.deps.Stewardship.ReadNotices(c.Request.Context(), reader, after, count)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Changes []noticeJSON `json:"changes"`
		Next    string       `json:"next,omitempty"`
	}{Changes: make([]noticeJSON, 0, len(notices))}
	for _, n := range notices {
		out.Changes = append(out.Changes, s.noticeJSON(n))
		out.Next = s.deps.Sealer.ID("notice", n.Cursor.Transaction, n.Cursor.Notice)
	}
	s.sendJSON(c, http.StatusOK, out)
}

// noticeJSON tells that an identity changed, and holds no demographics.
type noticeJSON struct {
	ID     string         `json:"id"`
	Kind   mpi.NoticeKind `json:"kind"`
	At     time.Time      `json:"at"`
	Record string         `json:"record,omitempty"`
	Person string         `json:"person"`
	Former string         `json:"former,omitempty"`
	Change string         `json:"change"`
}

func (s *Server) noticeJSON(n mpi.Notice) noticeJSON {
	out := noticeJSON{ID: s.deps.Sealer.ID("notice", n.Cursor.Transaction, n.Cursor.Notice), Kind: n.Kind, At: n.At,
		Person: s.adminID("person", int64(n.Person)), Change: s.adminID("change", int64(n.Change))}
	if n.Record != 0 {
		out.Record = s.patientID(n.Record)
	}
	if n.Former != 0 {
		out.Former = s.adminID("person", int64(n.Former))
	}
	return out
}

// changeOf returns the change the path names; ok is false when that was answered.
func (s *Server) changeOf(c *gin.Context) (_ mpi.ChangeID, ok bool) {
	id, err := s.openAdminID("change", c.Param("id"))
	if err != nil {
		s.fail(c, hie.ErrNotFound)
		return 0, false
	}
	return mpi.ChangeID(id), true
}

// previewUndo answers GET /admin/v1/match/changes/{id}/preview: what undoing it would do.
func (s *Server) previewUndo(c *gin.Context) {
	id, ok := s.changeOf(c)
	if !ok {
		return
	}
	e, err := s.deps.Stewardship.PreviewUndo(c.Request.Context(), caller(c), id)
	s.sendEffect(c, e, err)
}

// undoChange answers POST /admin/v1/match/changes/{id}/undo {"reason"}.
func (s *Server) undoChange(c *gin.Context) {
	id, ok := s.changeOf(c)
	if !ok {
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
	change, err := s.deps.Stewardship.Undo(c.Request.Context(), caller(c), id, in.Reason)
	s.sendSettled(c, mpi.Settled{Change: change}, err)
}

// effectJSON is what a decision would do.
type effectJSON struct {
	Sides  []sideJSON `json:"sides"`
	Links  []string   `json:"links,omitempty"`
	Second string     `json:"second,omitempty"`
}

// sideJSON is records that stay together. from and to are persons; to is left out for one that does not exist yet.
type sideJSON struct {
	Records   []string             `json:"records"`
	Sites     []hie.SiteID         `json:"sites"`
	From      string               `json:"from"`
	To        string               `json:"to,omitempty"`
	Documents map[hie.SiteID]int64 `json:"documents,omitempty"`
	Consents  map[string]int64     `json:"consents,omitempty"`
}

func (s *Server) sendEffect(c *gin.Context, e mpi.Effect, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	out := effectJSON{Sides: make([]sideJSON, 0, len(e.Sides)), Second: e.Second}
	for _, r := range e.Links {
		out.Links = append(out.Links, s.patientID(r))
	}
	for _, side := range e.Sides {
		j := sideJSON{Sites: side.Sites, From: s.adminID("person", int64(side.From)), Documents: side.Documents, Consents: side.Consents}
		for _, r := range side.Records {
			j.Records = append(j.Records, s.patientID(r))
		}
		if side.To != 0 {
			j.To = s.adminID("person", int64(side.To))
		}
		out.Sides = append(out.Sides, j)
	}
	s.sendJSON(c, http.StatusOK, out)
}
