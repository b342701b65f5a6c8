package portal

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// What pages call beside the API, each failing with err, or finding nothing when that is nil.

type brokenExchange struct{ err error }

func (b brokenExchange) Preview(context.Context, hie.Actor, federation.Preview) ([]federation.Outlook, error) {
	return nil, b.err
}
func (b brokenExchange) Own(context.Context, hie.Actor) ([]mpi.Member, error) { return nil, b.err }

type brokenQuestions struct {
	Questions
	err error
}

func (b brokenQuestions) Of(context.Context, hie.SourcePatientID) ([]audit.Question, error) {
	return nil, b.err
}
func (b brokenQuestions) Open(context.Context, int) ([]audit.Question, error) { return nil, b.err }

type brokenRequests struct {
	Requests
	err error
}

func (b brokenRequests) Reports(context.Context, hie.SourcePatientID) ([]consent.ReportRequest, error) {
	return nil, b.err
}
func (b brokenRequests) OpenReports(context.Context, []hie.OrgID, int) ([]consent.ReportRequest, error) {
	return nil, b.err
}

type brokenSearches struct {
	Searches
	err error
}

func (b brokenSearches) Of(context.Context, hie.Actor) ([]audit.SavedSearch, error) {
	return nil, b.err
}

type brokenHelpers struct {
	Helpers
	err error
}

func (b brokenHelpers) Representatives(context.Context, []hie.SourcePatientID) ([]consent.Representative, error) {
	return nil, b.err
}
func (b brokenHelpers) HelpedBy(context.Context, string) ([]consent.Representative, error) {
	return nil, b.err
}

// listPages are the pages that list something, as their duty reaches them without having found or drafted anything before.
var listPages = []struct {
	duty access.Duty
	path string
	// empty is the key of the words an empty list has, partial that of a part in which nothing was found, "" for none.
	empty, partial string
}{
	{access.DutyPatient, "/my", "my.looked.none", "my.looked.older"},
	{access.DutyPatient, "/my/looked", "looked.none", "looked.further"},
	{access.DutyPatient, "/my/places", "places.none", ""},
	{access.DutyPatient, "/my/places/oak-main", "placedocuments.none", ""},
	{access.DutyPatient, "/my/rules", "rules.none", ""},
	{access.DutyPatient, "/my/questions", "questions.none", ""},
	{access.DutyPatient, "/my/helpers", "helpers.none", ""},
	{access.DutyPatient, "/my/reports", "reports.none", ""},
	{access.DutyPatient, "/my/preview?org=oak&role=physician&purpose=TREAT", "preview.none", ""},
	{access.DutyHelper, "/helping", "helping.none", ""},
	{access.DutyPrivacy, "/officer", "today.none", ""},
	{access.DutyPrivacy, "/officer/reviews", "today.none", ""},
	{access.DutyPrivacy, "/officer/questions", "officer.none", ""},
	{access.DutyPrivacy, "/officer/requests", "owed.none", ""},
	{access.DutyPrivacy, "/officer/wishes", "wishes.none", ""},
	{access.DutyPrivacy, "/officer/access", "trail.none", "trail.further"},
	{access.DutyPrivacy, "/officer/policies", "policies.none", ""},
	{access.DutySteward, "/steward", "queue.none", "queue.further"},
	{access.DutyOperator, "/operator", "sites.nobody", ""},
	{access.DutyOperator, "/operator/sites/oak-main/onboarding", "onboard.nosteps", ""},
	{access.DutyOperator, "/operator/settings", "settings.nothing", ""},
}

// TestEveryListSaysWhatStateItIsIn visits every page with a list when there is nothing, when there is nothing in this part but more
// behind it, when it is refused, cannot be told now, or fails, and when the session has ended.
//
// Source: spec ux 1.7 (states specified for every list). Loading is of the one list that arrives bit by bit: progress_test.go.
func TestEveryListSaysWhatStateItIsIn(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	nothing := func(w http.ResponseWriter, r *http.Request) {
		kind := "Bundle"
		if strings.Contains(r.URL.Path, "$presence") {
			kind = "Parameters"
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"resourceType": kind, "type": "searchset"})
	}
	further := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/admin/") {
			_ = json.NewEncoder(w).Encode(map[string]any{"next": strings.Repeat("0", 39)})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"resourceType": "Bundle", "type": "searchset", "link": []map[string]any{{"relation": "next", "url": testBase + "/fhir/AuditEvent?_cursor=x"}}})
	}
	for _, state := range []struct {
		name   string
		answer http.HandlerFunc
		err    error // of what is not asked of the API
		status int
		words  func(page struct{ empty, partial string }) string
		mark   string // the class its words stand under
	}{
		{"empty", nothing, nil, http.StatusOK, func(p struct{ empty, partial string }) string { return p.empty + ".title" }, "state empty"},
		{"partial", further, nil, http.StatusOK, func(p struct{ empty, partial string }) string { return p.partial + ".title" }, "state partial"},
		{"refused", status(http.StatusForbidden), hie.ErrForbidden, http.StatusForbidden, func(struct{ empty, partial string }) string { return "trouble.refused.title" }, "state refused"},
		{"unavailable", status(http.StatusServiceUnavailable), hie.ErrUnavailable, http.StatusServiceUnavailable, func(struct{ empty, partial string }) string { return "trouble.unavailable.title" }, "state error"},
		{"error", status(http.StatusInternalServerError), errors.New("x"), http.StatusInternalServerError, func(struct{ empty, partial string }) string { return "trouble.error.title" }, "state error"},
	} {
		w := newWorld(t)
		w.api.answer = state.answer
		w.deps.Questions, w.deps.Requests, w.deps.Searches = brokenQuestions{err: state.err}, brokenRequests{err: state.err}, brokenSearches{err: state.err}
		w.deps.Helpers, w.deps.Preview, w.deps.Owned = brokenHelpers{err: state.err}, brokenExchange{state.err}, brokenExchange{state.err}
		for _, page := range listPages {
			key := state.words(struct{ empty, partial string }{page.empty, page.partial})
			if key == ".title" {
				continue // it has no such state
			}
			id := identities()[page.duty]
			if page.duty == access.DutyPrivacy {
				id.Organization = "urn:org:network"
			}
			browser := w.browser()
			browser.signIn(id)
			got := browser.get(page.path)
			said := w.words.say("en", key)
			body := got.Body.String()
			if got.Code != state.status || !strings.Contains(body, said) || !strings.Contains(body, `class="`+state.mark+`"`) {
				t.Errorf("%s, %s: %d, want %d saying %q in a %q", page.path, state.name, got.Code, state.status, said, state.mark)
			}
			if wait := got.Header().Get("Retry-After"); (wait != "") != (state.status == http.StatusServiceUnavailable) {
				t.Errorf("%s, %s: Retry-After %q", page.path, state.name, wait)
			}
		}
	}

	w := newWorld(t)
	for _, page := range listPages {
		browser := w.browser()
		browser.signIn(identities()[page.duty])
		now := w.now
		w.now = now.Add(access.SessionIdle + time.Minute)
		got := browser.get(page.path)
		if !strings.Contains(got.Body.String(), `class="state expired"`) || !strings.Contains(got.Body.String(), w.words.say("en", "signin.expired.title")) {
			t.Errorf("%s, expired: %d", page.path, got.Code)
		}
		w.now = now
	}
}

// TestEveryPageInTheNavigationThatListsIsTried keeps the table above whole: a page that stands in the navigation and has an empty
// state is in it.
func TestEveryPageInTheNavigationThatListsIsTried(t *testing.T) {
	p := testPortal(t)
	for _, r := range p.table() {
		if r.nav == "" || slices.ContainsFunc(listPages, func(l struct {
			duty           access.Duty
			path           string
			empty, partial string
		}) bool {
			path, _, _ := strings.Cut(l.path, "?")
			return path == r.path
		}) {
			continue
		}
		if !slices.Contains(formsInNavigation, r.path) {
			t.Errorf("%s stands in the navigation and is neither a list that is tried nor a page without one", r.path)
		}
	}
}

// formsInNavigation are the pages of the navigation that are forms, figures or references, not lists.
var formsInNavigation = []string{"/my/choice", "/my/alerts", "/find", "/officer/patients", "/steward/records", "/steward/quality", "/operator/requests",
	"/integrator", "/integrator/errors", "/integrator/api", "/integrator/people", "/integrator/token"}
