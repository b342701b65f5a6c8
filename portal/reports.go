package portal

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sheet"
)

// P9, my reports: what a patient asks for about their records, by when it is owed and what became of it. Lists the exchange makes
// of its own trail are there at once; copies and corrections are answered by who holds the records.

// Requests keeps what patients ask for. *consentpg.Store is one; its methods say what each does.
type Requests interface {
	AskReport(ctx context.Context, actor hie.Actor, r consent.ReportRequest) (consent.ReportRequest, error)
	Reports(ctx context.Context, record hie.SourcePatientID) ([]consent.ReportRequest, error)
	Report(ctx context.Context, record hie.SourcePatientID, id int64) (consent.ReportRequest, error)
	OpenReports(ctx context.Context, organizations []hie.OrgID, limit int) ([]consent.ReportRequest, error)
	ExtendReport(ctx context.Context, actor hie.Actor, r consent.ReportRequest, why string) error
	AnswerReport(ctx context.Context, actor hie.Actor, r consent.ReportRequest, outcome consent.ReportOutcome, words string) error
}

// accountings are the lists a patient can ask for. What all of the trail tells they have as the copy of who looked.
var accountings = slices.DeleteFunc(consent.Accountings(), func(a consent.Accounting) bool { return a.Code == "all" })

// A shownRequest is one as pages show it. Ref is its sealed id, Patient that of the record it is about.
type shownRequest struct {
	consent.ReportRequest
	Ref, Patient string
	Late         bool
}

// Listed reports whether it is a list that can be looked at here.
func (r shownRequest) Listed() bool {
	return r.Kind == consent.ReportAccounting || r.Kind == consent.ReportAccess
}

// Title is the key of the words for what was asked for.
func (r shownRequest) Title() string {
	if r.Law != "" {
		return "report.law." + r.Law
	}
	return "report.kind." + string(r.Kind)
}

func (v *visit) showRequest(r consent.ReportRequest) shownRequest {
	out := shownRequest{ReportRequest: r, Ref: v.deps.Sealer.ID("report", int64(r.Record), r.ID), Patient: v.deps.PatientID(r.Record), Late: r.Late(v.now)}
	out.Asked, out.Due, out.Extended, out.Answered = r.Asked.In(v.zone()), r.Due.In(v.zone()), r.Extended.In(v.zone()), r.Answered.In(v.zone())
	return out
}

// myReports answers GET /my/reports.
func (v *visit) myReports() error { return v.showReports(http.StatusOK, nil, nil) }

func (v *visit) showReports(status int, form url.Values, faults []fault) error {
	all, err := v.deps.Requests.Reports(v.ctx, v.session.Actor.Patient)
	if err != nil {
		return err
	}
	shown := make([]shownRequest, 0, len(all))
	for _, r := range all {
		shown = append(shown, v.showRequest(r))
	}
	v.show(status, "reports", map[string]any{"Requests": shown, "Laws": accountings, "Kinds": consent.ReportKinds[1:], "Orgs": v.sharers(), "Faults": faults,
		"What": form.Get("what"), "Org": form.Get("org"), "Words": form.Get("words"), "Partial": len(all) == 100})
	return nil
}

// askReport answers POST /my/reports: what is "accounting:us-hipaa", "access", "copy" or "correction".
func (v *visit) askReport() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	kind, law, _ := strings.Cut(form.Get("what"), ":")
	r := consent.ReportRequest{Record: v.session.Actor.Patient, Kind: consent.ReportKind(kind), Law: law, Words: strings.TrimSpace(form.Get("words"))}
	held := r.Kind == consent.ReportCopy || r.Kind == consent.ReportCorrection
	if held {
		r.Organization = hie.OrgID(form.Get("org"))
		if r.Organization != "" && !slices.ContainsFunc(v.sharers(), func(o directory.Organization) bool { return o.ID == r.Organization }) {
			return hie.Invalid("org", "must be an organization of the list")
		}
	}
	var faults []fault
	if held && r.Organization == "" {
		faults = append(faults, fault{"org", "reports.fault.org"})
	}
	if r.Kind == consent.ReportCorrection && r.Words == "" {
		faults = append(faults, fault{"words", "reports.fault.words"})
	}
	if faults != nil {
		return v.showReports(http.StatusUnprocessableEntity, form, faults)
	}
	done, err := v.deps.Requests.AskReport(v.ctx, v.actor(), r)
	if err != nil {
		return err
	}
	said := "reports.sent"
	if !done.Answered.IsZero() {
		said = "reports.made"
	}
	if err := v.say(said); err != nil {
		return err
	}
	return v.redirect("/my/reports")
}

// A reportRow is one row of a list, as the API gives it.
type reportRow struct {
	At           time.Time `json:"at"`
	Disclosed    string    `json:"disclosed"`
	Kind         string    `json:"kind"`
	Outcome      string    `json:"outcome"`
	Organization hie.OrgID `json:"organization"`
	Recipient    hie.OrgID `json:"recipient"`
	User         string    `json:"user"`
	UserName     string    `json:"user_name"`
	Roles        []string  `json:"roles"`
	Purposes     []string  `json:"purposes"`
	Site         string    `json:"site"`
	SiteName     string    `json:"site_name"`
	Classes      []string  `json:"classes"`
	Documents    int       `json:"documents"`
	Emergency    bool      `json:"emergency"`
	Automatic    bool      `json:"automatic"`
}

// To is who received it: the organisation a site told of, else the one that asked.
func (r reportRow) To() hie.OrgID { return cmp.Or(r.Recipient, r.Organization) }

// Who is the person, "" for a system on its own.
func (r reportRow) Who() string { return cmp.Or(r.UserName, r.User) }

// Say is the key of the words for what happened.
func (r reportRow) Say() string {
	if r.Outcome == "refused" {
		return "look.refused"
	}
	return "look." + r.Kind
}

// rowsOf returns a page of the list r asked for, and where the next begins, "" for the end. The list ends when it was asked for.
func (v *visit) rowsOf(r consent.ReportRequest, after string, count string) ([]reportRow, string, error) {
	q := url.Values{"to": {r.Asked.UTC().Format(time.RFC3339Nano)}, "count": {count}}
	path := "/admin/v1/reports/access"
	if r.Kind == consent.ReportAccounting {
		path = "/admin/v1/reports/accounting"
		q.Set("law", r.Law)
	}
	if after != "" {
		q.Set("after", after)
	}
	var page struct {
		Rows []reportRow `json:"rows"`
		Next string      `json:"next"`
	}
	if err := v.read(http.MethodGet, path+"?"+q.Encode(), nil, &page); err != nil {
		return nil, "", err
	}
	for i := range page.Rows {
		page.Rows[i].At = page.Rows[i].At.In(v.zone())
	}
	return page.Rows, page.Next, nil
}

// listed returns the list the path names, hie.ErrNotFound for what is none of the patient's.
func (v *visit) listed() (shownRequest, error) {
	record, id, err := v.id("report", v.c.Param("report"))
	if err != nil || hie.SourcePatientID(record) != v.session.Actor.Patient {
		return shownRequest{}, hie.ErrNotFound
	}
	r, err := v.deps.Requests.Report(v.ctx, v.session.Actor.Patient, id)
	if err != nil {
		return shownRequest{}, err
	}
	out := v.showRequest(r)
	if !out.Listed() {
		return shownRequest{}, hie.ErrNotFound
	}
	return out, nil
}

// myReport answers GET /my/reports/:report?after=.
func (v *visit) myReport() error {
	r, err := v.listed()
	if err != nil {
		return err
	}
	rows, next, err := v.rowsOf(r.ReportRequest, v.c.Query("after"), "100")
	if err != nil {
		return err
	}
	law, _ := consent.AccountingOf(r.Law)
	if next != "" {
		next = "/my/reports/" + r.Ref + "?" + url.Values{"after": {next}}.Encode()
	}
	v.show(http.StatusOK, "report", map[string]any{"Request": r, "Rows": rows, "Next": next, "Law": law, "Later": v.c.Query("after") != ""})
	return nil
}

// maxReportPages bounds a table: 200 rows a page.
const maxReportPages = 100

// myReportCSV answers GET /my/reports/:report/table.csv: the whole list as a table for a spreadsheet. Nothing of it is sent before
// all of it was read.
func (v *visit) myReportCSV() error {
	r, err := v.listed()
	if err != nil {
		return err
	}
	var rows []reportRow
	for after, pages := "", 0; ; pages++ {
		if pages == maxReportPages {
			return hie.ErrTooLarge
		}
		part, next, err := v.rowsOf(r.ReportRequest, after, "200")
		if err != nil {
			return err
		}
		rows = append(rows, part...)
		if after = next; after == "" {
			break
		}
	}
	say := func(key string) string { return v.words.say(v.language, key) }
	coded := func(prefix string, codes []string) string {
		var out []string
		for _, c := range codes {
			if w, ok := v.words[v.language][prefix+c]; ok {
				c = w
			}
			out = append(out, c)
		}
		return strings.Join(out, "; ")
	}
	name := func(id hie.OrgID) string {
		o, _ := v.deps.Network().Organization(id)
		return cmp.Or(o.Name, string(id))
	}
	v.download("text/csv; charset=utf-8", "report.csv")
	w := sheet.NewWriter(v.c.Writer)
	w.Row(say("look.when"), say("report.to"), say("look.person"), say("look.role"), say("look.purpose"), say("look.what"), say("look.kinds"), say("report.from"), say("look.emergency"))
	for _, row := range rows {
		person, mark := row.Who(), ""
		if row.Automatic {
			person = say("look.automatic")
		}
		if row.Emergency {
			mark = say("look.emergency")
		}
		w.Row(cmp.Or(row.Disclosed, row.At.Format(time.RFC3339)), name(row.To()), person, coded("role.", row.Roles), coded("purpose.", row.Purposes), say(row.Say()), coded("kind.", row.Classes), cmp.Or(row.SiteName, row.Site), mark)
	}
	_ = w.Flush() // a browser that has gone misses nothing
	return nil
}

// maxOpenRequests bounds the officers' list; what is due first comes first.
const maxOpenRequests = 100

// requestOrgs are whose requests an officer answers: all when they act for the network, else their own organisation's and its units'.
func (v *visit) requestOrgs() []hie.OrgID {
	if v.ofNetwork() == nil {
		return nil
	}
	return v.deps.Network().Units(v.session.Actor.Organization)
}

// openRequests answers GET /officer/requests: what patients have asked for and are owed.
func (v *visit) openRequests() error { return v.showRequests(http.StatusOK, nil) }

func (v *visit) showRequests(status int, faults []fault) error {
	all, err := v.deps.Requests.OpenReports(v.ctx, v.requestOrgs(), maxOpenRequests)
	if err != nil {
		return err
	}
	var shown []shownRequest
	for _, r := range all {
		shown = append(shown, v.showRequest(r))
	}
	v.show(status, "officer/requests", map[string]any{"Requests": shown, "More": len(all) == maxOpenRequests, "Faults": faults, "Days": consent.ReportExtension})
	return nil
}

// answerRequest answers POST /officer/requests/:report: do is "given", "refused" or "extend".
func (v *visit) answerRequest() error {
	record, id, err := v.id("report", v.c.Param("report"))
	if err != nil {
		return err
	}
	form, err := v.form()
	if err != nil {
		return err
	}
	r, err := v.deps.Requests.Report(v.ctx, hie.SourcePatientID(record), id)
	if err != nil {
		return err
	}
	if orgs := v.requestOrgs(); orgs != nil && !slices.Contains(orgs, r.Organization) {
		return hie.ErrNotFound
	}
	words, do := strings.TrimSpace(form.Get("words")), form.Get("do")
	if words == "" {
		return v.showRequests(http.StatusUnprocessableEntity, []fault{{"words-" + v.c.Param("report"), "owed.fault.words"}})
	}
	said := "owed.done." + do
	switch do {
	case "extend":
		err = v.deps.Requests.ExtendReport(v.ctx, v.actor(), r, words)
	case string(consent.ReportGiven), string(consent.ReportRefused):
		err = v.deps.Requests.AnswerReport(v.ctx, v.actor(), r, consent.ReportOutcome(do), words)
	default:
		err = hie.Invalid("do", "must be given, refused or extend")
	}
	if err != nil {
		return err
	}
	if err := v.say(said); err != nil {
		return err
	}
	return v.redirect("/officer/requests")
}
