package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/go-json-experiment/json"
)

// desk is an index as stewards see it, with what they said written down.
type desk struct {
	*scripted
	tasks    []mpi.Task
	filter   mpi.TaskFilter
	verdict  mpi.Verdict
	decided  [2]hie.SourcePatientID
	undone   mpi.ChangeID
	reason   string
	actor    hie.Actor
	conflict bool
	grave    bool
}

func (d *desk) Tasks(_ context.Context, f mpi.TaskFilter) ([]mpi.Task, mpi.TaskID, error) {
	d.filter = f
	if len(d.tasks) == 0 {
		return nil, 0, nil
	}
	return d.tasks, d.tasks[len(d.tasks)-1].ID, nil
}

func (d *desk) Task(_ context.Context, id mpi.TaskID) (mpi.Task, error) {
	for _, t := range d.tasks {
		if t.ID == id {
			return t, nil
		}
	}
	return mpi.Task{}, hie.ErrNotFound
}

func (d *desk) Settle(ctx context.Context, actor hie.Actor, id mpi.TaskID, v mpi.Verdict, reason string) (mpi.Settled, error) {
	t, err := d.Task(ctx, id)
	if err != nil {
		return mpi.Settled{}, err
	}
	return d.Decide(ctx, actor, t.Record, t.Other, v, reason)
}

func (d *desk) Decide(_ context.Context, actor hie.Actor, a, b hie.SourcePatientID, v mpi.Verdict, reason string) (mpi.Settled, error) {
	if d.conflict {
		return mpi.Settled{}, hie.ErrConflict
	}
	d.actor, d.decided, d.verdict, d.reason = actor, [2]hie.SourcePatientID{a, b}, v, reason
	if d.grave {
		return mpi.Settled{Pending: true, Second: "consents", Task: 5}, nil
	}
	return mpi.Settled{Change: 77}, nil
}

func (d *desk) ClaimTask(ctx context.Context, actor hie.Actor, id mpi.TaskID, d2 time.Duration) (mpi.Task, error) {
	t, err := d.Task(ctx, id)
	t.ClaimedBy, t.ClaimedUntil = actor.User, time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC).Add(d2)
	return t, err
}

func (d *desk) ReleaseTask(ctx context.Context, _ hie.Actor, id mpi.TaskID) (mpi.Task, error) {
	return d.Task(ctx, id)
}

func (d *desk) AssignTasks(ctx context.Context, actor hie.Actor, ids []mpi.TaskID, user string, _ time.Duration) ([]mpi.Assigned, error) {
	d.actor, d.reason = actor, user
	var out []mpi.Assigned
	for _, id := range ids {
		t, err := d.Task(ctx, id)
		out = append(out, mpi.Assigned{ID: id, Task: t, Err: err})
	}
	return out, nil
}

func (d *desk) SnoozeTask(ctx context.Context, _ hie.Actor, id mpi.TaskID, until time.Time, reason string) (mpi.Task, error) {
	t, err := d.Task(ctx, id)
	t.Snooze = &mpi.Snooze{Until: until, By: "sam", Reason: reason}
	return t, err
}

func (d *desk) WakeTask(ctx context.Context, _ hie.Actor, id mpi.TaskID) (mpi.Task, error) {
	return d.Task(ctx, id)
}

func (d *desk) EscalateTask(ctx context.Context, _ hie.Actor, id mpi.TaskID, role, user, reason string) (mpi.Task, error) {
	t, err := d.Task(ctx, id)
	t.Escalation = &mpi.Escalation{Role: role, User: user, By: "sam", Reason: reason}
	return t, err
}

func (d *desk) RecallTask(ctx context.Context, _ hie.Actor, id mpi.TaskID) (mpi.Task, error) {
	return d.Task(ctx, id)
}

func (d *desk) AskSite(ctx context.Context, by hie.Actor, id mpi.TaskID, site hie.SiteID, words string) (mpi.Task, error) {
	t, err := d.Task(ctx, id)
	t.Inquiries = []mpi.Inquiry{{Site: site, Words: words, By: by.User, At: t.Opened}}
	return t, err
}

func (d *desk) TakeAnswer(ctx context.Context, by hie.Actor, id mpi.TaskID, site hie.SiteID, words string) (mpi.Task, error) {
	t, err := d.Task(ctx, id)
	t.Inquiries = []mpi.Inquiry{{Site: site, Words: "who?", By: by.User, At: t.Opened, Answered: t.Opened, Answer: words, AnswerBy: by.User}}
	return t, err
}

func (d *desk) WithdrawTask(ctx context.Context, by hie.Actor, id mpi.TaskID, reason string) (mpi.Task, error) {
	t, err := d.Task(ctx, id)
	t.Closed, t.Withdrawn, t.By, t.Reason = t.Opened, true, by.User, reason
	return t, err
}

func (d *desk) Quality(_ context.Context, sample int) (mpi.Quality, error) {
	return mpi.Quality{Persons: 9, Sampled: sample, Sites: []mpi.SiteQuality{{Site: "mercy-main", Records: 7, Filled: map[string]int{"phone": 6}}},
		Tasks: []mpi.TaskFigure{{Kind: mpi.TaskOverlay, Open: 2, MedianAge: time.Hour}}}, nil
}

func (d *desk) ReadNotices(_ context.Context, reader string, _ mpi.Cursor, _ int) ([]mpi.Notice, error) {
	if reader != "warehouse" {
		return nil, hie.ErrNotFound
	}
	return nil, fmt.Errorf("%w: %w", hie.ErrGone, hie.Invalid("after", "is too old"))
}

func (d *desk) RegisterReader(_ context.Context, _ hie.Actor, name string, _ bool) (mpi.NoticeReader, error) {
	return mpi.NoticeReader{Name: name}, nil
}

func (d *desk) Readers(context.Context) ([]mpi.NoticeReader, error) {
	return []mpi.NoticeReader{{Name: "warehouse", Lost: true}}, nil
}

func (d *desk) ForgetReader(_ context.Context, _ hie.Actor, name string) error {
	if name != "warehouse" {
		return hie.ErrNotFound
	}
	return nil
}

func (d *desk) Report(_ context.Context, _ hie.Actor, record, other hie.SourcePatientID, note string) (mpi.Task, error) {
	if note == "" {
		return mpi.Task{}, hie.Required("reason")
	}
	return mpi.Task{ID: 6, Kind: mpi.TaskReported, Record: record, Other: other, Note: note}, nil
}

// effect is a preview of two sides that meet.
func (d *desk) effect(v mpi.Verdict) (mpi.Effect, error) {
	d.verdict = v
	return mpi.Effect{Second: "consents", Sides: []mpi.Side{
		{Records: []hie.SourcePatientID{1000}, Sites: []hie.SiteID{"mercy-main"}, From: 8, To: 9, Documents: map[hie.SiteID]int64{"mercy-main": 3}},
		{Records: []hie.SourcePatientID{1001}, Sites: []hie.SiteID{"oak-street"}, From: 9, Consents: map[string]int64{"deny": 1}}}}, nil
}

func (d *desk) PreviewTask(_ context.Context, _ hie.Actor, _ mpi.TaskID, v mpi.Verdict) (mpi.Effect, error) {
	return d.effect(v)
}

func (d *desk) PreviewDecision(_ context.Context, _ hie.Actor, _, _ hie.SourcePatientID, v mpi.Verdict) (mpi.Effect, error) {
	return d.effect(v)
}

func (d *desk) PreviewUndo(context.Context, hie.Actor, mpi.ChangeID) (mpi.Effect, error) {
	return d.effect(mpi.Clear)
}

func (d *desk) HistoryOfPerson(ctx context.Context, _ hie.PersonID) ([]mpi.Event, error) {
	return d.HistoryOfRecord(ctx, 1000)
}

func (d *desk) RecordVersions(ctx context.Context, record hie.SourcePatientID) ([]mpi.Version, error) {
	sp, err := d.Record(ctx, record)
	since := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	return []mpi.Version{{Record: record, Number: 1, Since: since, Until: since.AddDate(0, 1, 0), Active: true, Demographics: sp.Demographics},
		{Record: record, Number: 2, Since: since.AddDate(0, 1, 0), Active: true, Disputed: true, Demographics: sp.Demographics}}, err
}

func (d *desk) AsOf(ctx context.Context, record hie.SourcePatientID, at time.Time) (mpi.Person, error) {
	if at.Year() < 2026 {
		return mpi.Person{}, hie.ErrNotFound
	}
	return d.PersonOf(ctx, record)
}

func (d *desk) SaidAt(ctx context.Context, records []hie.SourcePatientID, _ time.Time) ([]mpi.SourcePatient, error) {
	return d.Records(ctx, records)
}

func (d *desk) BestOf(ctx context.Context, record hie.SourcePatientID) (mpi.Best, error) {
	p, err := d.PersonOf(ctx, record)
	if err != nil {
		return mpi.Best{}, err
	}
	out := mpi.Best{Person: p}
	rows, err := d.Records(ctx, p.Records())
	out.Demographics, out.Origins = mpi.Survive(rows, nil)
	return out, err
}

func (d *desk) Pairs(_ context.Context, records []hie.SourcePatientID) ([]mpi.Pair, error) {
	if len(records) != 2 {
		return nil, hie.Invalid("records", "must name two to six records")
	}
	return []mpi.Pair{{A: records[0], B: records[1], Grade: mpi.GradeCertain, Bits: 31, Vetoes: []string{"suffix"}, Verdict: mpi.CannotLink}}, nil
}

func (d *desk) Notices(_ context.Context, after mpi.Cursor, _ int) ([]mpi.Notice, error) {
	if after.Notice >= 4 {
		return nil, nil
	}
	return []mpi.Notice{{Cursor: mpi.Cursor{Transaction: 3, Notice: 4}, Kind: mpi.NoticeMoved, Record: 1000, Person: 9, Former: 8, Change: 77}}, nil
}

func (d *desk) Undo(_ context.Context, actor hie.Actor, change mpi.ChangeID, reason string) (mpi.ChangeID, error) {
	d.actor, d.undone, d.reason = actor, change, reason
	return 78, nil
}

func (d *desk) HistoryOfRecord(_ context.Context, record hie.SourcePatientID) ([]mpi.Event, error) {
	return []mpi.Event{{ID: 1, Change: 77, Kind: mpi.EventMoved, Record: record, To: mpi.Place{Person: 9, Link: hie.LinkConfirmed},
		Cause: mpi.CauseRule, Model: "hand-1", Grade: mpi.GradeCertain, Bits: 21.5,
		Evidence: []mpi.Evidence{{Field: "given", Level: "exact", Bits: 8}}}}, nil
}

func newDesk(t *testing.T) (*clinic, *desk) {
	t.Helper()
	d := &desk{scripted: newScripted()}
	a := d.add(1, "mercy-main", redSystem, "R-1", "MOHR")
	b := d.add(1, "oak-street", blueSystem, "B-1", "MOHR")
	d.tasks = []mpi.Task{{ID: 5, Kind: mpi.TaskCrossSite, Record: a, Other: b, Grade: mpi.GradePossible, Bits: 9.25, Missing: "birth-order",
		Evidence: []mpi.Evidence{{Field: "given", Level: "different", Bits: -3}}, Opened: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	file := testFile()
	file.Organizations = append(file.Organizations, directory.Organization{ID: "network", Name: "The Exchange", Identifier: "urn:org:network", Kind: networkKind, Active: true})
	n, err := file.Network(1)
	if err != nil {
		t.Fatal(err)
	}
	c := &clinic{index: d.scripted, trail: &trail{}, named: map[hie.SourcePatientID]bool{}}
	c.doors = newDoors(t, func(deps *Deps) {
		deps.Patients, deps.Audit, deps.Stewardship = d, c.trail, d
		deps.Network = func() *directory.Network { return n }
	})
	return c, d
}

// post sends JSON as a steward.
func (c *clinic) post(path, token, body string) *httptest.ResponseRecorder {
	c.Helper()
	return c.do(http.MethodPost, path, token, []byte(body), "Content-Type", "application/json")
}

// troubled checks an answer that must be a problem at places.
func (c *clinic) troubled(r *httptest.ResponseRecorder, status int, places string) {
	c.Helper()
	var p problem
	if err := json.Unmarshal(r.Body.Bytes(), &p); err != nil || r.Header().Get("Content-Type") != "application/problem+json" {
		c.Errorf("status %d, not a problem: %v %s", r.Code, err, r.Body)
		return
	}
	if r.Code != status || p.Status != status || p.Title == "" || strings.Join(p.Errors, " ") != places {
		c.Errorf("got %d at %v, want %d at %q", r.Code, p.Errors, status, places)
	}
}

func TestAStewardSettlesATask(t *testing.T) {
	c, d := newDesk(t)
	r := c.get("/admin/v1/match/tasks?kind=cross-site&count=10", stewardToken)
	var list struct {
		Tasks []taskJSON `json:"tasks"`
		Next  string     `json:"next"`
	}
	if err := json.Unmarshal(r.Body.Bytes(), &list, json.RejectUnknownMembers(true)); err != nil || r.Code != http.StatusOK || len(list.Tasks) != 1 {
		t.Fatalf("%d %v %s", r.Code, err, r.Body)
	}
	task := list.Tasks[0]
	if d.filter.Kind != mpi.TaskCrossSite || d.filter.Count != 10 || task.Missing != "birth-order" || task.Evidence[0].Level != "different" || task.Record != c.id(1000) {
		t.Errorf("task = %+v", task)
	}
	if r := c.get("/admin/v1/match/tasks/"+task.ID, stewardToken); r.Code != http.StatusOK {
		t.Errorf("read: %d", r.Code)
	}
	if c.get("/admin/v1/match/tasks?grade=probable&risk=40.5&documents=10&opened_before=2026-01-02T03:04:05Z", stewardToken); d.filter.Grade == nil || *d.filter.Grade != mpi.GradeProbable ||
		d.filter.MinRisk != 40.5 || d.filter.MinDocuments != 10 || !d.filter.OpenedBefore.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("the filter is %+v", d.filter)
	}
	if c.get("/admin/v1/match/tasks?after="+list.Next+"&record="+task.Record+"&closed=true", stewardToken); d.filter.After != 5 || d.filter.Record != 1000 || !d.filter.Closed {
		t.Errorf("filter = %+v", d.filter)
	}
	for word, verdict := range map[string]mpi.Verdict{"same": mpi.MustLink, "different": mpi.CannotLink, "cannot-tell": mpi.Clear} {
		r := c.post("/admin/v1/match/tasks/"+task.ID+"/verdict", stewardToken, `{"verdict":"`+word+`","reason":"seen both"}`)
		if r.Code != http.StatusOK || d.verdict != verdict || d.reason != "seen both" || d.actor.User != "sam" || d.decided != [2]hie.SourcePatientID{1000, 1001} {
			t.Errorf("%s: %d, verdict %v by %q", word, r.Code, d.verdict, d.actor.User)
		}
	}
	r = c.post("/admin/v1/match/verdicts", stewardToken, `{"records":["`+c.id(1001)+`","`+c.id(1000)+`"],"verdict":"different","reason":"twins"}`)
	var change struct {
		Change string `json:"change"`
	}
	if err := json.Unmarshal(r.Body.Bytes(), &change); err != nil || r.Code != http.StatusOK || d.decided != [2]hie.SourcePatientID{1001, 1000} {
		t.Fatalf("%d %v %s", r.Code, err, r.Body)
	}
	if r := c.post("/admin/v1/match/changes/"+change.Change+"/undo", stewardToken, `{"reason":"mistaken"}`); r.Code != http.StatusOK || d.undone != 77 {
		t.Errorf("undo: %d of %d", r.Code, d.undone)
	}
}

func TestAStewardLooksAtAPersonAndThatIsRecorded(t *testing.T) {
	c, _ := newDesk(t)
	r := c.get("/admin/v1/match/records/"+c.id(1000), stewardToken)
	if r.Code != http.StatusOK || strings.Count(r.Body.String(), `"link":"confirmed"`) != 2 || !strings.Contains(r.Body.String(), "MOHR") {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	r = c.get("/admin/v1/match/records/"+c.id(1000)+"/history", stewardToken)
	if r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"model":"hand-1"`) || !strings.Contains(r.Body.String(), `"level":"exact"`) {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	if len(c.trail.events) != 2 || len(c.trail.events[0].Records) != 2 || len(c.trail.events[1].Records) != 1 {
		t.Errorf("%d events", len(c.trail.events))
	}
	c.trail.fault = hie.ErrUnavailable
	c.troubled(c.get("/admin/v1/match/records/"+c.id(1000), stewardToken), http.StatusServiceUnavailable, "")
}

func TestAStewardPreparesADecision(t *testing.T) {
	c, d := newDesk(t)
	task := "/admin/v1/match/tasks/" + c.server.adminID("task", 5)
	pair := `"records":["` + c.id(1000) + `","` + c.id(1001) + `"]`
	for _, tt := range []struct {
		name, path, body, want string
	}{
		{"claims a task", task + "/claim", `{"minutes":10}`, `"claim":{"by":"sam","until":"2126-01-01T00:10:00Z"}`},
		{"gives it back", task + "/release", `{}`, `"kind":"cross-site"`},
		{"puts it off", task + "/snooze", `{"until":"2126-01-01T00:00:00Z","reason":"the site calls back"}`, `"snooze":{"until":"2126-01-01T00:00:00Z","by":"sam","reason":"the site calls back"}`},
		{"wakes it", task + "/wake", `{}`, `"documents":0`},
		{"hands it on", task + "/escalate", `{"role":"lead-steward","reason":"unsure"}`, `"escalation":{"role":"lead-steward","by":"sam","reason":"unsure"`},
		{"takes it back", task + "/recall", `{}`, `"kind":"cross-site"`},
		{"gives several to another", "/admin/v1/match/tasks/assign", `{"tasks":["` + c.server.adminID("task", 5) + `","` + c.server.adminID("task", 6) + `"],"to":"ann"}`, `"refused":"not-found"`},
		{"looks for what was handed on to them", "/admin/v1/match/tasks?escalated=mine&snoozed=true", "", `"tasks":[{`},
		{"previews its verdict", task + "/preview", `{"verdict":"same"}`, `"documents":{"mercy-main":3}`},
		{"previews a verdict", "/admin/v1/match/verdicts/preview", `{` + pair + `,"verdict":"different"}`, `"consents":{"deny":1}}],"second":"consents"`},
		{"previews an undo", "/admin/v1/match/changes/" + c.server.adminID("change", 77) + "/preview", "", `"sides":[{"records"`},
		{"takes a report", "/admin/v1/match/tasks", `{"record":"` + c.id(1000) + `","reason":"not mine"}`, `"note":"not mine"`},
		{"compares", "/admin/v1/match/compare", `{` + pair + `}`, `"vetoes":["suffix"],"verdict":"cannot-link"`},
		{"reads figures of quality", "/admin/v1/match/quality?sample=5", "", `"sampled":5,"whole":false,"sites":[{"site":"mercy-main","records":7,"retired":0,"filled":{"phone":6}`},
		{"registers a reader", "/admin/v1/match/readers", `{"name":"warehouse","from":"end"}`, `"name":"warehouse","after":"`},
		{"lists readers", "/admin/v1/match/readers", "", `"lost":true`},
		{"reads the stream", "/admin/v1/match/changes?count=1", "", `"kind":"moved"`},
		{"reads a person of the past", "/admin/v1/match/records/" + c.id(1000) + "?at=2026-02-01T00:00:00Z", "", `"members":[{`},
		{"reads what a record said", "/admin/v1/match/records/" + c.id(1000) + "/versions", "", `"disputed":true`},
		{"reads the best record", "/admin/v1/match/records/" + c.id(1000) + "/best", "", `"field":"name"`},
		{"reads a person's history", "/admin/v1/match/persons/" + c.server.adminID("person", 9) + "/history", "", `"cause":"rule"`},
		{"reveals a number", "/admin/v1/match/records/" + c.id(1000) + "/reveal", `{"reason":"call with the site"}`, `"resourceType":"Patient"`},
	} {
		r := c.get(tt.path, stewardToken)
		if tt.body != "" {
			r = c.post(tt.path, stewardToken, tt.body)
		}
		if r.Code != http.StatusOK || !strings.Contains(r.Body.String(), tt.want) {
			t.Errorf("%s: %d %s; want %s", tt.name, r.Code, r.Body, tt.want)
		}
	}
	if e := c.trail.events[len(c.trail.events)-1]; e.Detail["interaction"] != "patient reveal" || len(e.Reasons) != 1 || len(e.Records) != 1 {
		t.Errorf("the reveal's event = %v, %d reasons", e.Detail, len(e.Reasons))
	}
	d.grave = true
	if r := c.post(task+"/verdict", stewardToken, `{"verdict":"same","reason":"x"}`); !strings.Contains(r.Body.String(), `"pending":true,"second":"consents","task":`) {
		t.Errorf("a verdict that waits: %d %s", r.Code, r.Body)
	}
	c.troubled(c.get("/admin/v1/match/records/"+c.id(1000)+"?at=yesterday", stewardToken), http.StatusBadRequest, "at")
	c.troubled(c.get("/admin/v1/match/records/"+c.id(1000)+"?at=1999-01-01T00:00:00Z", stewardToken), http.StatusNotFound, "")
	c.troubled(c.post(task+"/claim", stewardToken, `{"minutes":1000}`), http.StatusBadRequest, "minutes")
	c.troubled(c.post(task+"/snooze", stewardToken, `{"until":"tomorrow","reason":"x"}`), http.StatusBadRequest, "until")
	c.troubled(c.post("/admin/v1/match/tasks/assign", stewardToken, `{"tasks":["forged"]}`), http.StatusNotFound, "")
	c.troubled(c.get("/admin/v1/match/tasks?escalated=her", stewardToken), http.StatusBadRequest, "escalated")
	c.troubled(c.get("/admin/v1/match/tasks?snoozed=her", stewardToken), http.StatusBadRequest, "snoozed")
	c.troubled(c.get("/admin/v1/match/quality?sample=none", stewardToken), http.StatusBadRequest, "sample")
	c.troubled(c.get("/admin/v1/match/quality?colour=red", stewardToken), http.StatusBadRequest, "colour")
	c.troubled(c.get("/admin/v1/match/changes?reader=warehouse", stewardToken), http.StatusGone, "after")
	c.troubled(c.get("/admin/v1/match/changes?reader=other", stewardToken), http.StatusNotFound, "")
	c.troubled(c.post("/admin/v1/match/readers", stewardToken, `{"name":"x","from":"now"}`), http.StatusBadRequest, "from")
	if r := c.do(http.MethodDelete, "/admin/v1/match/readers/warehouse", stewardToken, nil); r.Code != http.StatusOK {
		t.Errorf("forgetting a reader: %d", r.Code)
	}
	c.troubled(c.do(http.MethodDelete, "/admin/v1/match/readers/other", stewardToken, nil), http.StatusNotFound, "")
	c.troubled(c.get("/admin/v1/match/changes?after=x", stewardToken), http.StatusBadRequest, "after")
	c.troubled(c.get("/admin/v1/match/tasks?claimed=her", stewardToken), http.StatusBadRequest, "claimed")
	c.troubled(c.post("/admin/v1/match/records/"+c.id(1000)+"/reveal", stewardToken, `{}`), http.StatusBadRequest, "reason")
}

func TestWhatAStewardMayNotDoIsAProblem(t *testing.T) {
	c, d := newDesk(t)
	task := "/admin/v1/match/tasks/" + c.server.adminID("task", 5)
	good := `{"verdict":"same","reason":"x"}`
	for _, tt := range []struct {
		name   string
		got    *httptest.ResponseRecorder
		status int
		places string
	}{
		{"no token", c.get("/admin/v1/match/tasks", ""), 401, ""},
		{"a practice's token", c.get("/admin/v1/match/tasks", oakToken), 403, ""},
		{"a hospital's own steward", c.get("/admin/v1/match/records/"+c.id(1000), hospitalStewardToken), 403, ""},
		{"an unknown verdict", c.post(task+"/verdict", stewardToken, `{"verdict":"maybe","reason":"x"}`), 400, "verdict"},
		{"no reason", c.post(task+"/verdict", stewardToken, `{"verdict":"same"}`), 400, "reason"},
		{"no reason to undo", c.post("/admin/v1/match/changes/"+c.server.adminID("change", 7)+"/undo", stewardToken, `{}`), 400, "reason"},
		{"a member nobody knows", c.post(task+"/verdict", stewardToken, `{"verdict":"same","reason":"x","colour":"red"}`), 400, ""},
		{"a member twice", c.post(task+"/verdict", stewardToken, `{"verdict":"same","verdict":"same","reason":"x"}`), 400, ""},
		{"a wrong type", c.post(task+"/verdict", stewardToken, `{"verdict":["same"],"reason":"x"}`), 400, "verdict"},
		{"a wrong type in a list", c.post("/admin/v1/match/verdicts", stewardToken, `{"records":["a",7]}`), 400, "records.1"},
		{"not JSON", c.post(task+"/verdict", stewardToken, `verdict=same`), 400, ""},
		{"one record", c.post("/admin/v1/match/verdicts", stewardToken, `{"records":["a"],"verdict":"same","reason":"x"}`), 400, "records"},
		{"a record with itself", c.post("/admin/v1/match/verdicts", stewardToken, `{"records":["a","a"],"verdict":"same","reason":"x"}`), 400, "records"},
		{"forged records", c.post("/admin/v1/match/verdicts", stewardToken, `{"records":["a","b"],"verdict":"same","reason":"x"}`), 404, ""},
		{"a forged task", c.post("/admin/v1/match/tasks/5/verdict", stewardToken, good), 404, ""},
		{"a task's id as a change", c.post("/admin/v1/match/changes/"+c.server.adminID("task", 5)+"/undo", stewardToken, `{"reason":"x"}`), 404, ""},
		{"an unknown kind", c.get("/admin/v1/match/tasks?kind=x", stewardToken), 400, "kind"},
		{"an unknown parameter", c.get("/admin/v1/match/tasks?colour=x", stewardToken), 400, "colour"},
		{"a grade nobody gives", c.get("/admin/v1/match/tasks?grade=sure", stewardToken), 400, "grade"},
		{"a risk beyond the scale", c.get("/admin/v1/match/tasks?risk=101", stewardToken), 400, "risk"},
		{"a risk that is no number", c.get("/admin/v1/match/tasks?risk=NaN", stewardToken), 400, "risk"},
		{"a number of documents below none", c.get("/admin/v1/match/tasks?documents=-1", stewardToken), 400, "documents"},
		{"an age without an instant", c.get("/admin/v1/match/tasks?opened_before=2026-01-01", stewardToken), 400, "opened_before"},
		{"what hangs on what is settled", c.get("/admin/v1/match/tasks?closed=true&documents=1", stewardToken), 400, "closed"},
		{"too many", c.get("/admin/v1/match/tasks?count=1000", stewardToken), 400, "count"},
		{"an unknown record", c.get("/admin/v1/match/records/"+c.id(4711), stewardToken), 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner := *c
			inner.doors = &doors{T: t, server: c.server, sealer: c.sealer, log: c.log}
			inner.troubled(tt.got, tt.status, tt.places)
		})
	}
	if d.reason != "" {
		t.Error("a refused verdict was acted on")
	}
	d.conflict = true
	c.troubled(c.post(task+"/verdict", stewardToken, good), 409, "")
}
