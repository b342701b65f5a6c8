package portal

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/directory"
)

// TestWhatIsFoundAtASiteHasWords holds the words of the page against all that a check can find: each has words, how to put it right
// where something is to be done, and no value that the finding has not.
func TestWhatIsFoundAtASiteHasWords(t *testing.T) {
	w := readWords()
	holes := regexp.MustCompile(`\{[a-z]+\}`)
	want := []string{}
	for _, code := range directory.FindingCodes() {
		said, fix := directory.Finding{Code: code, Result: directory.Fail}.Text()
		for key, english := range map[string]string{"onboard.said." + code: said, "onboard.fix." + code: fix} {
			if w.has(key) != (english != "") {
				t.Errorf("%s: words are there %t, and in directory %t", key, w.has(key), english != "")
			}
			for _, hole := range holes.FindAllString(w["en"][key], -1) {
				if !strings.Contains(english, hole) {
					t.Errorf("%s takes %s, which the finding has not", key, hole)
				}
			}
		}
	}
	for _, id := range directory.CheckIDs() {
		want = append(want, "check."+string(id))
	}
	for _, kind := range directory.AgreementKinds() {
		want = append(want, "value.kind."+kind)
	}
	for _, role := range directory.ContactRoles() {
		want = append(want, "value.role."+role)
	}
	for _, m := range []directory.Move{directory.MoveProposed, directory.MoveApproved, directory.MoveDeclined, directory.MoveSuspended} {
		want = append(want, "move."+string(m), "take."+string(m), "stepped."+string(m))
	}
	for _, m := range []directory.Participation{directory.Joining, directory.Live, directory.Suspended} {
		want = append(want, "member."+string(m))
	}
	for _, r := range []directory.Result{directory.Pass, directory.Fail, directory.Pending} {
		want = append(want, "result."+string(r))
	}
	for _, c := range directory.Checks(directory.Evidence{}, time.Now()) {
		want = append(want, "owner."+c.Owner)
	}
	for _, rule := range []string{"deny", "btg-only", "basic-normal", "permit"} {
		want = append(want, "value.rule."+rule)
	}
	for _, key := range want {
		if !w.has("onboard." + key) {
			t.Errorf("no words for onboard.%s", key)
		}
	}
}

func TestWhatIsFoundIsWrittenOut(t *testing.T) {
	p := testPortal(t)
	for _, tt := range []struct{ language, name, value, want string }{
		{"en", "from", "2026-03-04", "March 4, 2026"}, {"es", "until", "2026-03-04", "4 de marzo de 2026"}, {"es", "until", "-", "nuevo aviso"},
		{"es", "ms", "12.5", "12,5"}, {"es", "field", "family", "Apellido"}, {"en", "of", "US-VA", "US-VA"},
		{"es", "reason", "no answer in time", "no respondió a tiempo"}, {"es", "reason", "late, no end in time", "no terminó a tiempo"}, {"es", "reason", "failed, http 502", "estado HTTP 502"},
		{"es", "reason", "Patient.name must be given", "Patient.name must be given"}, // as the site was told
		{"es", "by", "network", "network"}, {"es", "name", "technical", "technical"}, // what people wrote is left as it is
	} {
		if got := p.foundValue(tt.language, tt.name, tt.value); got != tt.want {
			t.Errorf("%s %s %s: %q, want %q", tt.language, tt.name, tt.value, got, tt.want)
		}
	}
}

// TestAStepIsOfferedToWhoMayTakeIt shows the page as who proposed a go-live and as a colleague, with and without a fresh proof, and
// when nothing is proposed.
//
// Source: spec ux A3, O8 (two people).
func TestAStepIsOfferedToWhoMayTakeIt(t *testing.T) {
	const page = "/operator/sites/oak-main/onboarding"
	for _, tt := range []struct {
		name, membership, missing, proposer string
		fresh                               bool
		want                                []string
	}{
		{"nobody without a fresh proof", "joining", "", "u-operator", false, nil},
		{"who proposed it may only end it, or suspend the site", "joining", "", "U-Operator ", true, []string{"declined", "suspended"}},
		{"a colleague may sign it off", "joining", "", "v.lind", true, []string{"approved", "declined", "suspended"}},
		{"a go-live is proposed when nothing is missing", "joining", "", "", true, []string{"proposed", "suspended"}},
		{"and not when something is", "joining", "alert", "", true, []string{"suspended"}},
		{"a live site can be suspended", "live", "", "", true, []string{"suspended"}},
		{"a suspended one comes back as it came on", "suspended", "", "", true, []string{"proposed"}},
	} {
		w := newWorld(t)
		w.api.answer = func(rw http.ResponseWriter, _ *http.Request) {
			o := map[string]any{"site": "oak-main", "name": "Oak Main", "membership": tt.membership, "proposed": tt.proposer != "", "missing": strings.Fields(tt.missing)}
			if tt.proposer != "" {
				o["steps"] = []map[string]any{{"move": "proposed", "user": tt.proposer, "at": time.Now()}}
			}
			_ = json.NewEncoder(rw).Encode(o)
		}
		b := w.browser()
		id := identities()[access.DutyOperator]
		b.signIn(id)
		if tt.fresh {
			id.ProvedAt, id.Class = time.Now(), "strong"
			b.stepUp(id)
		}
		body := b.get(page).Body.String()
		var got []string
		for _, m := range regexp.MustCompile(`name="move" value="([a-z]+)"`).FindAllStringSubmatch(body, -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if strings.Contains(body, `href="/signin/again?next=`) == tt.fresh {
			t.Errorf("%s: the way to a proof is offered: %t", tt.name, !tt.fresh)
		}
	}
}

// TestWhatIsWrongWithAFormLeadsToItsField sends each form and has the API refuse it: nothing typed is lost, and the summary leads to
// the field at fault.
func TestWhatIsWrongWithAFormLeadsToItsField(t *testing.T) {
	const page = "/operator/sites/oak-main/onboarding"
	for _, tt := range []struct {
		name, path string
		form       url.Values
		status     int
		at         string // what the API says is at fault
		field, key string
	}{
		{"an agreement that ends before it begins", "/agreements", url.Values{"kind": {"baa"}, "signed_by": {"Its director"}, "from": {"2026-02-01"}, "until": {"2026-01-01"}}, http.StatusBadRequest, "until", "until", "until"},
		{"a contact without an address", "/contacts", url.Values{"role": {"privacy"}, "name": {"Its desk"}}, http.StatusBadRequest, "email", "email", "email"},
		{"a suspension without a reason", "/steps", url.Values{"move": {"suspended"}}, http.StatusBadRequest, "note", "suspended-note", "note"},
		{"a proposal when a check fails again", "/steps", url.Values{"move": {"proposed"}, "note": {"As tested"}}, http.StatusBadRequest, "checks", "steps", "checks"},
		{"a sign-off by who proposed it", "/steps", url.Values{"move": {"approved"}}, http.StatusForbidden, "", "steps", "same"},
		{"a notice to nobody", "/alert", nil, http.StatusBadRequest, "technical", "alert", "alert"},
	} {
		w := newWorld(t)
		w.api.answer = func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = io.WriteString(rw, `{"site":"oak-main","membership":"joining","missing":["alert"]}`)
				return
			}
			rw.WriteHeader(tt.status)
			_ = json.NewEncoder(rw).Encode(map[string]any{"title": "Bad Request", "code": "invalid", "errors": []string{tt.at}})
		}
		b := w.browser()
		id := identities()[access.DutyOperator]
		b.signIn(id)
		id.ProvedAt, id.Class = time.Now(), "strong"
		b.stepUp(id)
		got := b.do(http.MethodPost, page+tt.path, tt.form)
		body := got.Body.String()
		if want := `<a href="#` + tt.field + `">` + w.words.say("en", "onboard.fault."+tt.key) + `</a>`; got.Code != http.StatusUnprocessableEntity || !strings.Contains(body, want) || !strings.Contains(body, `id="`+tt.field+`"`) {
			t.Errorf("%s: %d, want 422 and %s", tt.name, got.Code, want)
		}
		for name, values := range tt.form {
			if name != "move" && !strings.Contains(body, `value="`+values[0]+`"`) {
				t.Errorf("%s: %s is lost", tt.name, name)
			}
		}
	}
}
