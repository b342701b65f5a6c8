package consentpg

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

func officerCalled(user string) hie.Actor {
	return hie.Actor{Organization: "network", User: user, Roles: []string{hie.RolePrivacyOfficer}}
}

func TestAFormIsPutInForceBySomebodyElseThanWhoProposedIt(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	s := New(db, hie.NewIDs(nil), auditpg.Append, hie.Now)
	form := consent.BuiltinTemplates()[0]
	draft, err := s.ProposeTemplate(ctx, officerCalled("ann"), form)
	if err != nil || draft.Version != 2 || draft.State != consent.TemplateDraft {
		t.Fatalf("%v %d %s", err, draft.Version, draft.State)
	}
	if _, err := s.DecideTemplate(ctx, officerCalled("ann"), "share", 2, true); !errors.Is(err, hie.ErrForbidden) {
		t.Errorf("who proposed it put it in force: %v", err)
	}
	if _, err := s.DecideTemplate(ctx, officerCalled("bob"), "share", 9, true); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a version there is not: %v", err)
	}
	if got, err := s.DecideTemplate(ctx, officerCalled("bob"), "share", 2, true); err != nil || got.State != consent.TemplateActive || got.DecidedBy != "network/bob" {
		t.Errorf("%v %s", err, got.State)
	}
	if _, err := s.DecideTemplate(ctx, officerCalled("bob"), "share", 2, false); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("decided twice: %v", err)
	}
	offered := func() (out []string) {
		all, err := s.Templates(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range consent.Offered(all, "US-MD") {
			out = append(out, o.ID+"/"+string(rune('0'+o.Version)))
		}
		return out
	}
	if got := offered(); !slices.Contains(got, "share/2") || slices.Contains(got, "share/1") || len(got) != 6 {
		t.Errorf("offered %q", got)
	}
	if _, err := s.RetireTemplate(ctx, officerCalled("bob"), "share", 2); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RetireTemplate(ctx, officerCalled("bob"), "never", 1); err != nil { // a built-in one
		t.Fatal(err)
	}
	if got := offered(); !slices.Contains(got, "share/1") || slices.Contains(got, "never/1") {
		t.Errorf("offered after retiring %q", got)
	}
	if n := events(t, db, audit.Administered); n != 4 {
		t.Errorf("%d events, want 4", n)
	}
}

func TestADeskTaskIsOpenedOnceAndGoesWithWhatItIsAbout(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	s := New(db, hie.NewIDs(nil), auditpg.Append, hie.Now)
	due := time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	conflict := consent.DeskTask{Record: maria, Organization: "mercy", Finding: consent.Finding{Kind: consent.FindConflict, Directive: consent.DirectiveName{ID: "11", Version: 1},
		Other: consent.DirectiveName{ID: "12", Version: 1}, Detail: []string{"neither is later than the other"}}}
	renewal := consent.DeskTask{Record: maria, Organization: "mercy", Finding: consent.Finding{Kind: consent.FindRenewal, Directive: consent.DirectiveName{ID: "11", Version: 1}, Mark: "60", Due: due}}
	for range 3 {
		if err := s.SyncTasks(ctx, []hie.SourcePatientID{maria}, []consent.DeskTask{conflict, renewal}); err != nil {
			t.Fatal(err)
		}
	}
	open, more, err := s.DeskTasks(ctx, consent.DeskFilter{Limit: 10})
	if err != nil || more || len(open) != 2 || open[0].Kind != consent.FindConflict || open[0].Other.ID != "12" || !open[1].Due.Equal(due) || open[1].Mark != "60" {
		t.Fatalf("%d open, %v", len(open), err)
	}
	for name, tt := range map[string]struct {
		f    consent.DeskFilter
		want int
	}{"of one kind": {consent.DeskFilter{Kind: consent.FindRenewal}, 1}, "of another organisation": {consent.DeskFilter{Organization: "oak"}, 0},
		"of one record": {consent.DeskFilter{Record: maria}, 2}, "of a record whose number is as long as they are": {consent.DeskFilter{Record: 1 << 60}, 0}, "behind the first": {consent.DeskFilter{After: open[0].ID}, 1}, "closed": {consent.DeskFilter{Closed: true}, 0}} {
		tt.f.Limit = 10
		if got, _, err := s.DeskTasks(ctx, tt.f); err != nil || len(got) != tt.want {
			t.Errorf("%s: %d, %v", name, len(got), err)
		}
	}
	if err := s.SettleTask(ctx, officerCalled("ann"), open[0].ID, "she meant both"); err != nil {
		t.Fatal(err)
	}
	if err := s.SettleTask(ctx, officerCalled("ann"), open[0].ID, "again"); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("settled twice: %v", err)
	}
	// What was settled stays settled while it stands; what is no more is gone.
	if err := s.SyncTasks(ctx, []hie.SourcePatientID{maria}, []consent.DeskTask{conflict}); err != nil {
		t.Fatal(err)
	}
	closed, _, err := s.DeskTasks(ctx, consent.DeskFilter{Closed: true, Limit: 10})
	if err != nil || len(closed) != 2 || closed[0].Outcome != "settled" || closed[0].ClosedBy != "network/ann" || closed[1].Outcome != "gone" {
		t.Errorf("%d closed, %v", len(closed), err)
	}
	// What was gone and is found again is open again, under its number; what somebody settled is not asked twice.
	for range 2 {
		if err := s.SyncTasks(ctx, []hie.SourcePatientID{maria}, []consent.DeskTask{conflict, renewal}); err != nil {
			t.Fatal(err)
		}
	}
	again, _, err := s.DeskTasks(ctx, consent.DeskFilter{Limit: 10})
	if err != nil || len(again) != 1 || again[0].ID != closed[1].ID || again[0].Kind != consent.FindRenewal || again[0].Outcome != "" {
		t.Errorf("found again: %d open, %v", len(again), err)
	}
}

func TestRepresentativesAreKeptByVersionAndSignWithinTheirTime(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := New(db, hie.NewIDs(nil), auditpg.Append, func() time.Time { return now })
	lapses := now.AddDate(1, 0, 0)
	r, err := s.Represent(ctx, clerk, consent.Representative{Record: maria, Ref: "RelatedPerson/mum", Name: "Mum", Capacity: consent.CapacityParent, Rights: consent.RightsManage, Lapses: lapses}, 0)
	if err != nil || r.Number != 1 || epochOf(t, db, maria) != 1 {
		t.Fatalf("%v %d", err, r.Number)
	}
	now = now.Add(time.Hour)
	r.End = "2026-06-30"
	if _, err := s.Represent(ctx, clerk, r, 7); !errors.Is(err, hie.ErrStale) {
		t.Errorf("a stale version: %v", err)
	}
	if r, err = s.Represent(ctx, clerk, r, 1); err != nil || r.Number != 2 {
		t.Fatal(err)
	}
	if _, err := s.Represent(ctx, clerk, consent.Representative{Record: maria, ID: 5, Ref: "RelatedPerson/x", Capacity: consent.CapacityHelper, Rights: consent.RightsView}, 1); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("one there is not: %v", err)
	}
	got, err := s.Representatives(ctx, []hie.SourcePatientID{maria, paul})
	if err != nil || len(got) != 1 || got[0].End != "2026-06-30" || !got[0].Lapses.Equal(lapses) || got[0].Name != "Mum" {
		t.Errorf("%d, %v", len(got), err)
	}
	// What decisions load: nobody unless somebody signed for the patient, then as it was at the instant asked about.
	if f, err := s.Load(ctx, []hie.SourcePatientID{maria}); err != nil || f.Proxies != nil {
		t.Errorf("proxies are loaded that nobody needs: %v", err)
	}
	v := wish(maria)
	v.Content = []byte(`{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"performer":[{"reference":"RelatedPerson/mum"}],"policyRule":{"coding":[{"code":"OPTIN"}]}}`)
	v.Evidence = []consent.Evidence{{Kind: "spoken", Witness: "Clerk", Method: "spoken", Capacity: consent.CapacityParent}}
	if v, err = s.File(ctx, clerk, v, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Load(ctx, []hie.SourcePatientID{maria}); err != nil || len(f.Proxies) != 1 || f.Proxies[0].Period.End != "2026-06-30" || !f.Proxies[0].Lapses.Equal(lapses) {
		t.Errorf("proxies %v, %v", f.Proxies, err)
	}
	if e, err := s.Evidence(ctx, maria, v.ID); err != nil || len(e[1]) != 1 || e[1][0].Witness != "Clerk" {
		t.Errorf("evidence: %d, %v", len(e[1]), err)
	}
}

func TestASuspensionIsKept(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	s := New(db, hie.NewIDs(nil), auditpg.Append, hie.Now)
	since := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	if _, err := s.Suspend(ctx, officerCalled("ann"), consent.Suspension{Record: maria, Recipient: "police", Ground: "letter", Since: since, Until: since.AddDate(0, 1, 0)}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Suspensions(ctx, []hie.SourcePatientID{maria, paul})
	if err != nil || len(got) != 1 || got[0].Recipient != "police" || !got[0].Since.Equal(since) || got[0].RecordedBy != "network/ann" {
		t.Errorf("%d, %v", len(got), err)
	}
}
