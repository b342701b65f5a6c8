package federation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestLiveSitesAreHeardWithinTheTimeThereIs(t *testing.T) {
	defer goleak.VerifyNone(t)
	hang := func(ctx context.Context, _ Ask) ([]locator.Pointer, error) { <-ctx.Done(); return nil, ctx.Err() }
	for _, tt := range []struct {
		name   string
		search func(context.Context, Ask) ([]locator.Pointer, error)
		fate   Fate
		n      int
	}{
		{"one that answers", nil, "", 1},
		{"one that has nothing", func(context.Context, Ask) ([]locator.Pointer, error) { return nil, nil }, "", 0},
		{"one that hangs", hang, Late, 0},
		{"one that refuses", func(context.Context, Ask) ([]locator.Pointer, error) {
			return nil, &SiteError{Fate: Refused, Reason: "http 403"}
		}, Refused, 0},
		{"one that talks garbage", func(context.Context, Ask) ([]locator.Pointer, error) {
			return nil, &SiteError{Fate: Failed, Reason: "not a searchset"}
		}, Failed, 0},
		{"one left in peace", func(context.Context, Ask) ([]locator.Pointer, error) {
			return nil, &SiteError{Fate: Skipped, Reason: "breaker open"}
		}, Skipped, 0},
		{"one that fails oddly", func(context.Context, Ask) ([]locator.Pointer, error) { return nil, errors.New("zyxquill") }, Failed, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			indexed := w.doc(mariaHospital, "hospital", "18842-5", 1)
			told := pointer(w.network, mariaLive, "rural", "34133-9", 2)
			told.Kind = locator.KindOf(told.Categories, told.Types, told.Labels, true)
			w.search = tt.search
			if w.search == nil {
				w.search = func(_ context.Context, ask Ask) ([]locator.Pointer, error) {
					if ask.Local != (hie.Identifier{System: "urn:rural", Value: "r-5"}) || ask.Record != mariaLive {
						t.Error("the site was not asked by its own identifier")
					}
					return []locator.Pointer{told}, nil
				}
			}
			start := time.Now()
			f := find(t, w, Query{})
			if took := time.Since(start); took > 700*time.Millisecond {
				t.Errorf("took %v with a budget of 400ms", took)
			}
			if len(f.Entries) != tt.n+1 || f.Entries[len(f.Entries)-1].ID != indexed.ID {
				t.Errorf("%d entries, want %d: a silent site takes nothing from the others", len(f.Entries), tt.n+1)
			}
			if tt.n == 1 && (!f.Entries[0].Live || len(w.kept) != 1) {
				t.Error("what the live site told is not marked or not kept")
			}
			var want []Silence
			if tt.fate != "" {
				want = []Silence{{Site: "rural", Fate: tt.fate}}
			}
			if diff := cmp.Diff(want, f.Silent); diff != "" {
				t.Errorf("silent sites:\n%s", diff)
			}
			asked := w.recorded(audit.SiteAsked)
			if len(asked) != 1 || asked[0].Site != "rural" || strings.Contains(strings.Join(asked[0].Reasons, ""), "zyxquill") {
				t.Errorf("%d events of sites asked, want 1 about rural that quotes nothing", len(asked))
			}
		})
	}
}

func TestASiteIsNotAskedWhereNothingItSaysMayBeShown(t *testing.T) {
	w := newWorld(t)
	w.say(denyAll(mariaClinic))
	if f := find(t, w, Query{}); len(f.Silent) != 0 || w.searches["rural"] != 0 {
		t.Errorf("asked %d times", w.searches["rural"])
	}
	w = newWorld(t)
	a := clinician()
	a.Organization = "rural"
	if _, err := w.Find(context.Background(), a, Query{Patient: hie.Identifier{System: "urn:rural", Value: "r-5"}, Limit: 5}); err != nil || w.searches["rural"] != 0 {
		t.Errorf("a site was asked what it asks: %d times, %v", w.searches["rural"], err)
	}
}

func TestASiteThatMayNotBeNamedIsNotMissed(t *testing.T) {
	w := newWorld(t)
	w.search = func(context.Context, Ask) ([]locator.Pointer, error) {
		return nil, &SiteError{Fate: Failed, Reason: "http 500"}
	}
	d := denyAll(mariaLive)
	d.NetworkWide, d.PolicyRules = false, nil
	d.Provision.Actors = []consent.Actor{{Role: "CST", Reference: "Organization/rural"}}
	d.Provision.Classes = []string{"11488-4", registration} // consultations, and that the site knows her, are nobody's business
	w.say(d)
	f := find(t, w, Query{})
	if w.searches["rural"] != 1 || len(f.Silent) != 0 {
		t.Errorf("asked %d times, %d sites named; want 1 and none", w.searches["rural"], len(f.Silent))
	}
}

func TestWhatALiveSiteTellsIsDecidedByItsOwnLabels(t *testing.T) {
	w := newWorld(t)
	make := func(labels ...hie.Coding) locator.Pointer {
		p := pointer(w.network, mariaLive, "rural", "34133-9", 2)
		p.Labels = labels
		p.Kind = locator.KindOf(p.Categories, p.Types, p.Labels, true)
		return p
	}
	plain := make(hie.Coding{System: locator.SystemConfidentiality, Code: "N"})
	w.search = func(context.Context, Ask) ([]locator.Pointer, error) {
		return []locator.Pointer{plain,
			make(hie.Coding{System: locator.SystemConfidentiality, Code: "R"}, hie.Coding{System: locator.SystemActCode, Code: "PSY"}),
			make(hie.Coding{System: locator.SystemConfidentiality, Code: "R"}, hie.Coding{System: locator.SystemActCode, Code: "MH"})}, nil
	}
	d := denyAll(mariaClinic)
	d.PolicyRules = nil
	d.Provision.Labels = []string{"BH"}
	w.say(d)
	if f := find(t, w, Query{}); !slices.Equal(ids(f), []hie.PointerID{plain.ID}) || len(w.kept) != 1 {
		t.Errorf("found %d, kept %d; want the ordinary one alone", len(f.Entries), len(w.kept))
	}
}

func TestOnlySitesThatMayBeNamedAreNamed(t *testing.T) {
	w := newWorld(t)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	p := w.persons[1]
	check := func(want map[hie.SourcePatientID]bool) {
		t.Helper()
		got, still, err := w.Nameable(context.Background(), clinician(), p)
		if ok, err := still(context.Background()); err != nil || !ok {
			t.Errorf("nothing has moved, and it is held that something has: %v", err)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	check(map[hie.SourcePatientID]bool{mariaClinic: true, mariaHospital: true, mariaHeart: true, mariaLive: true})
	_, still, err := w.Nameable(context.Background(), clinician(), p)
	if err != nil {
		t.Fatal(err)
	}
	w.say(denyAll(mariaClinic))
	if ok, err := still(context.Background()); err != nil || ok {
		t.Errorf("she took it back since, and it still holds: %v", err)
	}
	check(map[hie.SourcePatientID]bool{mariaClinic: true, mariaHospital: false, mariaHeart: false, mariaLive: false})
	other := hie.Actor{Organization: "patient-app", Patient: otto, Roles: []string{hie.RolePatient}, Purposes: []hie.Purpose{hie.PurposePatientRequest}}
	if got, _, err := w.Nameable(context.Background(), other, p); err != nil || len(got) != 0 {
		t.Errorf("another patient is told of %d records, %v", len(got), err)
	}
}

// A hundred sites, a third of them hung: the good ones are all there, in time, and nothing is left running.
func TestThirtyOfAHundredHang(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t)
	members := []mpi.Member{member(mariaClinic, "clinic", "m-1")}
	for i := range 100 {
		members = append(members, member(hie.SourcePatientID(100+i), "rural", fmt.Sprint("r", i)))
	}
	w.person(1, members...)
	w.search = func(ctx context.Context, ask Ask) ([]locator.Pointer, error) {
		switch ask.Record % 10 {
		case 0, 1, 2:
			<-ctx.Done()
			return nil, ctx.Err()
		case 3:
			return nil, &SiteError{Fate: Failed, Reason: "not a searchset"}
		}
		p := pointer(w.network, ask.Record, "rural", "34133-9", int(ask.Record))
		p.ID = hie.PointerID(ask.Record) * 7
		p.MasterIdentifier.Value = fmt.Sprint("uid of ", ask.Record)
		p.Kind = locator.KindOf(p.Categories, p.Types, p.Labels, true)
		return []locator.Pointer{p}, nil
	}
	start := time.Now()
	f := find(t, w, Query{Limit: 200})
	if took := time.Since(start); f.Total != 60 || took > 600*time.Millisecond {
		t.Errorf("%d documents after %v, want 60 within 400ms and a little", f.Total, took)
	}
	if n := len(w.recorded(audit.SiteAsked)); n != 100 {
		t.Errorf("%d of 100 sites accounted for", n)
	}
}
