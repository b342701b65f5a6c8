package auditpg

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

func TestASavedSearchIsItsOwnersAlone(t *testing.T) {
	db, ctx := pgtest.DB(t), context.Background()
	x := NewSearches(db, hie.NewIDs(nil), hie.Now)
	stone, ortega := hie.Actor{Organization: "network", User: "p.stone"}, hie.Actor{Organization: "network", User: "l.ortega"}
	want := audit.SavedSearch{Name: "Nights", Days: 7, Organization: "oak", User: "bloom", Kind: audit.Disclosed, Outcome: "0", Purpose: "TREAT", Emergency: true, Record: 11}
	if err := x.Save(ctx, stone, want); err != nil {
		t.Fatal(err)
	}
	of := func(a hie.Actor) []audit.SavedSearch {
		t.Helper()
		out, err := x.Of(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	got := of(stone)
	if len(got) != 1 {
		t.Fatalf("%d searches", len(got))
	}
	id := got[0].ID
	want.ID, want.Saved = id, got[0].Saved
	if got[0] != want {
		t.Errorf("read back with kind %q and %d days", got[0].Kind, got[0].Days)
	}
	if n := len(of(ortega)); n != 0 {
		t.Errorf("another officer has %d", n)
	}
	if err := x.Forget(ctx, ortega, id); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("another officer forgets it: %v", err)
	}
	want.Days = 30
	if err := x.Save(ctx, stone, want); err != nil {
		t.Fatal(err)
	}
	if got := of(stone); len(got) != 1 || got[0].Days != 30 || got[0].ID != id {
		t.Errorf("saved again under its name: %d searches", len(got))
	}
	for i := range maxSaved - 1 {
		if err := x.Save(ctx, stone, audit.SavedSearch{Name: strconv.Itoa(i), Days: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Save(ctx, stone, audit.SavedSearch{Name: "one more", Days: 1}); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("one more than may be kept: %v", err)
	}
	if err := x.Save(ctx, stone, want); err != nil {
		t.Errorf("one that is kept already: %v", err)
	}
	if err := x.Forget(ctx, stone, id); err != nil || len(of(stone)) != maxSaved-1 {
		t.Errorf("forgotten: %v, %d left", err, len(of(stone)))
	}
	for name, bad := range map[string]audit.SavedSearch{"without a name": {Days: 1}, "of two lines": {Name: "a\nb", Days: 1}, "of no days": {Name: "a"}, "of too many days": {Name: "a", Days: 367}} {
		if x.Save(ctx, ortega, bad) == nil {
			t.Errorf("a search %s was kept", name)
		}
	}
}
