package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

func TestEachPageOpensToItsDutiesAlone(t *testing.T) {
	w := newWorld(t)
	stranger := w.browser()
	signedIn := map[access.Duty]*browser{}
	for duty, id := range identities() {
		signedIn[duty] = w.browser()
		if got := signedIn[duty].signIn(id).Code; got != http.StatusSeeOther {
			t.Fatalf("%s cannot sign in: %d", duty, got)
		}
	}
	for _, r := range w.table() {
		if r.open {
			continue
		}
		path := strings.NewReplacer(":patient", "x", ":consent", "x", ":version", "1", ":document", "x", ":event", "x", ":id", "x").Replace(r.path)
		if got := stranger.do(r.method, path, nil).Code; got != http.StatusUnauthorized {
			t.Errorf("%s %s: %d to nobody, want 401", r.method, r.path, got)
		}
		for duty, b := range signedIn {
			calls := len(w.api.actors)
			got := b.do(r.method, path, nil).Code
			if mine := r.duties == nil || slices.Contains(r.duties, duty); !mine && (got != http.StatusNotFound || len(w.api.actors) != calls) {
				t.Errorf("%s %s: %d to a %s, want 404 and nothing asked", r.method, r.path, got, duty)
			}
		}
	}
}

func TestASessionPlantedBeforeSigningInIsWorthNothing(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	planted := "known-to-the-attacker"
	b.cookies["__Host-concord-session"] = planted
	b.signIn(identities()[access.DutyClinician])
	if got := b.cookies["__Host-concord-session"]; got == planted || got == "" {
		t.Errorf("the session kept the name it was planted under")
	}
	thief := w.browser()
	thief.cookies["__Host-concord-session"] = planted
	if got := thief.get("/find").Code; got != http.StatusUnauthorized {
		t.Errorf("the planted name opens the session: %d", got)
	}
	before := b.cookies["__Host-concord-session"]
	id := identities()[access.DutyClinician]
	id.ProvedAt, id.Class = time.Now(), "strong"
	b.stepUp(id)
	if b.cookies["__Host-concord-session"] == before {
		t.Errorf("stepping up kept the session's name")
	}
	thief.cookies["__Host-concord-session"] = before
	if got := thief.get("/find").Code; got != http.StatusUnauthorized {
		t.Errorf("the name from before stepping up still opens the session: %d", got)
	}
}

func TestSessionsEndIdleAndInAnyCase(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(identities()[access.DutyClinician])
	start := w.now
	for i := range 40 {
		w.now = start.Add(time.Duration(i) * 14 * time.Minute)
		got := b.get("/find").Code
		if alive := w.now.Before(start.Add(access.SessionLife)); alive != (got == http.StatusOK) {
			t.Fatalf("%v after signing in, used every 14 minutes: %d", w.now.Sub(start), got)
		}
		if w.now.After(start.Add(access.SessionLife)) {
			break
		}
	}
	w.now = start
	b = w.browser()
	b.signIn(identities()[access.DutyClinician])
	w.now = start.Add(access.SessionIdle + time.Second)
	if r := b.get("/find"); r.Code != http.StatusUnauthorized || !strings.Contains(r.Body.String(), "session has ended") {
		t.Errorf("idle for 15 minutes: %d, want 401 and that it has ended", r.Code)
	}
}

func TestSigningOutEndsTheSessionForEveryCopyOfTheCookie(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(identities()[access.DutyClinician])
	copied := b.cookies["__Host-concord-session"]
	if got := b.do(http.MethodPost, "/signout", url.Values{}).Code; got != http.StatusSeeOther {
		t.Fatalf("sign out: %d", got)
	}
	thief := w.browser()
	thief.cookies["__Host-concord-session"] = copied
	if got := thief.get("/find").Code; got != http.StatusUnauthorized {
		t.Errorf("after signing out the cookie still works: %d", got)
	}
}

func TestAPageOfAnotherSiteCanDoNothing(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(identities()[access.DutyPatient])
	for name, headers := range map[string][]string{
		"a form of another site":            {"Sec-Fetch-Site", "cross-site"},
		"a form of a sister site":           {"Sec-Fetch-Site", "same-site"},
		"an old browser on another site":    {"Sec-Fetch-Site", "", "Origin", "https://evil.test"},
		"a request that says nothing of it": {"Sec-Fetch-Site", ""},
	} {
		for _, path := range []string{"/my/choice", "/my/choice/confirm", "/signout", "/session/stay", "/language"} {
			calls := len(w.api.actors)
			if got := b.do(http.MethodPost, path, url.Values{"pick": {"share"}}, headers...).Code; got != http.StatusForbidden || len(w.api.actors) != calls {
				t.Errorf("%s: POST %s: %d, want 403 and nothing asked", name, path, got)
			}
		}
	}
}

func TestWhatAsksForAFreshProofIsNotDoneWithout(t *testing.T) {
	w := newWorld(t)
	maria := identities()[access.DutyPatient]
	b := w.browser()
	b.signIn(maria)
	attempt := func() string {
		calls := len(w.api.actors)
		r := b.do(http.MethodPost, "/my/choice/confirm", url.Values{})
		if len(w.api.actors) != calls {
			return "done"
		}
		return r.Header().Get("Location")
	}
	const sent = "/signin/again?next=%2Fmy%2Fchoice%2Fcheck"
	if got := attempt(); got != sent {
		t.Errorf("without a proof: led to %q, want %q", got, sent)
	}
	fresh := maria
	fresh.Class = "strong"
	for name, id := range map[string]access.Identity{
		"of a weaker class":        {Subject: "maria", Name: "M", Organization: maria.Organization, Roles: maria.Roles, Patient: maria.Patient, ProvedAt: time.Now(), Class: "weak"},
		"without a time":           {Subject: "maria", Name: "M", Organization: maria.Organization, Roles: maria.Roles, Patient: maria.Patient, Class: "strong"},
		"from before it was asked": {Subject: "maria", Name: "M", Organization: maria.Organization, Roles: maria.Roles, Patient: maria.Patient, ProvedAt: time.Now().Add(-time.Hour), Class: "strong"},
		"of somebody else":         {Subject: "linda", Name: "L", Organization: maria.Organization, Roles: maria.Roles, Patient: maria.Patient, ProvedAt: time.Now(), Class: "strong"},
	} {
		if got := b.stepUp(id).Code; got != http.StatusForbidden {
			t.Errorf("a proof %s: %d, want 403", name, got)
		}
		if got := attempt(); got != sent {
			t.Errorf("after a proof %s it was led to %q", name, got)
		}
	}
	fresh.ProvedAt = time.Now()
	if got := b.stepUp(fresh).Code; got != http.StatusSeeOther {
		t.Fatalf("a good proof: %d", got)
	}
	if got := attempt(); got == sent {
		t.Errorf("after a good proof it asks again")
	}
	w.now = w.now.Add(access.StepUpLife + time.Second)
	if got := attempt(); got != sent {
		t.Errorf("five minutes after the proof: led to %q, want %q", got, sent)
	}
}

func TestWhoIsNotAdmittedIsRecordedAndNotToldWhy(t *testing.T) {
	w := newWorld(t)
	for name, id := range map[string]access.Identity{
		"roles of two duties":                {Subject: "x", Organization: "urn:org:oak", Roles: []string{hie.RoleSteward, hie.RolePrivacyOfficer}},
		"no role":                            {Subject: "x", Organization: "urn:org:oak", Roles: []string{"janitor"}},
		"an organisation nobody knows":       {Subject: "x", Organization: "urn:org:elm", Roles: []string{hie.RoleSteward}},
		"a patient nobody has registered":    {Subject: "x", Organization: "urn:org:network", Roles: []string{hie.RolePatient}, Patient: hie.Identifier{System: "urn:oak", Value: "nobody"}},
		"a steward who brings a patient too": {Subject: "x", Organization: "urn:org:oak", Roles: []string{hie.RoleSteward}, Patient: hie.Identifier{System: "urn:oak", Value: "m-1"}},
	} {
		before := len(w.trail.events)
		b := w.browser()
		r := b.signIn(id)
		if r.Code != http.StatusForbidden || b.cookies["__Host-concord-session"] != "" {
			t.Errorf("%s: %d, want 403 and no session", name, r.Code)
		}
		if len(w.trail.events) != before+1 || w.trail.events[before].Kind != audit.SignInFailed || len(w.trail.events[before].Reasons) != 1 {
			t.Errorf("%s is not on record with its reason", name)
		} else if strings.Contains(r.Body.String(), w.trail.events[before].Reasons[0]) {
			t.Errorf("%s: the page says why", name)
		}
	}
	b := w.browser()
	w.provider.id = identities()[access.DutyClinician]
	b.get("/signin")
	if got := b.get("/signin/return?state=other&code=c").Code; got != http.StatusForbidden {
		t.Errorf("another state: %d, want 403", got)
	}
	if got := w.browser().get("/signin/return?state=st&code=c").Code; got != http.StatusForbidden {
		t.Errorf("a browser that began no journey: %d, want 403 (sign-in forgery)", got)
	}
}

func TestNobodyIsLedAwayByALink(t *testing.T) {
	for _, path := range []string{"//evil.test", "https://evil.test", `/\evil.test`, "evil", "", "/\tevil", "javascript:alert(1)"} {
		if got := local(path); got != "/" {
			t.Errorf("%q leads to %q", path, got)
		}
	}
	if got := local("/my/looked?what=all"); got != "/my/looked?what=all" {
		t.Errorf("a path of ours leads to %q", got)
	}
}

func TestWithoutRedisPeopleAreAskedToComeBackAndNothingOpens(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(identities()[access.DutyClinician])
	w.keep.down = true
	if got := b.get("/find").Code; got != http.StatusServiceUnavailable {
		t.Errorf("a page while sessions cannot be looked up: %d, want 503", got)
	}
	if got := b.get("/").Code; got != http.StatusOK {
		t.Errorf("the first page: %d, want 200", got)
	}
}

func TestPagesLoadNothingFromElsewhereAndHoldNothingInline(t *testing.T) {
	w := newWorld(t)
	r := w.browser().get("/")
	policy := r.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self' https://sign-in.test", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is unsafe: %s", policy)
	}
	for _, bad := range []string{"<style", " style=", " onclick=", "<script>", "http://", "//cdn"} {
		if strings.Contains(r.Body.String(), bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, c := range r.Result().Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			t.Errorf("cookie %s lacks an attribute", c.Name)
		}
	}
}

// Outside a demonstration there are no invented people, and no key of a client to make a token with.
func TestARealExchangeMakesNoTokens(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(identities()[access.DutyIntegrator])
	calls := len(w.api.actors)
	for _, r := range []struct {
		method string
		form   url.Values
	}{{http.MethodGet, nil}, {http.MethodPost, url.Values{"client": {"c1"}, "purpose": {"TREAT"}, "user": {"x"}, "role": {"physician"}}}} {
		got := b.do(r.method, "/integrator/token", r.form)
		if got.Code != http.StatusForbidden || !strings.Contains(got.Body.String(), w.words.say("en", "token.real.title")) || strings.Contains(got.Body.String(), "<select") {
			t.Errorf("%s: %d:\n%s", r.method, got.Code, got.Body.String())
		}
	}
	if len(w.api.actors) != calls || len(w.trail.events) != 0 && w.trail.events[len(w.trail.events)-1].Detail["interaction"] == "token made" {
		t.Error("a token was asked for")
	}
	if got := b.get("/integrator/people"); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), w.words.say("en", "sandbox.real.title")) {
		t.Errorf("the page of people: %d", got.Code)
	}
}
