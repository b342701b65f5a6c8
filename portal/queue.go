package portal

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
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
	Snooze *struct {
		Until  time.Time `json:"until"`
		By     string    `json:"by"`
		Reason string    `json:"reason"`
	} `json:"snooze"`
	Escalation *escalation      `json:"escalation"`
	Inquiries  []inquiry        `json:"inquiries"`
	Documents  int64            `json:"documents"`
	Consents   map[string]int64 `json:"consents"`
	First      *struct {
		Verdict string    `json:"verdict"`
		By      string    `json:"by"`
		Reason  string    `json:"reason"`
		At      time.Time `json:"at"`
	} `json:"first"`
	Closed    time.Time `json:"closed"`
	Withdrawn bool      `json:"withdrawn"`
	Verdict   string    `json:"verdict"`
	By        string    `json:"by"`
	Reason    string    `json:"reason"`
	Change    string    `json:"change"`
	// Ticked says that it was chosen in a form that came back.
	Ticked bool `json:"-"`
}

// An escalation says to whom a task was handed on: a role, or a person.
type escalation struct {
	Role   string    `json:"role"`
	User   string    `json:"user"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// An inquiry is what a site was asked about a task, and what it answered; the answer is awaited while Answered is zero.
type inquiry struct {
	Site     hie.SiteID `json:"site"`
	Question string     `json:"question"`
	By       string     `json:"by"`
	At       time.Time  `json:"at"`
	Answered time.Time  `json:"answered"`
	Answer   string     `json:"answer"`
	AnswerBy string     `json:"answer_by"`
}

// Days are how many whole days the answer has been awaited at now.
func (q inquiry) Days(now time.Time) int { return int(now.Sub(q.At) / (24 * time.Hour)) }

// Awaited are the inquiries that no site has answered yet.
func (t task) Awaited() (out []inquiry) {
	for _, q := range t.Inquiries {
		if q.Answered.IsZero() {
			out = append(out, q)
		}
	}
	return out
}

// Choices is how many consents stand on the persons the task is about.
func (t task) Choices() (n int64) {
	for _, c := range t.Consents {
		n += c
	}
	return n
}

// Weighed reports whether the engine graded what the task is about.
func (t task) Weighed() bool { return len(t.Evidence) > 0 }

// Decidable reports whether a decision is worth asking me for: the task is open and I have not handed it on. Whether I may is
// the API's to say.
func (t task) Decidable(me string) bool {
	return t.Closed.IsZero() && (t.Escalation == nil || t.Escalation.By != me)
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

// queueStates are which tasks the queue can show: all to settle, those that wait for a site's answer, those put off, those handed on,
// those handed on to who asks, and those settled. Their words are queuestate.STATE.
var queueStates = []string{"open", "waiting", "snoozed", "escalated", "mine", "closed"}

// What the queue can be narrowed to besides: for how many days a task has waited, the band its score lies in, the risk from which
// it counts as one of a level, and how many documents hang on it.
var (
	queueAges      = []string{"1", "7", "30"}
	queueGrades    = []string{"certain", "probable", "possible", "certainly-not"}
	queueRisks     = []string{"70", "40"}
	queueDocuments = []string{"1", "10", "100"}
)

// A queueFilter is what the queue's form asks for.
type queueFilter struct{ Kind, Claimed, State, Age, Grade, Risk, Documents string }

// form is f as the queue's address has it.
func (f queueFilter) form() url.Values {
	out := url.Values{"state": {f.State}}
	for name, value := range map[string]string{"kind": f.Kind, "claimed": f.Claimed, "age": f.Age, "grade": f.Grade, "risk": f.Risk, "documents": f.Documents} {
		if value != "" {
			out.Set(name, value)
		}
	}
	return out
}

// Fields are the names and values of f, for a form that keeps them, in order.
func (f queueFilter) Fields() (out []struct{ Name, Value string }) {
	form := f.form()
	for _, name := range slices.Sorted(maps.Keys(form)) {
		out = append(out, struct{ Name, Value string }{name, form.Get(name)})
	}
	return out
}

// Narrow reports whether f asks for more than a state, a kind and whose.
func (f queueFilter) Narrow() bool { return f.Age+f.Grade+f.Risk+f.Documents != "" }

// query is f as the API is asked at now.
func (f queueFilter) query(now time.Time) url.Values {
	q := url.Values{}
	if days, err := strconv.Atoi(f.Age); err == nil {
		q.Set("opened_before", now.AddDate(0, 0, -days).UTC().Format(time.RFC3339))
	}
	if f.Grade != "" {
		q.Set("grade", f.Grade)
	}
	if f.Kind != "" {
		q.Set("kind", f.Kind)
	}
	switch f.State {
	case "closed":
		q.Set("closed", "true")
		return q
	case "waiting":
		q.Set("waiting", "true")
	case "snoozed":
		q.Set("snoozed", "true")
	case "escalated":
		q.Set("escalated", "any")
	case "mine":
		q.Set("escalated", "mine")
	}
	if f.Claimed != "" {
		q.Set("claimed", f.Claimed)
	}
	if f.Risk != "" {
		q.Set("risk", f.Risk)
	}
	if f.Documents != "" {
		q.Set("documents", f.Documents)
	}
	return q
}

// readQueueFilter reads the filter of the page from q; what it does not know is left out.
func readQueueFilter(q url.Values) queueFilter {
	f := queueFilter{Kind: q.Get("kind"), Claimed: q.Get("claimed"), State: q.Get("state")}
	if !slices.Contains(mpi.TaskKinds(), mpi.TaskKind(f.Kind)) {
		f.Kind = ""
	}
	if f.Claimed != "mine" && f.Claimed != "none" {
		f.Claimed = ""
	}
	if !slices.Contains(queueStates, f.State) {
		f.State = "open"
	}
	of := func(name string, all []string) string {
		if v := q.Get(name); slices.Contains(all, v) {
			return v
		}
		return ""
	}
	f.Age, f.Grade = of("age", queueAges), of("grade", queueGrades)
	if f.State != "closed" { // what was settled does no harm any more
		f.Risk, f.Documents = of("risk", queueRisks), of("documents", queueDocuments)
	}
	return f
}

// queue answers GET /steward.
func (v *visit) queue() error {
	return v.showQueue(http.StatusOK, v.c.Request.URL.Query(), nil, nil)
}

// showQueue shows the queue that on asks for. form is what somebody wanted to do with several tasks and could not yet.
func (v *visit) showQueue(status int, on, form url.Values, faults []fault) error {
	f := readQueueFilter(on)
	q := f.query(v.now)
	q.Set("count", "25")
	if after := on.Get("after"); after != "" {
		q.Set("after", after)
	}
	var page struct {
		Tasks []task `json:"tasks"`
		Next  string `json:"next"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/match/tasks?"+q.Encode(), nil, &page); err != nil {
		return err
	}
	var people []string // who works on tasks of this page: offered when some are given to somebody
	for i := range page.Tasks {
		t := &page.Tasks[i]
		t.Ticked = slices.Contains(form["task"], t.ID)
		if t.Snooze != nil {
			t.Snooze.Until = t.Snooze.Until.In(v.zone())
		}
		if t.Claim != nil {
			people = append(people, actorName(t.Claim.By))
		}
		if t.First != nil {
			people = append(people, actorName(t.First.By))
		}
	}
	slices.Sort(people)
	next := ""
	if page.Next != "" {
		further := f.form()
		further.Set("after", page.Next)
		next = "/steward?" + further.Encode()
	}
	v.show(status, "steward/queue", map[string]any{"Tasks": page.Tasks, "Next": next, "Filter": f, "Kinds": mpi.TaskKinds(), "States": queueStates, "Ages": queueAges, "Grades": queueGrades, "Risks": queueRisks,
		"Numbers": queueDocuments, "Now": v.now,
		"Me": v.me(), "People": slices.Compact(people), "Days": v.snoozeDays(), "Form": form, "Faults": faults})
	return nil
}

func taskPath(id string) string { return "/admin/v1/match/tasks/" + url.PathEscape(id) }

// readTask returns the task the path names.
func (v *visit) readTask() (t task, err error) {
	err = v.read(http.MethodGet, taskPath(v.c.Param("task")), nil, &t)
	return t, err
}
