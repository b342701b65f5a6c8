package portal

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

// A1, sites: how each is, as all nodes have seen it, and what the directory says of it.

// A siteHealth is one site as the API tells of it.
type siteHealth struct {
	Site         hie.SiteID `json:"site"`
	Name         string     `json:"name"`
	Organization hie.OrgID  `json:"organization"`
	Publishes    bool       `json:"publishes"`
	Membership   string     `json:"membership"`
	State        string     `json:"state"`
	Since        time.Time  `json:"since"`
	Measured     string     `json:"measured"`
	siteFigures
	LastAnswer  time.Time `json:"last_answer"`
	LastPublish time.Time `json:"last_publish"`
	Certificate *struct {
		Until time.Time `json:"until"`
		Days  int       `json:"days"`
	} `json:"certificate"`
	Probe *struct {
		Asked       time.Time `json:"asked"`
		Fate        string    `json:"fate"`
		Reason      string    `json:"reason"`
		Software    string    `json:"software"`
		Version     string    `json:"version"`
		FHIRVersion string    `json:"fhir_version"`
	} `json:"probe"`
	Claims struct {
		Made        int64 `json:"made"`
		Unjustified int64 `json:"unjustified"`
	} `json:"emergency_claims"`
	// Directory is what the directory says.
	Directory directory.Site `json:"-"`
	Law       string         `json:"-"`
}

type siteFigures struct {
	Calls     int64   `json:"calls"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	ErrorRate float64 `json:"error_rate"`
}

// Percent is the error rate in percent.
func (f siteFigures) Percent() string { return strconv.FormatFloat(100*f.ErrorRate, 'f', -1, 64) }

// Badge is the kind of badge a state is shown as.
func (h siteHealth) Badge() string {
	switch h.State {
	case "up":
		return "good"
	case "failing":
		return "bad"
	}
	return "warn"
}

// Ending says that the certificate ends within three weeks.
//
// Source: spec ux 1.5 (alerts shipped: certificate < 21 days).
func (h siteHealth) Ending() bool { return h.Certificate != nil && h.Certificate.Days < 21 }

// health asks how the sites are.
func (v *visit) health() ([]siteHealth, error) {
	var in struct {
		Sites []siteHealth `json:"sites"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/sites", nil, &in); err != nil {
		return nil, err
	}
	n := v.deps.Network()
	for i := range in.Sites {
		in.Sites[i].Directory, _ = n.Site(in.Sites[i].Site)
		in.Sites[i].Law = n.Jurisdiction(in.Sites[i].Site)
	}
	return in.Sites, nil
}

// sites answers GET /operator.
func (v *visit) sites() error {
	all, err := v.health()
	if err != nil {
		return err
	}
	states := map[string]int{}
	for _, s := range all {
		states[s.State]++
	}
	v.show(http.StatusOK, "operator/sites", map[string]any{"Sites": all, "States": states, "Version": v.deps.Network().Version()})
	return nil
}

// A sitePoint is what calling a site was like in a span of time.
type sitePoint struct {
	At time.Time `json:"at"`
	siteFigures
	Answered int64 `json:"answered"`
	Refused  int64 `json:"refused"`
	Failed   int64 `json:"failed"`
	Late     int64 `json:"late"`
	Skipped  int64 `json:"skipped"`
}

// siteHours are the spans of time a site's page offers.
var siteHours = []int{1, 6, 24, 48}

// site answers GET /operator/sites/:site?hours=.
func (v *visit) site() error {
	id := v.c.Param("site")
	hours, err := strconv.Atoi(v.c.Query("hours"))
	if err != nil || !slices.Contains(siteHours, hours) {
		hours = 6
	}
	all, err := v.health()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(s siteHealth) bool { return string(s.Site) == id })
	if i < 0 {
		return hie.ErrNotFound
	}
	var in struct {
		Points []sitePoint `json:"points"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/sites/"+url.PathEscape(id)+"/history?hours="+strconv.Itoa(hours), nil, &in); err != nil {
		return err
	}
	called := slices.ContainsFunc(in.Points, func(p sitePoint) bool { return p.Calls > 0 })
	v.show(http.StatusOK, "operator/site", map[string]any{"Site": all[i], "Hours": hours, "Spans": siteHours, "Points": in.Points, "Called": called,
		"Latency": v.chart(in.Points, "sites.seconds", line{"sites.p50", func(p sitePoint) *float64 { return seconds(p, p.P50) }}, line{"sites.p95", func(p sitePoint) *float64 { return seconds(p, p.P95) }}),
		"Outcomes": v.chart(in.Points, "sites.calls", line{"sites.answered", func(p sitePoint) *float64 { return many(p.Answered) }},
			line{"sites.failed", func(p sitePoint) *float64 { return many(p.Failed) }}, line{"sites.late", func(p sitePoint) *float64 { return many(p.Late) }},
			line{"sites.refused", func(p sitePoint) *float64 { return many(p.Refused) }}, line{"sites.skipped", func(p sitePoint) *float64 { return many(p.Skipped) }})})
	return nil
}

// seconds is a time in seconds, nothing where nothing was measured.
func seconds(p sitePoint, ms float64) *float64 {
	if p.Calls == 0 {
		return nil
	}
	ms /= 1000
	return &ms
}

func many(n int64) *float64 { f := float64(n); return &f }

// A line is one line of a chart: what it is called and what it is at a point.
type line struct {
	key string
	at  func(sitePoint) *float64
}

// A chart is what assets/charts.js draws. Data holds it as JSON, for an attribute; the page has a table that says the same.
type chart struct {
	Data  string
	Names []string
}

// chart makes a chart of points.
func (v *visit) chart(points []sitePoint, unit string, lines ...line) chart {
	var c chart
	times, values := make([]int64, len(points)), make([][]*float64, len(lines))
	for i, p := range points {
		times[i] = p.At.Unix()
		for j, l := range lines {
			values[j] = append(values[j], l.at(p))
		}
	}
	for _, l := range lines {
		c.Names = append(c.Names, v.words.say(v.language, l.key))
	}
	return newChart(times, values, c.Names, v.words.say(v.language, unit))
}

// newChart makes a chart of lines: what each is called, and what it is at each of times, in seconds since 1970.
func newChart(times []int64, values [][]*float64, names []string, unit string) chart {
	c := chart{Names: names}
	raw, err := json.Marshal(map[string]any{"times": times, "values": values, "names": names, "unit": unit})
	if err != nil {
		panic("portal: " + err.Error()) // numbers and words are always JSON
	}
	c.Data = string(raw)
	return c
}

// operatorPages are the pages of operators.
func operatorPages() []route {
	operators := []access.Duty{access.DutyOperator}
	return []route{
		{method: http.MethodGet, path: "/operator", duties: operators, nav: "nav.sites", do: (*visit).sites},
		{method: http.MethodGet, path: "/operator/sites/:site", duties: operators, do: (*visit).site},
		{method: http.MethodGet, path: "/operator/sites/:site/onboarding", duties: operators, do: (*visit).onboarding},
		{method: http.MethodPost, path: "/operator/sites/:site/onboarding/agreements", duties: operators, do: bringOn("agreements", "signed_by", "onboard.agreed", "kind", "signed_by", "from", "until", "document_hash")},
		{method: http.MethodPost, path: "/operator/sites/:site/onboarding/contacts", duties: operators, do: bringOn("contacts", "name", "onboard.contacted", "role", "name", "email", "phone")},
		{method: http.MethodPost, path: "/operator/sites/:site/onboarding/probe", duties: operators, do: bringOn("probe", "probe", "onboard.probed")},
		{method: http.MethodPost, path: "/operator/sites/:site/onboarding/alert", duties: operators, do: bringOn("alert", "alert", "onboard.alerted")},
		{method: http.MethodPost, path: "/operator/sites/:site/onboarding/steps", duties: operators, stepUp: true, again: "/operator/sites/:site/onboarding", do: bringOn("steps", "steps", "", "move", "note")},
		{method: http.MethodGet, path: "/operator/requests", duties: operators, nav: "nav.requests", do: (*visit).requests},
		{method: http.MethodGet, path: "/operator/requests/:request", duties: operators, do: (*visit).request},
		{method: http.MethodGet, path: "/operator/settings", duties: operators, nav: "nav.settings", do: (*visit).settings},
	}
}
