package mpitest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// The acceptance scenarios of spec mpi section 7 that a single program can play. Scenario 6 is in mpipg, with several
// processes; scenario 10 in server.

// partition writes which of n registrations are together, ids aside.
func partition(w *World, records []hie.SourcePatientID) string {
	seen := map[hie.PersonID]int{}
	var b strings.Builder
	for _, r := range records {
		p := w.PersonOf(r).ID
		if _, in := seen[p]; !in {
			seen[p] = len(seen)
		}
		fmt.Fprint(&b, seen[p], " ")
	}
	return b.String()
}

// okonkwo is a household two twin girls are born into.
func okonkwo(given string, order int) mpi.Demographics {
	d := mpi.Demographics{Names: []mpi.Name{{Given: []string{given}, Family: "Okonkwo"}}, Birth: mpi.Date{Year: 2019, Month: 5, Day: 2}, Sex: mpi.Female,
		Addresses:         []mpi.Address{{Lines: []string{"418 Alder Street"}, City: "Towson", State: "MD", PostalCode: "21204"}},
		Telecoms:          []mpi.Telecom{{System: "phone", Value: "410-366-2187"}},
		MothersMaidenName: "Adeyemi"}
	if order >= 0 {
		d.Multiple = mpi.MultipleBirth{Known: true, Multiple: true, Order: order}
	}
	return d
}

// Scenario 1: two same-sex twins from newborn to school age, the mother's number on the newborns.
func scenario1(t *testing.T, w *World) {
	mother := okonkwo("Folasade", -1)
	mother.Birth, mother.MothersMaidenName, mother.Identifiers = mpi.Date{Year: 1991, Month: 8, Day: 23}, "", []mpi.Identifier{SSN("219-44-7781")}
	m := w.Register("hospital", "m", mother).Record
	var newborn, school []hie.SourcePatientID
	for i, given := range []string{"BABY GIRL A", "BABY GIRL B"} {
		d := okonkwo(given, i+1)
		d.Identifiers = mother.Identifiers
		newborn = append(newborn, w.Register("hospital", fmt.Sprint("n", i), d).Record)
	}
	for i, given := range []string{"Adaeze", "Chidinma"} {
		school = append(school, w.Register("pediatrics", fmt.Sprint("s", i), okonkwo(given, i+1)).Record)
	}
	for i := range 2 {
		if !w.Together(newborn[i], school[i]) {
			t.Errorf("twin %d's newborn record is not with the later one of the same birth order", i)
		}
	}
	later := w.Register("clinic", "l", okonkwo("Adaeze", -1))
	nameless := w.Register("clinic", "x", okonkwo("BABY GIRL", 0))
	for i := range 2 {
		// A third record without birth order may leave too little certainty; then a steward is asked.
		if !w.Together(newborn[i], school[i]) && len(w.OpenTasks(newborn[i])) == 0 {
			t.Errorf("twin %d's newborn record was parted from the later one, and nobody is asked", i)
		}
		if w.Together(m, newborn[i]) || w.Together(m, school[i]) {
			t.Errorf("twin %d was linked to her mother", i)
		}
	}
	if w.Together(newborn[0], newborn[1]) || w.Together(school[0], school[1]) {
		t.Error("the twins were linked")
	}
	if w.Together(later.Record, school[1]) {
		t.Error("Adaeze's later record was linked to her sister")
	}
	if w.Together(nameless.Record, newborn[0]) || w.Together(nameless.Record, newborn[1]) {
		t.Error("a nameless newborn without birth order was linked")
	}
	named := false
	for _, k := range w.OpenTasks(nameless.Record) {
		named = named || k.Kind == mpi.TaskHousehold && k.Missing == "birth-order"
	}
	if !named {
		t.Errorf("no task names the missing birth order: %+v", w.OpenTasks(nameless.Record))
	}
	if shared := w.OpenTasks(newborn[0]); !slices.ContainsFunc(shared, func(k mpi.Task) bool { return k.Kind == mpi.TaskIdentifier || k.Kind == mpi.TaskHousehold }) {
		t.Errorf("nobody is asked about the mother's number on the newborn: %+v", shared)
	}
}

// Scenario 2: father and son of one name at one address, the suffix on half the records, day and month swapped on one.
func scenario2(t *testing.T, w *World) {
	man := func(born mpi.Date, suffix string) mpi.Demographics {
		d := okonkwo("Thaddeus", -1)
		d.Names[0].Family, d.Birth, d.Sex, d.MothersMaidenName = "Wolcott", born, mpi.Male, ""
		if suffix != "" {
			d.Names[0].Suffix = []string{suffix}
		}
		return d
	}
	var father, son []hie.SourcePatientID
	sites := []string{"a", "b", "c", "d", "e", "f"}
	for i, site := range sites {
		sr, jr, born := "", "", mpi.Date{Year: 1951, Month: 4, Day: 9}
		if i%2 == 0 {
			sr, jr = "Sr", "Jr"
		}
		if i == 3 {
			born.Month, born.Day = born.Day, born.Month
		}
		father = append(father, w.Register(site, "f", man(born, sr)).Record)
		son = append(son, w.Register(site, "s", man(mpi.Date{Year: 1979, Month: 9, Day: 30}, jr)).Record)
	}
	for _, own := range [][]hie.SourcePatientID{father, son} {
		if !w.Together(own...) {
			t.Errorf("one man's records are %s", partition(w, own))
		}
	}
	for _, f := range father {
		for _, s := range son {
			if w.Together(f, s) {
				t.Fatal("father and son were linked")
			}
		}
	}
}

// Scenario 3: an overlay is held back, settled by two people, and both persons stay visible.
func scenario3(t *testing.T, w *World) {
	a, b := w.Register("a", "123", Maria()), w.Register("b", "9", Maria())
	time.Sleep(2 * time.Millisecond)
	before := hie.Now()
	time.Sleep(2 * time.Millisecond)
	other := mpi.Demographics{Names: []mpi.Name{{Given: []string{"Dietrich"}, Family: "Vanterpool"}}, Birth: mpi.Date{Year: 1949, Month: 11, Day: 27}, Sex: mpi.Male}
	w.Register("a", "123", other)
	if !w.Together(a.Record, b.Record) {
		t.Error("old links must stay while the update is in dispute")
	}
	task := w.OpenTasks(a.Record)[0]
	if task.Kind != mpi.TaskOverlay || task.Risk < 90 {
		t.Errorf("task = %+v, want an overlay at the top of the queue", task)
	}
	if _, err := w.Settle(ctx, Actor, task.ID, mpi.CannotLink, "the number was given to another patient"); err != nil {
		t.Fatal(err)
	}
	if w.Together(a.Record, b.Record) {
		t.Error("after the override the record is another person")
	}
	then, err := w.AsOf(ctx, a.Record, before)
	if err != nil || len(then.Members) != 2 {
		t.Errorf("as of before: %d members, %v; want 2", len(then.Members), err)
	}
	said, err := w.SaidAt(ctx, []hie.SourcePatientID{a.Record}, before)
	if err != nil || len(said) != 1 || said[0].Demographics.Names[0].Family != "Quintanilla" {
		t.Errorf("what the record said before: %d, %v", len(said), err)
	}
	versions, err := w.RecordVersions(ctx, a.Record)
	if err != nil || len(versions) != 2 {
		t.Errorf("versions = %d, %v; want both persons", len(versions), err)
	}
	d := Maria()
	d.Names[0].Text = "revised"
	if w.Register("b", "9", d); w.Together(a.Record, b.Record) {
		t.Error("rescoring undid the override")
	}
}

// Scenario 5: a chain of records each like the next, whose ends are two people.
func scenario5(t *testing.T, w *World) {
	step := func(given, family, street, phone string, born mpi.Date) mpi.Demographics {
		d := mpi.Demographics{Names: []mpi.Name{{Given: []string{given}, Family: family}}, Birth: born, Sex: mpi.Female}
		if street != "" {
			d.Addresses = []mpi.Address{{Lines: []string{street}, City: "Laurel", PostalCode: "20707"}}
		}
		if phone != "" {
			d.Telecoms = []mpi.Telecom{{System: "phone", Value: phone}}
		}
		return d
	}
	born, near := mpi.Date{Year: 1988, Month: 6, Day: 22}, mpi.Date{Year: 1988, Month: 6, Day: 23}
	chain := []mpi.Demographics{
		step("Perpetua", "Akinfenwa", "5 Mulberry Court", "2403128844", born),
		step("Perpetua", "Akinfenwa", "77 Ferry Point Road", "2403128844", born),
		step("Perpetua", "Szczepanik", "77 Ferry Point Road", "", born),
		step("Perpetua", "Szczepanik", "77 Ferry Point Road", "4437729015", near),
		step("Petra", "Szczepanik", "12 Harbor Road", "4437729015", near),
		step("Petra", "Szczepanik", "12 Harbor Road", "4105550912", mpi.Date{Year: 1961, Month: 6, Day: 23}),
	}
	var records []hie.SourcePatientID
	for i, d := range chain {
		records = append(records, w.Register(string(rune('a'+i)), "1", d).Record)
	}
	if w.Together(records[0], records[len(records)-1]) {
		t.Error("the two ends of the chain were joined")
	}
	asked := false
	for _, r := range records {
		asked = asked || len(w.OpenTasks(r)) > 0
	}
	if !asked {
		t.Error("nobody is asked about the bridge")
	}
	together := partition(w, records)
	x, y := records[0], records[1]
	if !w.Together(x, y) {
		t.Fatalf("the first two are one woman who moved: %s", together)
	}
	change, err := w.Decide(ctx, Actor, x, y, mpi.CannotLink, "two women")
	if err != nil || w.Together(x, y) {
		t.Fatalf("refusing an edge: %v", err)
	}
	best, err := w.BestOf(ctx, x)
	if err != nil || slices.ContainsFunc(best.Demographics.Addresses, func(a mpi.Address) bool { return a.Lines[0] == "77 Ferry Point Road" }) {
		t.Errorf("the best record keeps a residue of the other: %v", err)
	}
	if _, err := w.Undo(ctx, Actor, change, "one after all"); err != nil || partition(w, records) != together {
		t.Errorf("undone: %s, %v; want %s", partition(w, records), err, together)
	}
}

// Scenario 7: a registration whose parts each match another member of one person.
func scenario7(t *testing.T, w *World) {
	member := mpi.Identifier{Identifier: hie.Identifier{System: "urn:payer:one", Value: "W-55-301"}, Type: "MB"}
	base := stranger(1)
	parts := []mpi.Demographics{base, {Names: base.Names, Telecoms: []mpi.Telecom{{System: "phone", Value: "2027138850"}}},
		{Names: base.Names, Identifiers: []mpi.Identifier{member}}, {Names: base.Names, Addresses: []mpi.Address{{Lines: []string{"3 Canal Street"}, City: "Bowie", PostalCode: "20715"}}},
		{Names: base.Names, Birth: base.Birth}}
	var records []hie.SourcePatientID
	for i, d := range parts {
		records = append(records, w.Register(string(rune('a'+i)), "1", d).Record)
		if i > 0 {
			if _, err := w.Decide(ctx, Actor, records[0], records[i], mpi.MustLink, "known to the registry"); err != nil {
				t.Fatal(err)
			}
		}
	}
	d := mpi.Demographics{Names: base.Names, Birth: base.Birth, Telecoms: parts[1].Telecoms, Identifiers: []mpi.Identifier{member}}
	m, err := w.Match(ctx, Actor, d, mpi.MatchOptions{})
	if err != nil || len(m.Identities) != 1 || m.Identities[0].Grade != mpi.GradeCertain || len(m.Identities[0].Person.Members) != 5 || len(m.Identities[0].Evidence) == 0 {
		t.Fatalf("match = %d identities, %v", len(m.Identities), err)
	}
	if got := w.Register("z", "1", d); !w.Together(got.Record, records[0]) || got.Grade != mpi.GradeCertain {
		t.Errorf("registration = %+v, want it with the five", got)
	}
}

// Scenario 8: a wrong merge, many links and updates after it, then the merge is taken back.
func scenario8(t *testing.T, w *World) {
	here, there := stranger(0), stranger(1)
	a, b := w.Register("a", "1", here), w.Register("b", "1", there)
	merge, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.MustLink, "wrongly")
	if err != nil || !w.Together(a.Record, b.Record) {
		t.Fatal(err)
	}
	var ours, theirs []hie.SourcePatientID
	for i := range 34 { // 68 links and 136 updates
		ours = append(ours, w.Register(fmt.Sprint("s", i), "h", here).Record)
		theirs = append(theirs, w.Register(fmt.Sprint("s", i), "t", there).Record)
		for v := range 2 {
			d := here
			d.Names = []mpi.Name{{Given: here.Names[0].Given, Family: here.Names[0].Family, Text: fmt.Sprint("update ", v)}}
			w.Register(fmt.Sprint("s", i), "h", d)
		}
	}
	kept := w.PersonOf(a.Record).ID
	if !w.Together(append(append([]hie.SourcePatientID{a.Record, b.Record}, ours...), theirs...)...) {
		t.Fatal("while merged, all belong together")
	}
	if _, err := w.Undo(ctx, Actor, merge, "two people"); err != nil {
		t.Fatal(err)
	}
	if !w.Together(append(ours, a.Record)...) || !w.Together(append(theirs, b.Record)...) || w.Together(a.Record, b.Record) {
		t.Errorf("after the unmerge: %s / %s", partition(w, append(ours, a.Record)), partition(w, append(theirs, b.Record)))
	}
	if pa, pb := w.PersonOf(a.Record).ID, w.PersonOf(b.Record).ID; pa != a.Person || pb != b.Person || (kept != pa && kept != pb) {
		t.Errorf("persons = %d and %d, want %d and %d as before the merge", pa, pb, a.Person, b.Person)
	}
	w.replays(append(append(ours, theirs...), a.Record, b.Record))
}

// replays holds the rows about records against what the events alone say.
func (w *World) replays(records []hie.SourcePatientID) {
	w.t.Helper()
	records = once(records)
	events, err := w.Store.EventsOfRecords(ctx, records)
	if err != nil {
		w.t.Fatal(err)
	}
	persons := map[hie.PersonID]bool{}
	for _, e := range events {
		for _, p := range []hie.PersonID{e.From.Person, e.To.Person} {
			persons[p] = p != 0
		}
	}
	var ids []hie.PersonID
	seen := map[int64]bool{}
	for _, e := range events {
		seen[e.ID] = true
	}
	for p, is := range persons {
		if !is {
			continue
		}
		ids = append(ids, p)
		own, err := w.Store.EventsOfPerson(ctx, p)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range own {
			if !seen[e.ID] {
				seen[e.ID] = true
				events = append(events, e)
			}
		}
	}
	slices.SortFunc(events, func(a, b mpi.Event) int { return int(max(-1, min(1, a.ID-b.ID))) })
	want := mpi.Replay(nil)
	members, err := w.Store.Members(ctx, ids)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range members {
		want.Places[m.Record] = mpi.Place{Person: m.Person, Link: m.Link}
	}
	rows, err := w.Store.Persons(ctx, ids)
	if err != nil {
		w.t.Fatal(err)
	}
	for id, row := range rows {
		if row.Redirect != 0 {
			want.Redirects[id] = row.Redirect
		}
	}
	homes, err := w.Store.Homes(ctx, records)
	if err != nil {
		w.t.Fatal(err)
	}
	for r, h := range homes {
		if h.AliasOf != 0 {
			want.Aliases[r] = h.AliasOf
		}
		if h.Person != want.Places[r].Person {
			w.t.Errorf("record %d's row names person %d, its membership %d", r, h.Person, want.Places[r].Person)
		}
	}
	verdicts, err := w.Store.Constraints(ctx, records)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, v := range verdicts {
		want.Verdicts[[2]hie.SourcePatientID{min(v.A, v.B), max(v.A, v.B)}] = v.Verdict
	}
	if got := mpi.Replay(events).String(); got != want.String() {
		w.t.Errorf("replayed:\n%s\nstored:\n%s", got, want.String())
	}
}

// Scenario 9: another model, tried dry, run, and rolled back; verdicts hold throughout.
func scenario9(t *testing.T, w *World) {
	var records []hie.SourcePatientID
	for i := range 2 {
		for n := range 3 {
			records = append(records, w.Register(string(rune('a'+i)), fmt.Sprint(n), stranger(n)).Record)
		}
	}
	for v, pair := range map[mpi.Verdict][2]int{mpi.CannotLink: {2, 5}, mpi.MustLink: {1, 4}} {
		if _, err := w.Decide(ctx, Actor, records[pair[0]], records[pair[1]], v, "seen"); err != nil {
			t.Fatal(err)
		}
	}
	old := partition(w, records)
	strict := *mpi.DefaultModel()
	strict.ID, strict.Certain = "strict", 1000
	other := &World{Index: mpi.New(w.Store, hie.NewIDs(nil), w.Log, mpi.Options{Model: &strict}), Store: w.Store, Log: w.Log, t: w.t}
	run := func(x *World, dry bool) (all []mpi.Move) {
		t.Helper()
		r, err := x.RebuildState(ctx)
		for err == nil && !r.Done() {
			var moves []mpi.Move
			r, moves, err = x.Rebuild(ctx, Actor, r, 4, dry)
			all = append(all, moves...)
		}
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	would := run(other, true)
	if partition(w, records) != old {
		t.Fatal("a dry run changed links")
	}
	listed := map[hie.SourcePatientID]bool{}
	for _, m := range would {
		listed[m.Record], listed[m.Other] = true, true
	}
	did := run(other, false)
	if len(did) == 0 || w.Together(records[0], records[3]) || !w.Together(records[1], records[4]) || w.Together(records[2], records[5]) {
		t.Fatalf("with the other model: %s after %d moves; want the engine's link gone and both verdicts held", partition(w, records), len(did))
	}
	for _, m := range did {
		if !listed[m.Record] {
			t.Errorf("record %d moved and the dry run did not list it", m.Record)
		}
		events, err := w.HistoryOfRecord(ctx, m.Record)
		if err != nil || events[len(events)-1].Model != "strict" {
			t.Errorf("the event does not name the model: %v", err)
		}
	}
	pairs, err := w.Pairs(ctx, []hie.SourcePatientID{records[0], records[3]})
	now, err2 := other.Pairs(ctx, []hie.SourcePatientID{records[0], records[3]})
	if err != nil || err2 != nil || pairs[0].Grade != mpi.GradeCertain || now[0].Grade == mpi.GradeCertain || len(pairs[0].Evidence) != len(now[0].Evidence) {
		t.Errorf("both models explain the pair: %v, %v", err, err2)
	}
	// Back to the first model: another name of it, since its own rebuild counts as done only once it ran.
	if run(w, false); partition(w, records) != old {
		t.Errorf("rolled back: %s, want %s", partition(w, records), old)
	}
	w.replays(records)
	if again := run(w, false); len(again) != 0 {
		t.Errorf("a rebuild that is done did %d moves", len(again))
	}
}
