package portal

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/mpi"
)

// W1, the queue: registrations somebody should look at, the riskiest first.

// A task is one entry of the queue as the API gives it.
type task struct {
	ID       string       `json:"id"`
	Kind     mpi.TaskKind `json:"kind"`
	Record   string       `json:"record"`
	Other    string       `json:"other"`
	Grade    string       `json:"grade"`
	Bits     float64      `json:"bits"`
	Missing  string       `json:"missing"`
	Note     string       `json:"note"`
	Evidence []evidence   `json:"evidence"`
	Risk     float64      `json:"risk"`
	Opened   time.Time    `json:"opened"`
	Claim    *struct {
		By    string    `json:"by"`
		Until time.Time `json:"until"`
	} `json:"claim"`
	First *struct {
		Verdict string    `json:"verdict"`
		By      string    `json:"by"`
		Reason  string    `json:"reason"`
		At      time.Time `json:"at"`
	} `json:"first"`
	Closed  time.Time `json:"closed"`
	Verdict string    `json:"verdict"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	Change  string    `json:"change"`
}

// Days are how many whole days the task has waited at now.
func (t task) Days(now time.Time) int { return int(now.Sub(t.Opened) / (24 * time.Hour)) }

// Level is the key of the words for how much harm it may do left alone.
func (t task) Level() string {
	switch {
	case t.Risk >= 70:
		return "risk.high"
	case t.Risk >= 40:
		return "risk.middle"
	}
	return "risk.low"
}

// For and Against are the fields that speak most strongly for one person and for two, three at most.
func (t task) For() []string { return strongest(t.Evidence, 1) }

// Against is what For is, for two people.
func (t task) Against() []string { return strongest(t.Evidence, -1) }

func strongest(all []evidence, sign float64) (out []string) {
	some := slices.DeleteFunc(slices.Clone(all), func(e evidence) bool { return sign*e.Bits <= 1 || e.Field == "household" })
	slices.SortStableFunc(some, func(a, b evidence) int { return cmp.Compare(sign*b.Bits, sign*a.Bits) })
	for _, e := range some[:min(3, len(some))] {
		out = append(out, e.Field)
	}
	return out
}

// actorName is the part of "organization/user" that names the person.
func actorName(by string) string {
	if _, user, found := strings.Cut(by, "/"); found {
		return user
	}
	return by
}

// me is how the API names who is signed in.
func (v *visit) me() string { return string(v.session.Actor.Organization) + "/" + v.session.Actor.User }

// A queueFilter is what the queue's form asks for.
type queueFilter struct{ Kind, Claimed, State string }

func (f queueFilter) query() url.Values {
	q := url.Values{}
	if f.Kind != "" {
		q.Set("kind", f.Kind)
	}
	if f.State == "closed" {
		q.Set("closed", "true")
	} else if f.Claimed != "" {
		q.Set("claimed", f.Claimed)
	}
	return q
}

// queueFilter reads the filter of the page; what it does not know is left out.
func (v *visit) queueFilter() queueFilter {
	q := v.c.Request.URL.Query()
	f := queueFilter{Kind: q.Get("kind"), Claimed: q.Get("claimed"), State: q.Get("state")}
	if !slices.Contains(mpi.TaskKinds(), mpi.TaskKind(f.Kind)) {
		f.Kind = ""
	}
	if f.Claimed != "mine" && f.Claimed != "none" {
		f.Claimed = ""
	}
	if f.State != "closed" {
		f.State = "open"
	}
	return f
}

// queue answers GET /steward.
func (v *visit) queue() error {
	f := v.queueFilter()
	q := f.query()
	q.Set("count", "25")
	if after := v.c.Query("after"); after != "" {
		q.Set("after", after)
	}
	var page struct {
		Tasks []task `json:"tasks"`
		Next  string `json:"next"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/match/tasks?"+q.Encode(), nil, &page); err != nil {
		return err
	}
	next := ""
	if page.Next != "" {
		on := url.Values{"kind": {f.Kind}, "claimed": {f.Claimed}, "state": {f.State}, "after": {page.Next}}
		next = "/steward?" + on.Encode()
	}
	v.show(http.StatusOK, "steward/queue", map[string]any{"Tasks": page.Tasks, "Next": next, "Filter": f, "Kinds": mpi.TaskKinds(), "Now": v.now, "Me": v.me(),
		"Later": v.c.Query("after") != ""})
	return nil
}

// claimTasks answers POST /steward/claim: the ticked tasks are the steward's for half an hour.
func (v *visit) claimTasks() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	ids := form["task"]
	if len(ids) == 0 || len(ids) > 50 {
		return v.redirect("/steward")
	}
	for _, id := range ids {
		if _, err := v.call(http.MethodPost, taskPath(id)+"/claim", map[string]any{}); err != nil {
			return err
		}
	}
	if err := v.say("queue.claimed"); err != nil {
		return err
	}
	return v.redirect("/steward?claimed=mine")
}

// claimTask answers POST /steward/tasks/:task/claim.
func (v *visit) claimTask() error {
	id := v.c.Param("task")
	if _, err := v.call(http.MethodPost, taskPath(id)+"/claim", map[string]any{}); err != nil {
		return err
	}
	return v.redirect("/steward/tasks/" + url.PathEscape(id))
}

// releaseTask answers POST /steward/tasks/:task/release.
func (v *visit) releaseTask() error {
	if _, err := v.call(http.MethodPost, taskPath(v.c.Param("task"))+"/release", map[string]any{}); err != nil {
		return err
	}
	if err := v.say("queue.released"); err != nil {
		return err
	}
	return v.redirect("/steward")
}

func taskPath(id string) string { return "/admin/v1/match/tasks/" + url.PathEscape(id) }

// readTask returns the task the path names.
func (v *visit) readTask() (t task, err error) {
	err = v.read(http.MethodGet, taskPath(v.c.Param("task")), nil, &t)
	return t, err
}
