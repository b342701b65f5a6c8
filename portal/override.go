package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// O2, the review of emergencies with the evidence the exchange has.

// A review is an emergency claim as the API gives it to a privacy officer.
type review struct {
	ID           string    `json:"id"`
	Opened       time.Time `json:"opened"`
	Until        time.Time `json:"until"`
	Organization hie.OrgID `json:"organization"`
	User         string    `json:"user"`
	UserName     string    `json:"user_name"`
	Role         string    `json:"role"`
	Reason       string    `json:"reason"`
	Text         string    `json:"text"`
	Attested     []string  `json:"attested"`
	Records      []string  `json:"records"`
	Due          time.Time `json:"due"`
	Overdue      bool      `json:"overdue"`
	Escalated    time.Time `json:"escalated"`
	Claims       int       `json:"claims"`
	Unjustified  int       `json:"unjustified"`
	Alarm        bool      `json:"alarm"`
	Contested    time.Time `json:"contested"`
	ContestedBy  string    `json:"contested_by"`
	Contest      string    `json:"contest"`
	Ended        time.Time `json:"ended"`
	EndedBy      string    `json:"ended_by"`
	EndReason    string    `json:"end_reason"`
	Closed       time.Time `json:"closed"`
	ClosedBy     string    `json:"closed_by"`
	Finding      string    `json:"finding"`
	Note         string    `json:"note"`
}

// Who is the claimant's name, or how the organisation names them.
func (r review) Who() string {
	if r.UserName != "" {
		return r.UserName
	}
	return r.User
}

func (r review) in(z *time.Location) review {
	r.Opened, r.Until, r.Due = r.Opened.In(z), r.Until.In(z), r.Due.In(z)
	if !r.Ended.IsZero() {
		r.Ended = r.Ended.In(z)
	}
	return r
}

// reviewsOf returns a page of reviews and where the next begins, "" for the end.
func (v *visit) reviewsOf(q url.Values) ([]review, string, error) {
	var page struct {
		Reviews []review `json:"reviews"`
		Next    string   `json:"next"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/reviews?"+q.Encode(), nil, &page); err != nil {
		return nil, "", err
	}
	for i := range page.Reviews {
		page.Reviews[i] = page.Reviews[i].in(v.zone())
	}
	return page.Reviews, page.Next, nil
}

// reviewKinds are what the list can be narrowed to.
var reviewKinds = []string{"overdue", "escalated", "contested", "alarm", "closed"}

// reviews answers GET /officer/reviews?show=&after=.
func (v *visit) reviews() error {
	shown := v.c.Query("show")
	q := url.Values{"count": {"50"}}
	if slices.Contains(reviewKinds, shown) {
		q.Set(shown, "true")
	} else {
		shown = ""
	}
	if after := v.c.Query("after"); after != "" {
		q.Set("after", after)
	}
	rows, next, err := v.reviewsOf(q)
	if err != nil {
		return err
	}
	if next != "" {
		next = "/officer/reviews?" + url.Values{"show": {shown}, "after": {next}}.Encode()
	}
	v.show(http.StatusOK, "officer/reviews", map[string]any{"Reviews": rows, "Next": next, "Shown": shown, "Kinds": reviewKinds})
	return nil
}

// An opened is the person whose registrations a claim opened, with what the exchange knows that speaks for or against it.
type opened struct {
	// Record is the first of the registrations.
	Record string
	// Before is what the claimant's organisation had to do with the patient in the 90 days before, five rows at most.
	Before []accessRow
	// Since is what the claimant did under the claim.
	Since []accessRow
	// Told is when the patient was told, zero for not yet; Held until when that is held back.
	Told, Held time.Time
}

// overrideReview answers GET /officer/reviews/:review.
func (v *visit) overrideReview() error { return v.showReview(http.StatusOK, nil, nil) }

func (v *visit) showReview(status int, form url.Values, faults []fault) error {
	var r review
	if err := v.read(http.MethodGet, reviewPath(v.c.Param("review")), nil, &r); err != nil {
		return err
	}
	r = r.in(v.zone())
	var all []opened
	for _, record := range r.Records[:min(1, len(r.Records))] { // a claim opens one person's, and the report follows the person
		o := opened{Record: record}
		rows, _, err := v.accessTo(record, r.Opened.AddDate(0, 0, -90), r.Until.Add(time.Minute), "")
		if err != nil {
			return err
		}
		for _, a := range rows {
			switch {
			case a.Organization != r.Organization:
			case a.At.Before(r.Opened):
				o.Before = append(o.Before, a)
			case a.User == r.User:
				o.Since = append(o.Since, a)
			}
		}
		o.Before = o.Before[:min(5, len(o.Before))]
		var told struct {
			Notices []struct {
				Created   time.Time `json:"created"`
				HeldUntil time.Time `json:"held_until"`
			} `json:"notices"`
		}
		if err := v.read(http.MethodGet, "/admin/v1/notices?count=50&patient="+url.QueryEscape(record), nil, &told); err != nil {
			return err
		}
		for _, n := range told.Notices {
			if d := n.Created.Sub(r.Opened); d > -time.Minute && d < time.Minute {
				o.Told = n.Created.In(v.zone())
				if n.HeldUntil.After(v.now) {
					o.Held = n.HeldUntil.In(v.zone())
				}
			}
		}
		all = append(all, o)
	}
	network := v.ofNetwork() == nil
	v.show(status, "officer/review", map[string]any{"Review": r, "Opened": all, "Finding": form.Get("finding"), "Note": form.Get("note"), "Form": form, "Faults": faults,
		"Network": network, "Endable": r.Ended.IsZero() && v.now.Before(r.Until) && (network || r.Organization == v.session.Actor.Organization), "Contestable": !network && r.Organization != v.session.Actor.Organization && r.Contested.IsZero() && r.Finding == ""})
	return nil
}

// closeReview answers POST /officer/reviews/:review/close.
func (v *visit) closeReview() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	finding, note := form.Get("finding"), strings.TrimSpace(form.Get("note"))
	var faults []fault
	if finding != "justified" && finding != "unjustified" {
		faults = append(faults, fault{"finding-justified", "review.fault.finding"})
	}
	if note == "" {
		faults = append(faults, fault{"note", "review.fault.note"})
	}
	if faults != nil {
		return v.showReview(http.StatusUnprocessableEntity, form, faults)
	}
	if _, err := v.call(http.MethodPost, reviewPath(v.c.Param("review"))+"/close", map[string]any{"finding": finding, "note": note}); err != nil {
		return err
	}
	if err := v.say("review.done"); err != nil {
		return err
	}
	return v.redirect("/officer/reviews/" + url.PathEscape(v.c.Param("review")))
}

func reviewPath(id string) string { return "/admin/v1/reviews/" + url.PathEscape(id) }

// An accessRow is one line of what happened to a patient's records.
type accessRow struct {
	At           time.Time `json:"at"`
	Kind         string    `json:"kind"`
	Outcome      string    `json:"outcome"`
	Organization hie.OrgID `json:"organization"`
	OrgName      string    `json:"organization_name"`
	User         string    `json:"user"`
	UserName     string    `json:"user_name"`
	Roles        []string  `json:"roles"`
	Purposes     []string  `json:"purposes"`
	SiteName     string    `json:"site_name"`
	Classes      []string  `json:"classes"`
	Documents    int       `json:"documents"`
	Emergency    bool      `json:"emergency"`
	Automatic    bool      `json:"automatic"`
}

// Who is the person, "" where a system acted on its own.
func (a accessRow) Who() string {
	if a.UserName != "" {
		return a.UserName
	}
	return a.User
}

// accessTo returns up to 100 rows about a patient, newest first, and where to go on.
func (v *visit) accessTo(patient string, from, to time.Time, after string) ([]accessRow, string, error) {
	q := url.Values{"patient": {patient}, "count": {"100"}}
	if !from.IsZero() {
		q.Set("from", from.UTC().Format(time.RFC3339))
	}
	if !to.IsZero() {
		q.Set("to", to.UTC().Format(time.RFC3339))
	}
	if after != "" {
		q.Set("after", after)
	}
	var page struct {
		Rows []accessRow `json:"rows"`
		Next string      `json:"next"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/reports/access?"+q.Encode(), nil, &page); err != nil {
		return nil, "", err
	}
	for i := range page.Rows {
		page.Rows[i].At = page.Rows[i].At.In(v.zone())
	}
	return page.Rows, page.Next, nil
}
