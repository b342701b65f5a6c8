package sim

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func region(t *testing.T, seed uint64, people, sites int) *Region {
	t.Helper()
	r, err := Population(seed, people, sites)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestASeedAlwaysGivesTheSameRegion(t *testing.T) {
	a, b := region(t, 7, 600, 6), region(t, 7, 600, 6)
	if !reflect.DeepEqual(a.People, b.People) || !reflect.DeepEqual(a.Registrations, b.Registrations) {
		t.Fatal("two regions of one seed differ")
	}
	for _, g := range a.Registrations[:60] {
		for n := range min(g.Documents, 3) {
			if string(a.Document(g, n).Reference("http://x/fhir")) != string(b.Document(g, n).Reference("http://x/fhir")) {
				t.Fatalf("document %d of registration %d differs", n, g.Index)
			}
		}
	}
	c := region(t, 8, 600, 6)
	if reflect.DeepEqual(a.People, c.People) {
		t.Error("another seed gave the same people")
	}
}

func TestAPopulationHasAsManyPeopleAndSitesAsAsked(t *testing.T) {
	for _, n := range []int{0, 14, 2000} {
		if got := len(region(t, 1, n, 5).People); got != max(n, len(cast())) {
			t.Errorf("people = %d, asked for %d", got, n)
		}
	}
	for _, n := range []int{5, 6, 12} {
		if got := len(region(t, 1, 20, n).Sites); got != n {
			t.Errorf("sites = %d, asked for %d", got, n)
		}
	}
}

func TestLocalIdsAreUniqueInASiteAndEveryoneIsKnownSomewhere(t *testing.T) {
	r := region(t, 3, 5000, 8)
	seen := map[string]bool{}
	for i, g := range r.Registrations {
		if key := g.Site + "|" + g.Local; seen[key] {
			t.Fatalf("%s given twice", key)
		} else {
			seen[key] = true
		}
		if g.Index != i {
			t.Fatalf("registration %d has index %d", i, g.Index)
		}
	}
	for _, p := range r.People {
		if len(p.Registrations) == 0 {
			t.Fatalf("person %d is known nowhere", p.ID)
		}
	}
}

func TestEveryStoryHasItsPeople(t *testing.T) {
	r := region(t, 1, 50, 5)
	for story, want := range map[string]int{Ordinary: 1, OptedOut: 1, EmergencyOnly: 1, Part2Only: 1, Twins: 2, NameChange: 1, Overlay: 1,
		Deceased: 1, Heavy: 1, Namesakes: 2, AskedLive: 1, Teen: 1, PlaceholderID: 1, NoAddress: 1, TwoCountries: 1} {
		if got := len(r.Story(story)); got != want {
			t.Errorf("%s: %d people, want %d", story, got, want)
		}
	}
	documents := 0
	for _, i := range r.Story(Heavy)[0].Registrations {
		documents += r.Registrations[i].Documents
	}
	if documents != 5000 {
		t.Errorf("the heavy person has %d documents", documents)
	}
	if o := r.Overlays[0]; r.Registrations[o.Index].Local != o.Local || r.Registrations[o.Index].Person == o.Person {
		t.Error("an overlay must put another person over the same record")
	}
}

func TestDocumentsStayTheSameAndFitTheirReference(t *testing.T) {
	r := region(t, 5, 300, 6)
	types := map[string]bool{}
	for _, g := range r.Registrations {
		site, _ := r.Site(g.Site)
		for n := range min(g.Documents, 5) {
			d := r.Document(g, n)
			types[d.ContentType] = true
			if again, ok := r.ByID(g.Site, d.ID); !ok || again.UID != d.UID {
				t.Fatal("an id must lead back to its document")
			}
			if _, ok := r.ByID("nowhere", d.ID); ok {
				t.Fatal("an id must not be good at another site")
			}
			if strings.Contains(d.ID, strings.ToLower(g.Local)) {
				t.Fatal("an id must not tell the patient's")
			}
			if d.Start.After(d.Created) || d.Created.After(Today) {
				t.Fatalf("document dated %v to %v, made %v", d.Start, d.End, d.Created)
			}
			body := d.Bytes()
			if d.ContentType == "application/fhir+json" && !json.Valid(body) {
				t.Fatal("a FHIR document must be JSON")
			}
			var ref struct {
				Content []struct {
					Attachment struct {
						Hash string
						Size int
					}
				}
			}
			if err := json.Unmarshal(d.Reference("http://x/fhir"), &ref); err != nil {
				t.Fatal(err)
			}
			if a := ref.Content[0].Attachment; a.Hash != Hash(body) || a.Size != len(body) {
				t.Fatalf("%s: hash or size of the reference is not that of the bytes", site.ID)
			}
		}
	}
	if len(types) != 4 {
		t.Errorf("content types = %v, want four", types)
	}
}

func TestABirthDateIsADateOrMissing(t *testing.T) {
	for _, g := range region(t, 2, 4000, 7).Registrations {
		if g.Birth == "" {
			continue
		}
		if d, err := time.Parse(time.DateOnly, g.Birth); err != nil || d.After(Today) {
			t.Fatalf("birth date %q", g.Birth)
		}
	}
}

func TestALargerRegionBeginsWithTheSmallerOne(t *testing.T) {
	small, large := region(t, 4, 700, 6), region(t, 4, 1500, 6)
	if n := len(small.Registrations); !reflect.DeepEqual(small.Registrations, large.Registrations[:n]) {
		t.Error("people added later must not change what the sites wrote about those there before")
	}
}
