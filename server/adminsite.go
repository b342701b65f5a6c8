package server

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/gin-gonic/gin"
)

// SiteHealth tells how the sites are. *federation.Monitor is one; its methods say what each does.
type SiteHealth interface {
	Overview(ctx context.Context) ([]federation.SiteReport, error)
	History(ctx context.Context, site hie.SiteID, from time.Time, step time.Duration) ([]federation.Point, error)
}

// SiteRow is how one site is, as administration and the command line show it.
type SiteRow struct {
	Site         hie.SiteID `json:"site"`
	Name         string     `json:"name"`
	Organization hie.OrgID  `json:"organization"`
	Active       bool       `json:"active"`
	Publishes    bool       `json:"publishes"`
	// Membership says whether anything is disclosed of it and to it.
	Membership directory.Participation `json:"membership"`
	State      federation.State        `json:"state"`
	Since      *time.Time              `json:"since,omitempty"`
	// Measured says what the figures are of: "requests", "probes", or "" when there are none.
	Measured string `json:"measured"`
	siteFigures
	LastAnswer  *time.Time `json:"last_answer,omitempty"`
	LastPublish *time.Time `json:"last_publish,omitempty"`
	// Certificate is when the endpoint's certificate ends, Days how many whole days that is away.
	Certificate *certificateJSON `json:"certificate,omitempty"`
	Probe       *probeJSON       `json:"probe,omitempty"`
	// Claims are the emergency claims of the site's organisation in the last 30 days.
	Claims claimsJSON `json:"emergency_claims"`
}

type siteFigures struct {
	Calls     int64   `json:"calls"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	ErrorRate float64 `json:"error_rate"`
}

type certificateJSON struct {
	Until time.Time `json:"until"`
	Days  int       `json:"days"`
}

type probeJSON struct {
	Endpoint    string          `json:"endpoint"`
	Asked       time.Time       `json:"asked"`
	Took        float64         `json:"took_ms"`
	Fate        federation.Fate `json:"fate"`
	Reason      string          `json:"reason,omitempty"`
	Software    string          `json:"software,omitempty"`
	Version     string          `json:"version,omitempty"`
	FHIRVersion string          `json:"fhir_version,omitempty"`
}

type claimsJSON struct {
	Made        int64 `json:"made"`
	Unjustified int64 `json:"unjustified"`
}

// SitePoint is what calling a site was like in a span of time.
type SitePoint struct {
	At time.Time `json:"at"`
	siteFigures
	Answered int64 `json:"answered"`
	Refused  int64 `json:"refused"`
	Failed   int64 `json:"failed"`
	Late     int64 `json:"late"`
	Skipped  int64 `json:"skipped"`
}

// SiteRows writes reports as administration shows them; certificates are counted at now.
func SiteRows(reports []federation.SiteReport, now time.Time) []SiteRow {
	out := make([]SiteRow, 0, len(reports))
	for _, r := range reports {
		row := SiteRow{Site: r.Site.ID, Name: r.Site.Name, Organization: r.Site.Org, Active: r.Site.Active, Publishes: r.Site.Publishes, Membership: r.Site.Membership, State: r.State,
			Since: instant(r.Since), siteFigures: figuresOf(r.Tally), LastAnswer: instant(r.LastAnswer), LastPublish: instant(r.LastPublish),
			Claims: claimsJSON(r.Claims)}
		switch {
		case r.ByProbe:
			row.Measured = "probes"
		case r.Tally.Calls() > 0:
			row.Measured = "requests"
		}
		if days, ok := r.CertificateDays(now); ok {
			row.Certificate = &certificateJSON{r.Probe.CertificateUntil.UTC(), days}
		}
		if p := r.Probe; !p.Asked.IsZero() {
			row.Probe = &probeJSON{p.Endpoint, p.Asked.UTC(), milliseconds(p.Took), p.Fate, p.Reason, p.Software, p.Version, p.FHIRVersion}
		}
		out = append(out, row)
	}
	return out
}

// SitePoints writes points as administration shows them.
func SitePoints(points []federation.Point) []SitePoint {
	out := make([]SitePoint, 0, len(points))
	for _, p := range points {
		out = append(out, SitePoint{At: p.At.UTC(), siteFigures: figuresOf(p.Tally), Answered: p.Answered, Refused: p.Refused, Failed: p.Failed, Late: p.Late,
			Skipped: p.Skipped})
	}
	return out
}

func figuresOf(t federation.Tally) siteFigures {
	return siteFigures{Calls: t.Calls(), P50: milliseconds(t.Quantile(.5)), P95: milliseconds(t.Quantile(.95)), ErrorRate: math.Round(t.ErrorRate()*1e4) / 1e4}
}

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1e3
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// listSites answers GET /admin/v1/sites.
func (s *Server) listSites(c *gin.Context) {
	reports, err := s.deps.Sites.Overview(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, struct {
		Sites []SiteRow `json:"sites"`
	}{SiteRows(reports, s.deps.Now())})
}

// HistoryStep is how long one point of a history over hours is.
func HistoryStep(hours int) time.Duration {
	if hours > 12 {
		return 30 * time.Minute
	}
	return 5 * time.Minute
}

// readSiteHistory answers GET /admin/v1/sites/{id}/history?hours=.
func (s *Server) readSiteHistory(c *gin.Context) {
	hours := 6
	if v := c.Query("hours"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 48 {
			s.fail(c, hie.Invalid("hours", "must be 1 to 48"))
			return
		}
		hours = n
	}
	step := HistoryStep(hours)
	points, err := s.deps.Sites.History(c.Request.Context(), hie.SiteID(c.Param("id")), s.deps.Now().Add(-time.Duration(hours)*time.Hour), step)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, struct {
		Step   int         `json:"step_seconds"`
		Points []SitePoint `json:"points"`
	}{int(step / time.Second), SitePoints(points)})
}
