package portal

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A2, one request followed from the browser to the sites.

// A followed is one request as the API tells of it.
type followed struct {
	Request      string       `json:"request"`
	Trace        string       `json:"trace"`
	Began        time.Time    `json:"began"`
	Took         float64      `json:"took_ms"`
	Status       int          `json:"status"`
	Organization hie.OrgID    `json:"organization"`
	Client       hie.ClientID `json:"client"`
	Roles        []string     `json:"roles"`
	Purposes     []string     `json:"purposes"`
	Spans        []span       `json:"spans"`
}

// A span is one step of it.
type span struct {
	Name    string     `json:"name"`
	Site    hie.SiteID `json:"site"`
	After   float64    `json:"after_ms"`
	Took    float64    `json:"took_ms"`
	Outcome string     `json:"outcome"`
	Detail  string     `json:"detail"`
	// X and Width are its bar's, of 1000.
	X     int `json:"-"`
	Width int `json:"-"`
}

// Good reports whether the step went well.
func (s span) Good() bool {
	status, err := strconv.Atoi(s.Outcome)
	return s.Outcome == "ok" || s.Outcome == "answered" || s.Outcome == "partial" || err == nil && status < 500
}

// layOut places the bars of f's spans on its time, the longest of which any step reaches.
func (f *followed) layOut() {
	whole := f.Took
	for _, s := range f.Spans {
		whole = max(whole, s.After+s.Took)
	}
	for i := range f.Spans {
		s := &f.Spans[i]
		if whole > 0 {
			s.X, s.Width = int(1000*s.After/whole), int(math.Ceil(1000*s.Took/whole))
		}
		s.X = min(max(s.X, 0), 995)
		s.Width = min(max(s.Width, 5), 1000-s.X)
	}
}

// requests answers GET /operator/requests?id=: where the number of a request is given.
func (v *visit) requests() error {
	id := strings.TrimSpace(v.c.Query("id"))
	if id == "" {
		v.show(http.StatusOK, "operator/requests", map[string]any{"ID": "", "Faults": nil})
		return nil
	}
	if !requestIDPattern.MatchString(id) {
		v.show(http.StatusBadRequest, "operator/requests", map[string]any{"ID": id, "Faults": []map[string]string{{"Field": "id", "Key": "trace.fault"}}})
		return nil
	}
	return v.redirect("/operator/requests/" + url.PathEscape(id))
}

// request answers GET /operator/requests/:request: how it went.
func (v *visit) request() error {
	id := v.c.Param("request")
	var in struct {
		Requests []followed `json:"requests"`
	}
	err := v.read(http.MethodGet, "/admin/v1/trace/"+url.PathEscape(id), nil, &in)
	if errors.Is(err, hie.ErrNotFound) {
		v.show(http.StatusNotFound, "operator/request", map[string]any{"ID": id, "Requests": nil})
		return nil
	}
	if err != nil {
		return err
	}
	for i := range in.Requests {
		in.Requests[i].layOut()
	}
	v.show(http.StatusOK, "operator/request", map[string]any{"ID": id, "Requests": in.Requests})
	return nil
}
