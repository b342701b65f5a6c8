package directorypg

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func agreementOf(site hie.SiteID) directory.Agreement {
	return directory.Agreement{Site: site, Kind: "baa", SignedBy: "Oak Street", From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Until: time.Date(2036, 12, 31, 0, 0, 0, 0, time.UTC), Hash: strings.Repeat("0a", 32)}
}

func contactOf(site hie.SiteID, name string) directory.Contact {
	return directory.Contact{Site: site, Role: "technical", Name: name, Email: "desk@oak.example"}
}

func TestWhatIsRecordedOfASiteIsReadBackWithItsAuditEvent(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	s := joined(t, db, auditpg.Append)
	before := events(t, db)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Agree(ctx, as("anna"), agreementOf("oak-street"), true)
	ok(err)
	ok(s.PutContact(ctx, as("anna"), contactOf("oak-street", "Desk"), true))
	if n := events(t, db); n != before {
		t.Errorf("dry runs left %d events", n-before)
	}
	first, err := s.Agree(ctx, as("anna"), agreementOf("oak-street"), false)
	ok(err)
	second, err := s.Agree(ctx, as("ben"), agreementOf("oak-street"), false)
	ok(err)
	if all, err := s.Agreements(ctx); err != nil || len(all) != 2 || all[0].Site != "oak-street" || all[1].Number != 2 || !all[0].Until.Equal(agreementOf("oak-street").Until) {
		t.Errorf("all agreements: %+v, %v", all, err)
	}
	ok(s.PutContact(ctx, as("anna"), contactOf("oak-street", "Desk"), false))
	ok(s.PutContact(ctx, as("anna"), contactOf("oak-street", "Other desk"), false))
	trial := directory.Trial{Site: "oak-street", Kind: directory.TrialQuery, At: hie.Now(), Passed: false, Detail: "http 500", Took: 3 * time.Millisecond}
	ok(s.KeepTrial(ctx, as("anna"), trial))
	trial.Passed, trial.Detail = true, "an empty searchset"
	ok(s.KeepTrial(ctx, as("anna"), trial))
	if n := events(t, db) - before; n != 6 {
		t.Errorf("%d audit events for six changes", n)
	}
	for range 3 {
		ok(s.PublishRefused(ctx, "oak", "DocumentReference.content[].attachment.url must be at an endpoint"))
	}
	ok(s.PublishRefused(ctx, "mercy", "another's"))
	site, _ := load(t, s).Site("oak-street")
	got, err := s.Recorded(ctx, site, time.Time{})
	ok(err)
	want := directory.Evidence{Site: site, Agreements: []directory.Agreement{first, second}, Contacts: []directory.Contact{contactOf("oak-street", "Other desk")}, Trials: []directory.Trial{trial},
		Refusals: []directory.Refusal{{Reason: "DocumentReference.content[].attachment.url must be at an endpoint", Count: 3}}}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(time.Microsecond), cmpopts.IgnoreFields(directory.Contact{}, "Changed"), cmpopts.IgnoreFields(directory.Refusal{}, "Last")); d != "" {
		t.Errorf("(-recorded +read):\n%s", d)
	}
	if later, err := s.Recorded(ctx, site, hie.Now().Add(time.Hour)); err != nil || len(later.Refusals) != 0 {
		t.Errorf("refusals from before count: %v, %v", later.Refusals, err)
	}
}

func TestNothingIsRecordedOfASiteThatIsNotThereOrUnrecorded(t *testing.T) {
	ctx, broken := context.Background(), errors.New("no log")
	s := joined(t, pgtest.DB(t), func(context.Context, pg.Querier, ...audit.Event) error { return broken })
	for want, site := range map[error]hie.SiteID{hie.ErrNotFound: "never", broken: "oak-street"} {
		_, err := s.Agree(ctx, as("anna"), agreementOf(site), false)
		for i, err := range []error{err, s.PutContact(ctx, as("anna"), contactOf(site, "Desk"), false), s.KeepTrial(ctx, as("anna"), directory.Trial{Site: site, Kind: directory.TrialAlert, At: hie.Now()})} {
			if !errors.Is(err, want) {
				t.Errorf("%d of %s: %v, want %v", i, site, err, want)
			}
		}
	}
	site, _ := load(t, s).Site("oak-street")
	if e, err := s.Recorded(ctx, site, time.Time{}); err != nil || len(e.Agreements)+len(e.Contacts)+len(e.Trials) != 0 {
		t.Errorf("%v, %v", e, err)
	}
}
