package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// QualityJSON is mpi.Quality as this door and the command line write it; counts are of the sample, but overlays.
type QualityJSON struct {
	At      time.Time        `json:"at"`
	Since   time.Time        `json:"since"`
	Persons int64            `json:"persons"`
	Sampled int              `json:"sampled"`
	Whole   bool             `json:"whole"`
	Sites   []siteFigureJSON `json:"sites"`
	Tuples  struct {
		Looked  int `json:"looked"`
		Skipped int `json:"skipped"`
		Several int `json:"several"`
		Persons int `json:"persons"`
		Most    int `json:"most"`
	} `json:"tuples"`
	Tasks   []taskFigureJSON `json:"tasks"`
	Reviews struct {
		Changes      int `json:"changes"`
		UndonePeople int `json:"undone_people"`
		UndoneEngine int `json:"undone_engine"`
		Second       int `json:"second"`
		Agreed       int `json:"agreed"`
		Decided      int `json:"decided"`
		Hours        int `json:"hours"`
	} `json:"reviews"`
	Days []dayFigureJSON `json:"days"`
}

type dayFigureJSON struct {
	Day      string `json:"day"`
	Opened   int    `json:"opened"`
	Decided  int    `json:"decided"`
	ByEngine int    `json:"by_engine"`
}

type siteFigureJSON struct {
	Site         hie.SiteID     `json:"site"`
	Records      int            `json:"records"`
	Retired      int            `json:"retired"`
	Filled       map[string]int `json:"filled"`
	Placeholders map[string]int `json:"placeholders"`
	Duplicates   int            `json:"duplicates"`
	Shared       int            `json:"shared"`
	Disputed     int            `json:"disputed"`
	Overlays     int            `json:"overlays"`
}

type taskFigureJSON struct {
	Kind       mpi.TaskKind `json:"kind"`
	Open       int          `json:"open"`
	Claimed    int          `json:"claimed"`
	Snoozed    int          `json:"snoozed"`
	Escalated  int          `json:"escalated"`
	Oldest     *time.Time   `json:"oldest,omitempty"`
	Opened     int          `json:"opened"`
	Closed     int          `json:"closed"`
	ByEngine   int          `json:"by_engine"`
	Same       int          `json:"same"`
	Different  int          `json:"different"`
	CannotTell int          `json:"cannot_tell"`
	MedianAge  int64        `json:"median_seconds"`
}

// matchQuality answers GET /admin/v1/match/quality?sample=.
func (s *Server) matchQuality(c *gin.Context) {
	sample := 0
	for name, values := range c.Request.URL.Query() {
		n, err := strconv.Atoi(values[0])
		switch {
		case name != "sample":
			s.fail(c, hie.Invalid(parameterName(name), "is not a parameter of these figures"))
			return
		case len(values) > 1 || err != nil || n < 1:
			s.fail(c, hie.Invalid("sample", "must be from 1 to 20000"))
			return
		}
		sample = n
	}
	q, err := s.deps.Stewardship.Quality(c.Request.Context(), sample)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, QualityOf(q))
}

// QualityOf returns q as JSON is written of it.
func QualityOf(q mpi.Quality) QualityJSON {
	out := QualityJSON{At: q.At, Since: q.Since, Persons: q.Persons, Sampled: q.Sampled, Whole: q.Whole,
		Sites: make([]siteFigureJSON, 0, len(q.Sites)), Tasks: make([]taskFigureJSON, 0, len(q.Tasks)), Days: make([]dayFigureJSON, 0, len(q.Days))}
	for _, v := range q.Sites {
		out.Sites = append(out.Sites, siteFigureJSON(v))
	}
	for _, f := range q.Tasks {
		j := taskFigureJSON{Kind: f.Kind, Open: f.Open, Claimed: f.Claimed, Snoozed: f.Snoozed, Escalated: f.Escalated, Opened: f.Opened, Closed: f.Closed,
			ByEngine: f.ByEngine, Same: f.Same, Different: f.Different, CannotTell: f.CannotTell, MedianAge: int64(f.MedianAge.Seconds())}
		if !f.Oldest.IsZero() {
			j.Oldest = &f.Oldest
		}
		out.Tasks = append(out.Tasks, j)
	}
	for _, d := range q.Days {
		out.Days = append(out.Days, dayFigureJSON{d.Day.Format(time.DateOnly), d.Opened, d.Decided, d.ByEngine})
	}
	out.Tuples.Looked, out.Tuples.Skipped, out.Tuples.Several, out.Tuples.Persons, out.Tuples.Most =
		q.Tuples.Looked, q.Tuples.Skipped, q.Tuples.Several, q.Tuples.Persons, q.Tuples.Most
	r := q.Reviews
	out.Reviews.Changes, out.Reviews.UndonePeople, out.Reviews.UndoneEngine, out.Reviews.Second, out.Reviews.Agreed =
		r.Changes, r.UndonePeople, r.UndoneEngine, r.Second, r.Agreed
	out.Reviews.Decided, out.Reviews.Hours = r.Decided, r.Hours
	return out
}
