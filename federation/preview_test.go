package federation

import (
	"context"
	"errors"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

func TestAPreviewIsWhatAQueryWouldBeAndDisclosesNothing(t *testing.T) {
	w := newWorld(t)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	w.doc(mariaHeart, "heart", "11488-4", 2)
	w.doc(otto, "hospital", "11502-2", 3)
	maria := hie.Actor{Organization: "patient-app", Client: "app", Roles: []string{hie.RolePatient}, Purposes: []hie.Purpose{hie.PurposePatientRequest}, Patient: mariaClinic}
	ask := func(p Preview) (shown, kept int64) {
		t.Helper()
		p.As = clinician()
		out, err := w.Preview(context.Background(), maria, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			shown, kept = shown+o.Shown, kept+o.Kept
		}
		return shown, kept
	}
	if shown, kept := ask(Preview{}); shown != 2 || kept != 0 {
		t.Errorf("as things stand %d shown, %d kept; want both documents of hers shown", shown, kept)
	}
	refuse := func([]consent.Directive) []consent.Directive { return []consent.Directive{denyAll(mariaClinic)} }
	if shown, kept := ask(Preview{Propose: refuse}); shown != 0 || kept != 2 {
		t.Errorf("under a refusal %d shown, %d kept; want none of two", shown, kept)
	}
	if n := len(find(t, w, Query{}).Entries); n != 2 {
		t.Errorf("afterwards a query found %d, want 2: a preview changes nothing", n)
	}
	previews := 0
	for _, e := range w.recorded(audit.Decision) {
		if e.Detail["interaction"] == "preview" && e.Actor.Patient == mariaClinic {
			previews++
		}
	}
	if previews != 2 {
		t.Errorf("%d previews on record, want 2", previews)
	}
	if _, err := w.Preview(context.Background(), clinician(), Preview{As: clinician()}); !errors.Is(err, hie.ErrForbidden) {
		t.Errorf("somebody else asked: %v, want forbidden", err)
	}
}

func TestAPreviewOfAnEmergencyFollowsTheRefusalsOwnBounds(t *testing.T) {
	w := newWorld(t)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	maria := hie.Actor{Organization: "patient-app", Client: "app", Roles: []string{hie.RolePatient}, Patient: mariaClinic}
	as := clinician()
	as.Roles, as.Purposes = []string{"ed"}, []hie.Purpose{hie.PurposeBreakGlass}
	for _, tt := range []struct {
		name     string
		absolute bool
		want     int64
	}{{"a refusal gives way", false, 1}, {"one that holds in an emergency too does not", true, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			d := denyAll(mariaClinic)
			d.Absolute = tt.absolute
			out, err := w.Preview(context.Background(), maria, Preview{As: as, Emergency: true, Propose: func([]consent.Directive) []consent.Directive { return []consent.Directive{d} }})
			if err != nil || len(out) != 1 || out[0].Shown != tt.want {
				t.Errorf("got %d outlooks, %v; want %d shown", len(out), err, tt.want)
			}
		})
	}
}
