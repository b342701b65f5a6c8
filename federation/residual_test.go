package federation

import (
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

func TestWhatIsHeldOfARecordIsItsOwnCurrentDocumentsAsTheyAreDecided(t *testing.T) {
	w := newWorld(t)
	two := w.doc(mariaHospital, "hospital", "11488-4", 1, func(p *locator.Pointer) {
		p.Categories = append(p.Categories, hie.Coding{System: "http://loinc.org", Code: "psychotherapy-note"})
	})
	newest := w.doc(mariaHospital, "hospital", "18842-5", 2)
	w.doc(mariaHospital, "hospital", "18842-5", 3, func(p *locator.Pointer) { p.Status = locator.Superseded })
	w.doc(mariaHeart, "heart", "11488-4", 4)
	w.doc(otto, "hospital", "11488-4", 5)
	held, err := w.Held(t.Context(), member(mariaHospital, "hospital", "77"), 10)
	if err != nil || len(held) != 2 || held[0].Name != "doc-"+newest.ID.String() || held[1].Name != "doc-"+two.ID.String() {
		t.Fatalf("%d held, %v; want the two current ones of the record, newest first", len(held), err)
	}
	if len(held[1].Parts) != 2 || held[1].Parts[1].Class != "psychotherapy-note" || held[1].Master.Value != two.MasterIdentifier.Value {
		t.Errorf("a document of two classes is decided as %d parts", len(held[1].Parts))
	}
	if held, err = w.Held(t.Context(), member(mariaHospital, "hospital", "77"), 1); err != nil || len(held) != 1 {
		t.Errorf("%d held of one asked for, %v", len(held), err)
	}
}
