package portal

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// W3, decide: say whether it is one person, see what that would move, confirm, and undo.

// A matter is what a steward decides about: a task of the queue, or two records no task names.
type matter struct {
	// Base is its path here, under which verdict, check and settle lie.
	Base string
	// task is nil for two records.
	Task    *task
	Records []string
}

// API returns the path that settles it, the one that previews, and a body with its records.
func (m matter) api() (settle, preview string, body map[string]any) {
	if m.Task != nil {
		return taskPath(m.Task.ID) + "/verdict", taskPath(m.Task.ID) + "/preview", map[string]any{}
	}
	return "/admin/v1/match/verdicts", "/admin/v1/match/verdicts/preview", map[string]any{"records": m.Records}
}

// matter returns what the path names.
func (v *visit) matter() (matter, error) {
	if v.c.Param("task") == "" {
		a, b := v.c.Param("record"), v.c.Param("other")
		return matter{Base: "/steward/compare/" + url.PathEscape(a) + "/" + url.PathEscape(b), Records: []string{a, b}}, nil
	}
	t, err := v.readTask()
	m := matter{Base: "/steward/tasks/" + url.PathEscape(t.ID), Task: &t, Records: []string{t.Record}}
	if t.Other != "" {
		m.Records = append(m.Records, t.Other)
	}
	return m, err
}

// compare answers GET /steward/tasks/:task and GET /steward/compare/:record/:other.
func (v *visit) compare() error {
	m, err := v.matter()
	if err != nil {
		return err
	}
	return v.showComparison(http.StatusOK, m, v.draft(m.Base), nil, nil)
}

// verdictWords are what a steward can say.
var verdictWords = []string{"same", "different", "cannot-tell"}

// showComparison shows m. revealed are registrations whose numbers are shown in full.
func (v *visit) showComparison(status int, m matter, form url.Values, faults []fault, revealed map[string]patientSaid) error {
	var c comparison
	var err error
	if len(m.Records) > 1 {
		c, err = v.compareRecords(m.Records...)
	} else {
		c, err = v.compareVersions(*m.Task)
	}
	if err != nil {
		return err
	}
	if len(revealed) > 0 {
		for i := range c.Columns {
			if p, ok := revealed[c.Columns[i].Record]; ok {
				c.Columns[i].patient, c.Columns[i].Revealed = p, true
			}
		}
		c = newComparison(c.Columns, c.Pairs)
	}
	var sites []siteToAsk
	if m.Task != nil {
		sites = v.sitesToAsk(*m.Task, c)
		for i := range m.Task.Inquiries {
			q := &m.Task.Inquiries[i]
			q.At, q.Answered = q.At.In(v.zone()), q.Answered.In(v.zone())
		}
	}
	if m.Task != nil && m.Task.Snooze != nil {
		m.Task.Snooze.Until = m.Task.Snooze.Until.In(v.zone())
	}
	v.show(status, "steward/compare", map[string]any{"Matter": m, "Comparison": c, "Verdicts": verdictWords, "Verdict": form.Get("verdict"),
		"Reason": form.Get("reason"), "Faults": faults, "Mine": m.Task != nil && m.Task.Claim != nil && m.Task.Claim.By == v.me(), "Now": v.now,
		"Overlay": len(m.Records) == 1, "Me": v.me(), "Open": m.Task == nil || m.Task.Decidable(v.me()), "Days": v.snoozeDays(), "Form": form, "Sites": sites})
	return nil
}

// reveal answers POST …/reveal: one registration's numbers in full, on this page alone. Who asked and why is recorded
// before they are shown.
func (v *visit) reveal() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	m, err := v.matter()
	if err != nil {
		return err
	}
	record, why := form.Get("record"), strings.TrimSpace(form.Get("why"))
	if !slices.Contains(m.Records, record) {
		return hie.ErrNotFound
	}
	if why == "" {
		return v.showComparison(http.StatusUnprocessableEntity, m, nil, []fault{{"why-" + record, "compare.fault.why"}}, nil)
	}
	var out struct {
		Patient patientSaid `json:"patient"`
	}
	if err := v.read(http.MethodPost, recordPath(record)+"/reveal", map[string]any{"reason": why}, &out); err != nil {
		return err
	}
	return v.showComparison(http.StatusOK, m, nil, nil, map[string]patientSaid{record: out.Patient})
}

// decide answers POST …/verdict: what the steward says is kept for checking; nothing changes.
func (v *visit) decide() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	m, err := v.matter()
	if err != nil {
		return err
	}
	said := url.Values{"verdict": {form.Get("verdict")}, "reason": {strings.TrimSpace(form.Get("reason"))}}
	var faults []fault
	if !slices.Contains(verdictWords, said.Get("verdict")) {
		faults = append(faults, fault{"verdict-same", "decide.fault.verdict"})
	}
	if said.Get("reason") == "" {
		faults = append(faults, fault{"reason", "decide.fault.reason"})
	}
	if faults != nil {
		return v.showComparison(http.StatusUnprocessableEntity, m, said, faults, nil)
	}
	if err := v.keepDraft(m.Base, said); err != nil {
		return err
	}
	return v.redirect(m.Base + "/check")
}

// An effect is what a verdict or an undo would do.
type effect struct {
	Sides []side `json:"sides"`
	Links []string
	// Second says why another person must agree, "" when none need.
	Second string `json:"second"`
}

// A side is registrations that are together before and after.
type side struct {
	Records   []string             `json:"records"`
	Sites     []hie.SiteID         `json:"sites"`
	From      string               `json:"from"`
	To        string               `json:"to"`
	Documents map[hie.SiteID]int64 `json:"documents"`
	Consents  map[string]int64     `json:"consents"`
	// Before and After are letters for the persons, in the order they are named; After is "" for a new person.
	Before, After string
}

// Moves reports whether the side changes person.
func (s side) Moves() bool { return s.From != s.To }

// Count is how many documents follow it.
func (s side) Count() (n int64) {
	for _, d := range s.Documents {
		n += d
	}
	return n
}

// Choices are what consents stand on it, by kind, sorted.
func (s side) Choices() []string { return slices.Sorted(maps.Keys(s.Consents)) }

// letters gives the persons of an effect letters.
func (e *effect) letters() {
	names := map[string]string{"": ""}
	name := func(person string) string {
		if _, ok := names[person]; !ok {
			names[person] = string(rune('A' + (len(names)-1)%26))
		}
		return names[person]
	}
	for i := range e.Sides {
		e.Sides[i].Before = name(e.Sides[i].From)
	}
	for i := range e.Sides {
		e.Sides[i].After = name(e.Sides[i].To)
	}
}

// Does is the key of the words for what happens on the whole: registrations meet, part, or stay as they are.
func (e effect) Does() string {
	to := map[string]map[string]bool{}
	parts := false
	from := map[string]string{}
	for _, s := range e.Sides {
		if to[s.To] == nil {
			to[s.To] = map[string]bool{}
		}
		to[s.To][s.From] = true
		if there, ok := from[s.From]; ok && there != s.To {
			parts = true
		}
		from[s.From] = s.To
	}
	meets := false
	for person, origins := range to {
		meets = meets || (person != "" && len(origins) > 1)
	}
	switch {
	case meets && parts:
		return "effect.both"
	case meets:
		return "effect.meets"
	case parts:
		return "effect.parts"
	}
	return "effect.none"
}

// Conflict reports whether different consents would meet: the most protective then wins.
func (e effect) Conflict() bool {
	n := 0
	for _, s := range e.Sides {
		if len(s.Consents) > 0 {
			n++
		}
	}
	return n > 0 && e.Does() != "effect.none" && e.Does() != "effect.parts"
}

// checkVerdict answers GET …/check: what the verdict would do.
func (v *visit) checkVerdict() error {
	m, err := v.matter()
	if err != nil {
		return err
	}
	d := v.draft(m.Base)
	if d == nil {
		return v.redirect(m.Base)
	}
	_, preview, body := m.api()
	body["verdict"] = d.Get("verdict")
	var e effect
	if err := v.read(http.MethodPost, preview, body, &e); err != nil {
		return err
	}
	e.letters()
	first := m.Task != nil && m.Task.First != nil && m.Task.First.Verdict == d.Get("verdict")
	mine := first && m.Task.First.By == v.me()
	v.show(http.StatusOK, "steward/check", map[string]any{"Matter": m, "Effect": e, "Verdict": d.Get("verdict"), "Reason": d.Get("reason"),
		"Mine": mine, "Agrees": first && !mine})
	return nil
}

// settle answers POST …/settle.
func (v *visit) settle() error {
	m, err := v.matter()
	if err != nil {
		return err
	}
	d := v.draft(m.Base)
	if d == nil {
		return v.redirect(m.Base)
	}
	path, _, body := m.api()
	body["verdict"], body["reason"] = d.Get("verdict"), d.Get("reason")
	var done struct {
		Change  string `json:"change"`
		Pending bool   `json:"pending"`
	}
	if err := v.read(http.MethodPost, path, body, &done); err != nil {
		return err
	}
	if err := v.keepDraft(m.Base, nil); err != nil {
		return err
	}
	notice, next := "decide.settled", "/steward"
	switch {
	case done.Pending:
		notice = "decide.pending"
	case done.Change != "":
		notice, next = "decide.changed", "/steward/changes/"+url.PathEscape(done.Change)
	}
	if err := v.say(notice); err != nil {
		return err
	}
	return v.redirect(next)
}

// change answers GET /steward/changes/:change: what undoing a change would do.
func (v *visit) change() error { return v.showChange(http.StatusOK, nil) }

func (v *visit) showChange(status int, faults []fault) error {
	id := v.c.Param("change")
	var e effect
	if err := v.read(http.MethodGet, "/admin/v1/match/changes/"+url.PathEscape(id)+"/preview", nil, &e); err != nil {
		return err
	}
	e.letters()
	v.show(status, "steward/change", map[string]any{"Change": id, "Effect": e, "Faults": faults})
	return nil
}

// undo answers POST /steward/changes/:change/undo.
func (v *visit) undo() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(form.Get("reason"))
	if reason == "" {
		return v.showChange(http.StatusUnprocessableEntity, []fault{{"reason", "decide.fault.reason"}})
	}
	if _, err := v.call(http.MethodPost, "/admin/v1/match/changes/"+url.PathEscape(v.c.Param("change"))+"/undo", map[string]any{"reason": reason}); err != nil {
		return err
	}
	if err := v.say("decide.undone"); err != nil {
		return err
	}
	return v.redirect("/steward")
}
