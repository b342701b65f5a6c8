package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// askedFor is what patients asked for, in memory. It keeps to consent's rules; that each thing happens once is consentpg's.
type askedFor []consent.ReportRequest

func (a *askedFor) AskReport(_ context.Context, _ hie.Actor, r consent.ReportRequest) (consent.ReportRequest, error) {
	r, err := consent.NewReportRequest(r, hie.Now())
	if r.ID = int64(len(*a) + 1); err == nil {
		*a = append(*a, r)
	}
	return r, err
}

func (a *askedFor) Reports(_ context.Context, record hie.SourcePatientID) (out []consent.ReportRequest, _ error) {
	for _, r := range slices.Backward(*a) {
		if r.Record == record {
			out = append(out, r)
		}
	}
	return out, nil
}

func (a *askedFor) Report(_ context.Context, record hie.SourcePatientID, id int64) (consent.ReportRequest, error) {
	if id < 1 || id > int64(len(*a)) || (*a)[id-1].Record != record {
		return consent.ReportRequest{}, hie.ErrNotFound
	}
	return (*a)[id-1], nil
}

func (a *askedFor) OpenReports(_ context.Context, orgs []hie.OrgID, limit int) (out []consent.ReportRequest, _ error) {
	for _, r := range *a {
		if r.Answered.IsZero() && (orgs == nil || slices.Contains(orgs, r.Organization)) && len(out) < limit {
			out = append(out, r)
		}
	}
	return out, nil
}

func (a *askedFor) ExtendReport(_ context.Context, _ hie.Actor, r consent.ReportRequest, why string) error {
	(*a)[r.ID-1].Extended, (*a)[r.ID-1].Extension = hie.Now(), why
	return consent.CheckReportExtension(why)
}

func (a *askedFor) AnswerReport(_ context.Context, by hie.Actor, r consent.ReportRequest, outcome consent.ReportOutcome, words string) error {
	if err := consent.CheckReportAnswer(outcome, words); err != nil {
		return err
	}
	q := &(*a)[r.ID-1]
	q.Answered, q.Outcome, q.Answer, q.AnsweredBy = hie.Now(), outcome, words, string(by.Organization)+"/"+by.User
	return nil
}

// TestWhatPatientsAskForIsAnsweredByWhomItIsAskedOf: of each organisation its officers, of all the network's.
func TestWhatPatientsAskForIsAnsweredByWhomItIsAskedOf(t *testing.T) {
	w := newWard(t)
	const requests = "/admin/v1/reports/requests"
	as := func(patient hie.SourcePatientID) {
		w.patientApp(patient)
		w.as.Scopes = append(w.as.Scopes, "concord/report.read", "concord/report.write")
	}
	post := func(path, body string) *httptest.ResponseRecorder {
		return w.do(http.MethodPost, path, "app", []byte(body), "Content-Type", "application/json")
	}
	list := func() (out struct{ Requests []requestJSON }) {
		t.Helper()
		r := w.get(requests, "app")
		if err := json.Unmarshal(r.Body.Bytes(), &out); err != nil || r.Code != http.StatusOK {
			t.Fatalf("%d %v %s", r.Code, err, r.Body)
		}
		return out
	}
	as(w.aliceRec)
	for name, body := range map[string]string{"a kind that is none": `{"kind":"gossip"}`, "a correction without words": `{"kind":"correction","organization":"mercy"}`,
		"of nobody who takes part": `{"kind":"copy","organization":"nobody"}`, "of the exchange, which holds no records": `{"kind":"copy","organization":"network"}`} {
		if r := post(requests, body); r.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", name, r.Code)
		}
	}
	for _, body := range []string{`{"kind":"accounting","law":"us-hipaa"}`, `{"kind":"copy","organization":"mercy"}`} {
		if r := post(requests, body); r.Code != http.StatusOK {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
	}
	mine := list().Requests
	if len(mine) != 2 || mine[0].Kind != "copy" || mine[0].Status != "open" || mine[0].Due == "" || mine[1].Status != "given" {
		t.Fatalf("%+v", mine)
	}
	path := requests + "/" + mine[0].ID
	if r := post(path+"/answer", `{"outcome":"given","words":"x"}`); r.Code != http.StatusForbidden {
		t.Errorf("a patient answers: %d", r.Code)
	}
	as(w.oakRec)
	if n := len(list().Requests); n != 0 {
		t.Errorf("on another registration %d were asked for", n)
	}
	w.officer("oak")
	if n := len(list().Requests); n != 0 {
		t.Errorf("an officer of another organisation sees %d", n)
	}
	if r := post(path+"/answer", `{"outcome":"given","words":"x"}`); r.Code != http.StatusNotFound {
		t.Errorf("an officer of another organisation answers: %d", r.Code)
	}
	if r := post(requests, `{"kind":"access"}`); r.Code != http.StatusForbidden {
		t.Errorf("an officer asks: %d", r.Code)
	}
	w.officer("network")
	if n := len(list().Requests); n != 1 {
		t.Errorf("the network's officer sees %d, want the one that waits", n)
	}
	w.officer("mercy")
	if r := post(path+"/extend", `{"words":"the archive is being moved"}`); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"extension":"the archive is being moved"`) {
		t.Errorf("put off: %d %s", r.Code, r.Body)
	}
	if r := post(path+"/answer", `{"outcome":"lost","words":"x"}`); r.Code != http.StatusBadRequest {
		t.Errorf("an outcome that is none: %d", r.Code)
	}
	if r := post(path+"/answer", `{"outcome":"refused","words":"it is kept elsewhere"}`); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"status":"refused"`) || !strings.Contains(r.Body.String(), `"answered_by":"mercy/p.stone"`) {
		t.Errorf("answered: %d %s", r.Code, r.Body)
	}
}
