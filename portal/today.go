package portal

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// O1, today: what waits for a privacy officer.

// A waiting is a number of things to see to, and where.
type waiting struct {
	Key   string
	Count int
	// More says that there are more than were counted, Late that they should have been done.
	More, Late bool
	Path       string
}

// today answers GET /officer: what waits, and the emergencies waiting longest.
func (v *visit) today() error {
	open, next, err := v.reviewsOf(url.Values{"count": {"50"}})
	if err != nil {
		return err
	}
	count := func(is func(review) bool) (n int) {
		for _, r := range open {
			if is(r) {
				n++
			}
		}
		return n
	}
	more, overdue := next != "", count(func(r review) bool { return r.Overdue })
	all := []waiting{
		{Key: "today.open", Count: len(open), More: more, Path: "/officer/reviews"},
		{Key: "today.overdue", Count: overdue, More: more && overdue == len(open), Late: overdue > 0, Path: "/officer/reviews?show=overdue"},
		{Key: "today.contested", Count: count(func(r review) bool { return !r.Contested.IsZero() }), Path: "/officer/reviews?show=contested"},
		{Key: "today.alarms", Count: count(func(r review) bool { return r.Alarm }), Path: "/officer/reviews?show=alarm"},
	}
	wishes, err := v.wishesWaiting()
	if err != nil {
		return err
	}
	all = append(all, wishes...)
	owed, err := v.deps.Requests.OpenReports(v.ctx, v.requestOrgs(), maxOpenRequests)
	if err != nil {
		return err
	}
	late := len(owed) > 0 && owed[0].Late(v.now) // what is due first comes first
	all = append(all, waiting{Key: "today.owed", Count: len(owed), More: len(owed) == maxOpenRequests, Late: late, Path: "/officer/requests"})
	if v.ofNetwork() == nil {
		network, err := v.networkWaiting()
		if err != nil {
			return err
		}
		all = append(all, network...)
	}
	flagged, err := v.flaggedSince(v.now.AddDate(0, 0, -1))
	if err != nil {
		return err
	}
	all = append(all, flagged)
	var in struct {
		Agreements []endingAgreement `json:"agreements"`
	}
	if v.ofNetwork() == nil {
		if err := v.read(http.MethodGet, "/admin/v1/agreements/ending", nil, &in); err != nil {
			return err
		}
		late := slices.ContainsFunc(in.Agreements, func(a endingAgreement) bool { return a.Ended })
		all = append(all, waiting{Key: "today.agreements", Count: len(in.Agreements), Late: late, Path: "#agreements"})
	}
	v.show(http.StatusOK, "officer/today", map[string]any{"Waiting": all, "Open": open[:min(5, len(open))], "Agreements": in.Agreements, "Network": v.ofNetwork() == nil})
	return nil
}

// An endingAgreement is what was signed with a site and ends soon, or has ended.
type endingAgreement struct {
	Site     hie.SiteID `json:"site"`
	Kind     string     `json:"kind"`
	SignedBy string     `json:"signed_by"`
	Until    string     `json:"until"`
	Ended    bool       `json:"ended"`
}

// Day is the last day.
func (a endingAgreement) Day() time.Time {
	day, _ := time.Parse(time.DateOnly, a.Until) // the API writes it so
	return day
}

// flaggedSince counts, among the newest page of the trail since from, what there is a reason to look at.
func (v *visit) flaggedSince(from time.Time) (waiting, error) {
	day := func(t time.Time) string { return t.In(v.zone()).Format(time.DateOnly) }
	rows, more, err := v.trail(sought{From: day(from), To: day(v.now)}, "", 1)
	if err != nil {
		return waiting{}, err
	}
	rows, err = v.flagged(rows, true)
	return waiting{Key: "today.flagged", Count: len(rows), More: more != "", Path: "/officer/access?flagged=1"}, err
}

// wishesWaiting counts what is to be seen to about patients' wishes, by kind; kinds with nothing are left out.
func (v *visit) wishesWaiting() ([]waiting, error) {
	tasks, next, err := v.wishTasks(url.Values{"count": {"200"}})
	if err != nil {
		return nil, err
	}
	var out []waiting
	for _, kind := range wishKinds {
		w := waiting{Key: "today.wish." + kind, More: next != "", Path: "/officer/wishes?kind=" + kind}
		for _, t := range tasks {
			if t.Kind == kind {
				w.Count++
				w.Late = w.Late || !t.Due.IsZero() && t.Due.Before(v.now)
			}
		}
		if w.Count > 0 {
			out = append(out, w)
		}
	}
	return out, nil
}

// networkWaiting counts what waits for the officers of the network alone: patients' questions, and policies that were
// simulated and need a second person.
func (v *visit) networkWaiting() ([]waiting, error) {
	questions, err := v.deps.Questions.Open(v.ctx, maxOpenQuestions)
	if err != nil {
		return nil, err
	}
	var in struct {
		Policies []policy `json:"policies"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/policies", nil, &in); err != nil {
		return nil, err
	}
	second := slices.DeleteFunc(in.Policies, func(p policy) bool {
		n := p.Newest()
		return n == 0 || !p.Did("simulate", n) || p.Did("approve", n)
	})
	return []waiting{
		{Key: "today.questions", Count: len(questions), More: len(questions) == maxOpenQuestions, Path: "/officer/questions"},
		{Key: "today.policies", Count: len(second), Path: "/officer/policies"},
	}, nil
}
