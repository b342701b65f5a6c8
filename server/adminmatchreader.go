package server

import (
	"net/http"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// readerJSON is somebody for whom the stream of changes is kept. after is where to go on.
type readerJSON struct {
	Name       string     `json:"name"`
	After      string     `json:"after"`
	Registered time.Time  `json:"registered"`
	Seen       *time.Time `json:"seen,omitempty"`
	Lost       bool       `json:"lost"`
}

func (s *Server) readerJSON(r mpi.NoticeReader) readerJSON {
	out := readerJSON{Name: r.Name, After: s.deps.Sealer.ID("notice", r.At.Transaction, r.At.Notice), Registered: r.Registered, Lost: r.Lost}
	if !r.Seen.IsZero() {
		out.Seen = &r.Seen
	}
	return out
}

// listReaders answers GET /admin/v1/match/readers.
func (s *Server) listReaders(c *gin.Context) {
	readers, err := s.deps.Stewardship.Readers(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Readers []readerJSON `json:"readers"`
	}{Readers: make([]readerJSON, 0, len(readers))}
	for _, r := range readers {
		out.Readers = append(out.Readers, s.readerJSON(r))
	}
	s.sendJSON(c, http.StatusOK, out)
}

// registerReader answers POST /admin/v1/match/readers {"name", "from"}.
func (s *Server) registerReader(c *gin.Context) {
	var in struct {
		Name string `json:"name"`
		From string `json:"from"`
	}
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	if in.From != "oldest" && in.From != "end" {
		s.fail(c, hie.Invalid("from", "must be oldest or end"))
		return
	}
	r, err := s.deps.Stewardship.RegisterReader(c.Request.Context(), caller(c), in.Name, in.From == "end")
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.readerJSON(r))
}

// forgetReader answers DELETE /admin/v1/match/readers/{name} with the readers that are left.
func (s *Server) forgetReader(c *gin.Context) {
	if err := s.deps.Stewardship.ForgetReader(c.Request.Context(), caller(c), c.Param("name")); err != nil {
		s.fail(c, err)
		return
	}
	s.listReaders(c)
}
