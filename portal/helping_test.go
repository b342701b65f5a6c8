package portal

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// named keeps representatives in memory.
type named struct {
	all   []consent.Representative
	bound map[int64]string
}

func (n *named) Representatives(_ context.Context, records []hie.SourcePatientID) ([]consent.Representative, error) {
	var out []consent.Representative
	for _, r := range n.all {
		if slices.Contains(records, r.Record) {
			out = append(out, r)
		}
	}
	return out, nil
}

func (n *named) Represent(_ context.Context, _ hie.Actor, r consent.Representative, _ int64) (consent.Representative, error) {
	return r, nil
}

func (n *named) BindHelper(_ context.Context, _ hie.Actor, account string, _ hie.SourcePatientID, id int64) error {
	if a := n.bound[id]; a != "" && a != account {
		return hie.ErrConflict
	}
	n.bound[id] = account
	return nil
}

func (n *named) HelperBound(_ context.Context, _ hie.SourcePatientID, id int64) (bool, error) {
	return n.bound[id] != "", nil
}

func (n *named) HelpedBy(_ context.Context, account string) ([]consent.Representative, error) {
	var out []consent.Representative
	for _, r := range n.all {
		if n.bound[r.ID] == account {
			out = append(out, r)
		}
	}
	return out, nil
}

// helpedWorld is a world in which the patient of record 11 has named one person, with their link.
func helpedWorld(t *testing.T, rights consent.Rights) (w *world, n *named, link string) {
	t.Helper()
	w = newWorld(t)
	r := consent.NamedByPatient(11, "Ana Marsh", rights, "", w.now.AddDate(0, 0, 7).Format(time.DateOnly))
	r.ID, r.Recorded = 5, w.now.Add(-time.Hour)
	n = &named{all: []consent.Representative{r}, bound: map[int64]string{}}
	w.Portal.deps.Helpers = n
	maria := w.browser()
	maria.signIn(identities()[access.DutyPatient])
	page := maria.get("/my/helpers").Body.String()
	at := strings.Index(page, testBase+"/helping/invited/")
	if at < 0 {
		t.Fatal("the page holds no link to give away")
	}
	link, _, _ = strings.Cut(page[at+len(testBase):], "<")
	return w, n, link
}

func (w *world) helper(subject string) *browser {
	id := identities()[access.DutyHelper]
	id.Subject = subject
	b := w.browser()
	b.signIn(id)
	return b
}

func act(t *testing.T, b *browser) {
	t.Helper()
	page := b.get("/helping").Body.String()
	at := strings.Index(page, `action="/helping/`)
	if at < 0 {
		t.Fatal("there is nobody to act for")
	}
	path, _, _ := strings.Cut(page[at+len(`action="`):], `"`)
	if got := b.do(http.MethodPost, path, url.Values{}); got.Header().Get("Location") != "/my" {
		t.Fatalf("acting: %d", got.Code)
	}
}

func TestWhoWasNamedActsWithinWhatTheyWereGiven(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rights consent.Rights
		method string
		path   string
		may    bool
	}{
		{"who may look sees who looked", consent.RightsView, "GET", "/my/looked", true},
		{"who may look does not choose", consent.RightsView, "POST", "/my/choice", false},
		{"who may look keeps nothing back", consent.RightsView, "POST", "/my/rules", false},
		{"who may look ends no rule", consent.RightsView, "POST", "/my/rules/c1/end", false},
		{"who may decide chooses", consent.RightsManage, "POST", "/my/choice", true},
		{"who may decide names nobody else", consent.RightsManage, "POST", "/my/helpers", false},
		{"who may decide does not say where alerts go", consent.RightsManage, "POST", "/my/alerts", false},
		{"who may decide sees no address", consent.RightsManage, "GET", "/my/alerts", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, n, link := helpedWorld(t, tt.rights)
			ana := w.helper("ana")
			if got := ana.get("/my"); got.Code != http.StatusNotFound {
				t.Errorf("before anybody named her: %d", got.Code)
			}
			ana.do(http.MethodPost, link, url.Values{})
			act(t, ana)
			w.api.actors = nil
			got := ana.do(tt.method, tt.path, url.Values{"pick": {"share"}})
			if (got.Code != http.StatusForbidden) != tt.may {
				t.Errorf("%s %s: %d", tt.method, tt.path, got.Code)
			}
			if !tt.may && len(w.api.actors) > 0 {
				t.Error("something was asked of the API")
			}
			for _, a := range w.api.actors {
				if a.Patient != 11 || a.Representative != n.all[0].Ref || a.UserName != "Ana Marsh" {
					t.Errorf("acts for %d as %q", a.Patient, a.UserName)
				}
			}
			w.now = w.now.AddDate(0, 0, 9)
			ana = w.helper("ana")
			if page := ana.get("/helping").Body.String(); strings.Contains(page, `action="/helping/`) {
				t.Error("after the last day she can still begin to act")
			}
		})
	}
}

func TestWhoActsIsRefusedFromTheMomentItIsEnded(t *testing.T) {
	w, n, link := helpedWorld(t, consent.RightsManage)
	ana := w.helper("ana")
	ana.do(http.MethodPost, link, url.Values{})
	act(t, ana)
	n.all[0].Withdrawn = true
	w.api.actors = nil
	for _, path := range []string{"/my", "/my/looked", "/my/places", "/my/preview"} {
		if got := ana.get(path); got.Code != http.StatusForbidden || len(w.api.actors) > 0 {
			t.Errorf("%s: %d, want 403 and nothing asked", path, got.Code)
		}
	}
}

func TestALinkWorksForOneAccountAndForAWeek(t *testing.T) {
	w, n, link := helpedWorld(t, consent.RightsView)
	ana, eve := w.helper("ana"), w.helper("eve")
	if got := eve.get(link[:len(link)-2] + "xx"); got.Code != http.StatusNotFound {
		t.Errorf("a link somebody made up: %d", got.Code)
	}
	ana.do(http.MethodPost, link, url.Values{})
	if got := eve.do(http.MethodPost, link, url.Values{}); got.Code != http.StatusNotFound {
		t.Errorf("a second account uses the link: %d", got.Code)
	}
	if page := eve.get("/helping").Body.String(); strings.Contains(page, `action="/helping/`) {
		t.Error("she can act for somebody who did not name her")
	}
	n.bound = map[int64]string{}
	n.all[0].End = ""
	w.now = w.now.Add(inviteLife)
	if got := w.helper("ana").do(http.MethodPost, link, url.Values{}); got.Code != http.StatusNotFound {
		t.Errorf("a week later: %d", got.Code)
	}
}
