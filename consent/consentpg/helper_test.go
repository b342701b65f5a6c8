package consentpg

import (
	"context"
	"errors"
	"testing"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

func TestAHelperHasOneAccountAndAnAccountMayHelpSeveral(t *testing.T) {
	ctx := context.Background()
	s := New(pgtest.DB(t), hie.NewIDs(nil), auditpg.Append, hie.Now)
	actor := hie.Actor{Organization: "network", User: "ana"}
	var helpers []consent.Representative
	for _, record := range []hie.SourcePatientID{11, 12, 13} {
		r, err := s.Represent(ctx, actor, consent.NamedByPatient(record, "Ana Marsh", consent.RightsView, "", ""), 0)
		if err != nil {
			t.Fatal(err)
		}
		helpers = append(helpers, r)
	}
	for _, r := range helpers[:2] {
		if err := s.BindHelper(ctx, actor, "ana", r.Record, r.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.BindHelper(ctx, actor, "ana", 11, helpers[0].ID); err != nil {
		t.Errorf("the same account again: %v", err)
	}
	if err := s.BindHelper(ctx, actor, "eve", 11, helpers[0].ID); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("another account: %v", err)
	}
	for i, want := range []bool{true, true, false} {
		if got, err := s.HelperBound(ctx, helpers[i].Record, helpers[i].ID); err != nil || got != want {
			t.Errorf("record %d bound: %v, %v", helpers[i].Record, got, err)
		}
	}
	ended := helpers[1]
	ended.Withdrawn = true
	if _, err := s.Represent(ctx, actor, ended, 1); err != nil {
		t.Fatal(err)
	}
	got, err := s.HelpedBy(ctx, "ana")
	if err != nil || len(got) != 2 || got[0].Record != 11 || got[1].Record != 12 || !got[1].Withdrawn {
		t.Errorf("helps %d patients, %v; want both in their current version", len(got), err)
	}
	if got, err := s.HelpedBy(ctx, "eve"); err != nil || len(got) != 0 {
		t.Errorf("an account nobody bound helps %d, %v", len(got), err)
	}
}
