package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/internal/fhir"
)

// O5, the consent desk: what is to be seen to about patients' wishes, and each wish with its versions and what they rest on.

// wishKinds are the kinds of task about a wish, in order.
var wishKinds = func() (out []string) {
	for _, k := range consent.FindingKinds() {
		out = append(out, string(k))
	}
	return out
}()

// A wishTask is something to see to, as the API gives it.
type wishTask struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Record  string    `json:"record"`
	Consent string    `json:"consent"`
	Version int64     `json:"version"`
	Mark    string    `json:"mark"`
	Opened  time.Time `json:"opened"`
	Due     time.Time `json:"due"`
	Detail  []string  `json:"detail"`
	Closed  time.Time `json:"closed"`
	By      string    `json:"closed_by"`
	Note    string    `json:"note"`
	// Late is whether it should have been done.
	Late bool `json:"-"`
}

// wishTasks returns a page of tasks, oldest first, and where the next begins, "" for the end.
func (v *visit) wishTasks(q url.Values) ([]wishTask, string, error) {
	var page struct {
		Tasks []wishTask `json:"tasks"`
		Next  string     `json:"next"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/consent/tasks?"+q.Encode(), nil, &page); err != nil {
		return nil, "", err
	}
	for i := range page.Tasks {
		t := &page.Tasks[i]
		t.Late = !t.Due.IsZero() && t.Due.Before(v.now)
		t.Opened, t.Due, t.Closed = t.Opened.In(v.zone()), t.Due.In(v.zone()), t.Closed.In(v.zone())
	}
	return page.Tasks, page.Next, nil
}

// wishes answers GET /officer/wishes?kind=&closed=&after=.
func (v *visit) wishes() error {
	kind, closed := v.c.Query("kind"), v.c.Query("closed") == "1"
	q := url.Values{"count": {"50"}}
	back := url.Values{}
	if slices.Contains(wishKinds, kind) {
		q.Set("kind", kind)
		back.Set("kind", kind)
	} else {
		kind = ""
	}
	if closed {
		q.Set("closed", "true")
		back.Set("closed", "1")
	}
	if after := v.c.Query("after"); after != "" {
		q.Set("after", after)
	}
	tasks, next, err := v.wishTasks(q)
	if err != nil {
		return err
	}
	if next != "" {
		back.Set("after", next)
		next = "/officer/wishes?" + back.Encode()
	}
	v.show(http.StatusOK, "officer/wishes", map[string]any{"Tasks": tasks, "Next": next, "Kinds": wishKinds, "Kind": kind, "Closed": closed})
	return nil
}

// settleWish answers POST /officer/wishes/:task/settle.
func (v *visit) settleWish() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if _, err := v.call(http.MethodPost, "/admin/v1/consent/tasks/"+url.PathEscape(v.c.Param("task"))+"/settle", map[string]any{"note": strings.TrimSpace(form.Get("note"))}); err != nil {
		return err
	}
	if err := v.say("wishes.settled"); err != nil {
		return err
	}
	return v.redirect("/officer/wishes")
}

// An evidencePaper is what a version of a wish rests on.
type evidencePaper struct {
	Version   int64     `json:"version"`
	Kind      string    `json:"kind"`
	Hash      string    `json:"hash"`
	MediaType string    `json:"media_type"`
	Signer    string    `json:"signer"`
	Capacity  string    `json:"capacity"`
	Witness   string    `json:"witness"`
	Method    string    `json:"method"`
	Language  string    `json:"language"`
	Form      string    `json:"form"`
	FormVer   int64     `json:"form_version"`
	Kept      bool      `json:"kept"`
	Recorded  time.Time `json:"recorded"`
}

// consentPage answers GET /officer/consents/:consent: its versions, newest first, and what they rest on.
func (v *visit) consentPage() error {
	id := url.PathEscape(v.c.Param("consent"))
	var history fhir.Bundle
	if err := v.read(http.MethodGet, "/fhir/Consent/"+id+"/_history", nil, &history); err != nil {
		return err
	}
	var versions []filed
	patient := ""
	verified := false
	for i, e := range history.Entry {
		f, err := readFiled(e.Resource)
		if err != nil {
			return err
		}
		var c fhir.Consent
		if err := (answer{body: e.Resource}).into(&c); err != nil {
			return err
		}
		if c.Patient != nil {
			patient = strings.TrimPrefix(c.Patient.Reference, "Patient/")
		}
		if i == 0 {
			verified = len(c.Verification) > 0 && c.Verification[0].Verified != nil && *c.Verification[0].Verified
		}
		f.At = f.At.In(v.zone())
		versions = append(versions, f)
	}
	var in struct {
		Evidence []evidencePaper `json:"evidence"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/consent/directives/"+id+"/evidence", nil, &in); err != nil {
		return err
	}
	for i := range in.Evidence {
		in.Evidence[i].Recorded = in.Evidence[i].Recorded.In(v.zone())
	}
	newest := int64(0)
	if len(versions) > 0 {
		newest = versions[0].Version
	}
	v.show(http.StatusOK, "officer/consent", map[string]any{"Consent": v.c.Param("consent"), "Patient": patient, "Versions": versions, "Evidence": in.Evidence,
		"Newest": newest, "Verified": verified})
	return nil
}

// verifyConsent answers POST /officer/consents/:consent/verify: an officer who has looked at the evidence says whether it holds.
func (v *visit) verifyConsent() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	version, err := strconv.ParseInt(form.Get("version"), 10, 64)
	if err != nil {
		return v.redirect("/officer/consents/" + url.PathEscape(v.c.Param("consent")))
	}
	if _, err := v.call(http.MethodPost, "/admin/v1/consent/directives/"+url.PathEscape(v.c.Param("consent"))+"/verify",
		map[string]any{"version": version, "verified": form.Get("verified") == "yes"}); err != nil {
		return err
	}
	if err := v.say("wishes.verified"); err != nil {
		return err
	}
	return v.redirect("/officer/consents/" + url.PathEscape(v.c.Param("consent")))
}
