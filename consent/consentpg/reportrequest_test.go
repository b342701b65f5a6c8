package consentpg

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

func TestWhatAPatientAsksForIsAnsweredOnce(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	s := New(pgtest.DB(t), hie.NewIDs(nil), auditpg.Append, func() time.Time { return now })
	maria, officer := hie.Actor{Organization: "network", Patient: 11}, hie.Actor{Organization: "oak", User: "p.stone"}
	ask := func(r consent.ReportRequest) consent.ReportRequest {
		t.Helper()
		r.Record = 11
		out, err := s.AskReport(ctx, maria, r)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	list := ask(consent.ReportRequest{Kind: consent.ReportAccounting, Law: "us-hipaa"})
	copied := ask(consent.ReportRequest{Kind: consent.ReportCopy, Organization: "oak", Words: "all of last year"})
	mend := ask(consent.ReportRequest{Kind: consent.ReportCorrection, Organization: "elm", Words: "not my allergy"})

	all, err := s.Reports(ctx, 11)
	if err != nil || len(all) != 3 || all[0].ID != mend.ID || all[2].Kind != consent.ReportAccounting || all[2].Answered.IsZero() {
		t.Fatalf("asked for: %d, %v", len(all), err)
	}
	if got, err := s.Report(ctx, 11, list.ID); err != nil || !got.Asked.Equal(now) || got.Law != "us-hipaa" {
		t.Errorf("the list is read as %v, %v", got.Kind, err)
	}
	if _, err := s.Report(ctx, 12, list.ID); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("another patient's: %v", err)
	}
	open := func(orgs ...hie.OrgID) (out []int64) {
		t.Helper()
		rs, err := s.OpenReports(ctx, orgs, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			out = append(out, r.ID)
		}
		return out
	}
	if got := open(); len(got) != 2 || got[0] != copied.ID {
		t.Errorf("open: %v, want the copy, due first, and the correction", got)
	}
	if got := open("elm"); len(got) != 1 || got[0] != mend.ID {
		t.Errorf("open of one organization: %v", got)
	}

	if err := s.ExtendReport(ctx, officer, copied, ""); err == nil {
		t.Error("put off without a reason")
	}
	if err := s.ExtendReport(ctx, officer, copied, "on paper, in the cellar"); err != nil {
		t.Fatal(err)
	}
	if err := s.ExtendReport(ctx, officer, copied, "again"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("put off twice: %v", err)
	}
	if got, err := s.Report(ctx, 11, copied.ID); err != nil || got.Due.Sub(copied.Due) != 30*24*time.Hour || got.Extension == "" || !got.Extended.Equal(now) {
		t.Errorf("put off to %v, %v", got.Due, err)
	}
	if err := s.AnswerReport(ctx, officer, copied, consent.ReportRefused, ""); err == nil {
		t.Error("refused without a reason")
	}
	if err := s.AnswerReport(ctx, officer, copied, consent.ReportGiven, "sent by post"); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"answered twice":               s.AnswerReport(ctx, officer, copied, consent.ReportRefused, "no"),
		"put off after it is answered": s.ExtendReport(ctx, officer, copied, "late"),
		"a list the exchange has made": s.AnswerReport(ctx, officer, list, consent.ReportGiven, "here"),
		"one nobody asked for":         s.AnswerReport(ctx, officer, consent.ReportRequest{Record: 11, ID: 1}, consent.ReportGiven, "x"),
	} {
		if !errors.Is(err, hie.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := s.Report(ctx, 11, copied.ID); err != nil || got.Outcome != consent.ReportGiven || got.AnsweredBy != "oak/p.stone" || got.Answer != "sent by post" {
		t.Errorf("the answer reads %q %q, %v", got.Outcome, got.AnsweredBy, err)
	}
	for range maxOpenReports - 1 {
		ask(consent.ReportRequest{Kind: consent.ReportCopy, Organization: "oak"})
	}
	if _, err := s.AskReport(ctx, maria, consent.ReportRequest{Record: 11, Kind: consent.ReportCopy, Organization: "oak"}); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("one more than may wait: %v", err)
	}
	ask(consent.ReportRequest{Kind: consent.ReportAccess}) // what is made at once does not wait

	var steps int
	if err := s.db.QueryRow(ctx, `select count(*) from audit.event_record r join audit.event e on e.id = r.event_id where r.sp_id = 11 and e.kind = $1`,
		string(audit.Administered)).Scan(&steps); err != nil || steps != 3+2+maxOpenReports {
		t.Errorf("%d steps are on record, %v", steps, err)
	}
}
