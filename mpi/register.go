package mpi

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// A Registration is what a site says about a patient of its own.
//
// Source: IHE PMIR/PIXm ITI-104; HL7 v2 ADT A04, A08, A31, A40.
type Registration struct {
	hie.Private
	Site hie.SiteID
	// Local is the identifier the site knows the patient by; its system is one the site assigns.
	Local        hie.Identifier
	Demographics Demographics
	// Received are the bytes the site sent, kept and served unchanged; they are required.
	Received []byte
	// Active is false when the site withdraws the registration.
	Active bool
	// ReplacedBy, with Active false, names the site's own registration that takes this one's place.
	ReplacedBy *hie.Identifier
	// IfMatch is the version the caller believes current; 0 means any.
	IfMatch int64
}

// Registered says what came of a registration.
type Registered struct {
	Record  hie.SourcePatientID
	Version int64
	// Created is set for the first registration of the identifier; Changed when anything was written.
	Created bool
	Changed bool
	Person  hie.PersonID
	// Grade is how surely the record belongs to the person it was put into: GradeNone when it stands alone.
	Grade Grade
	// ReviewTask is set when a steward has been asked to look.
	ReviewTask bool
}

// Register creates or revises the registration r.Local of r.Site, finds who it is, and links it where that is
// certain. All of it, with its link events and its audit event, is one transaction. Repeating identical bytes
// changes nothing. Errors: *hie.InvalidError, hie.ErrStale for another version than IfMatch, hie.ErrConflict
// when the identifier was merged into another or belongs to another site, hie.ErrUnavailable.
//
// An update that looks like somebody else than the record itself is stored, but takes no part in matching and
// puts the record's link in dispute until a steward settles the task.
func (x *Index) Register(ctx context.Context, actor hie.Actor, r Registration) (Registered, error) {
	if err := r.check(); err != nil {
		return Registered{}, fmt.Errorf("mpi: register: %w", err)
	}
	v := normalize(r.withLocal())
	f := v.features(r.Site)
	keys := v.keys()
	record := hie.SourcePatientID(x.ids.Next())
	var out Registered
	err := x.update(ctx, func(tx Tx) error {
		reg := registering{x: x, tx: tx, actor: actor, r: r, features: f, keys: keys, record: record}
		if err := reg.run(ctx); err != nil {
			return err
		}
		out = reg.out
		return nil
	})
	if err != nil {
		return Registered{}, fmt.Errorf("mpi: register: %w", err)
	}
	return out, nil
}

func (r *Registration) check() error {
	switch {
	case r.Site == "":
		return hie.Required("site")
	case r.Local.System == "" || r.Local.Value == "":
		return hie.Required("identifier")
	case len(r.Received) == 0:
		return hie.Required("received")
	case r.ReplacedBy != nil && r.Active:
		return hie.Invalid("link", "a registration that is replaced by another is not active")
	case r.ReplacedBy != nil && r.ReplacedBy.System != r.Local.System:
		return hie.Invalid("link", "a registration is replaced by another of the same assigning authority")
	case r.ReplacedBy != nil && *r.ReplacedBy == r.Local:
		return hie.Invalid("link", "a registration cannot replace itself")
	}
	return nil
}

// withLocal returns the demographics with the local identifier among the others, first: another site may
// quote it.
func (r *Registration) withLocal() Demographics {
	d := r.Demographics
	d.Identifiers = append([]Identifier{{Identifier: r.Local, Type: "MR"}}, d.Identifiers...)
	return d
}

// A registering is one Register inside one transaction.
type registering struct {
	x        *Index
	tx       Tx
	actor    hie.Actor
	r        Registration
	features Features
	keys     []Key
	record   hie.SourcePatientID
	old      PatientRow // zero when created
	change   *change
	out      Registered
}

func (g *registering) run(ctx context.Context) error {
	owner, err := g.tx.Claim(ctx, g.r.Local, g.record)
	if err != nil {
		return err
	}
	created := owner == g.record
	if created && g.r.IfMatch != 0 {
		return fmt.Errorf("there is no such version: %w", hie.ErrStale)
	}
	if !created {
		if done, err := g.revise(ctx, owner); done || err != nil {
			return err
		}
	}
	g.out = Registered{Record: g.record, Version: g.old.Version + 1, Created: created, Changed: true}
	g.change = g.x.newChange(g.tx, CauseRule, g.actor, "")
	switch {
	case g.r.ReplacedBy != nil:
		err = g.replace(ctx)
	case !g.r.Active:
		err = g.withdraw(ctx)
	default:
		err = g.place(ctx)
	}
	if err != nil {
		return err
	}
	if err := g.change.finish(ctx); err != nil {
		return err
	}
	return g.tx.Record(ctx, append(g.change.auditEvents(g.actor), g.event())...)
}

// revise reads the registration there is. done means that nothing needs to change.
func (g *registering) revise(ctx context.Context, owner hie.SourcePatientID) (done bool, err error) {
	g.record = owner
	if g.old, err = patient(ctx, g.tx, owner); err != nil {
		return false, fmt.Errorf("%w: %w", errMoved, err) // claimed, so on its way
	}
	if g.old.Site != g.r.Site {
		return false, errOtherSite
	}
	if g.r.IfMatch != 0 && g.r.IfMatch != g.old.Version {
		return false, fmt.Errorf("another version is current: %w", hie.ErrStale)
	}
	same := bytes.Equal(g.old.Received, g.r.Received) && g.old.Active == g.r.Active
	if g.old.AliasOf != 0 {
		if same && g.r.ReplacedBy != nil {
			g.out = Registered{Record: owner, Version: g.old.Version, Person: g.old.Person}
			return true, nil
		}
		if g.r.ReplacedBy == nil {
			return false, fmt.Errorf("the registration was merged into another: %w", hie.ErrConflict)
		}
		return false, nil
	}
	if same && g.r.ReplacedBy == nil {
		g.out = Registered{Record: owner, Version: g.old.Version, Person: g.old.Person}
		return true, nil
	}
	return false, nil
}

// row returns the record's row as it will be.
func (g *registering) row(person hie.PersonID, keys []int64) PatientRow {
	now := g.change.at
	p := PatientRow{SourcePatient: SourcePatient{Record: g.record, Site: g.r.Site, Local: g.r.Local, Demographics: g.r.Demographics,
		Received: g.r.Received, Active: g.r.Active, Version: g.out.Version, Created: now, Updated: now}, Person: person, Keys: keys}
	if !g.out.Created {
		p.Created, p.AliasOf = g.old.Created, g.old.AliasOf
	}
	return p
}

// put writes the record's row, what it is found by, and its features in its membership.
func (g *registering) put(ctx context.Context, person hie.PersonID, live []int64) error {
	if err := g.tx.PutPatient(ctx, g.row(person, live)); err != nil {
		return err
	}
	dead := slices.DeleteFunc(slices.Clone(g.old.Keys), func(k int64) bool { _, in := slices.BinarySearch(live, k); return in })
	if len(live)+len(dead) > 0 {
		if err := g.tx.PutCandidates(ctx, g.record, live, dead, g.features.AppendTo(nil)); err != nil {
			return err
		}
	}
	return g.putTerms(ctx)
}

func (g *registering) putTerms(ctx context.Context) error {
	was, now := terms(g.old.Demographics), terms(g.r.Demographics)
	within := func(in []string) func(string) bool { return func(t string) bool { return slices.Contains(in, t) } }
	add, remove := slices.DeleteFunc(slices.Clone(now), within(was)), slices.DeleteFunc(slices.Clone(was), within(now))
	if len(add)+len(remove) == 0 {
		return nil
	}
	return g.tx.PutTerms(ctx, g.record, add, remove)
}

// claim counts and locks the record's keys that are no hubs, so that equal newcomers come one after another,
// and returns the counts before.
//
// Source: spec scale-out section 5, "Registering".
func (g *registering) claim(ctx context.Context) (map[int64]int64, error) {
	live := hashes(g.keys)
	counts, err := g.tx.KeyCounts(ctx, live)
	if err != nil {
		return nil, err
	}
	var claims []KeyClaim
	for _, k := range live {
		if counts[k] > g.x.hub {
			continue
		}
		add := int64(1)
		if _, had := slices.BinarySearch(g.old.Keys, k); had {
			add = 0
		}
		claims = append(claims, KeyClaim{k, add})
	}
	for _, k := range g.old.Keys {
		if _, kept := slices.BinarySearch(live, k); !kept {
			claims = append(claims, KeyClaim{k, -1})
		}
	}
	slices.SortFunc(claims, func(a, b KeyClaim) int { return cmp.Compare(a.Key, b.Key) })
	return counts, g.tx.ClaimKeys(ctx, claims)
}

// place finds who the record is and links it.
func (g *registering) place(ctx context.Context) error {
	own, err := g.ownMembers(ctx)
	if err != nil {
		return err
	}
	if len(own) > 0 {
		if overlaid, err := g.overlay(ctx, own); overlaid || err != nil {
			return err
		}
	}
	counts, err := g.claim(ctx)
	if err != nil {
		return err
	}
	l, err := g.x.find(ctx, g.tx, &g.features, g.keys, counts, g.record, g.old.Person)
	if err != nil {
		return err
	}
	if err := g.x.applyVerdicts(ctx, g.tx, &l, append(recordsOf(own), g.record)); err != nil {
		return err
	}
	rank(l.found)
	if len(own) > 1 {
		return g.placeAmong(ctx, own, l)
	}
	return g.placeAlone(ctx, own, l)
}

// ownMembers returns the members of the person the record is in; none for a new record.
func (g *registering) ownMembers(ctx context.Context) ([]MemberRow, error) {
	if g.out.Created {
		return nil, nil
	}
	rows, err := members(ctx, g.tx, g.old.Person)
	if err != nil {
		return nil, err
	}
	if !holds(rows[g.old.Person], g.record) {
		return nil, errMoved
	}
	return rows[g.old.Person], nil
}

// applyVerdicts marks persons that a steward's cannot-link keeps from any of records.
func (x *Index) applyVerdicts(ctx context.Context, r Reader, l *lookup, records []hie.SourcePatientID) error {
	if len(l.found) == 0 {
		return nil
	}
	verdicts, err := r.Constraints(ctx, records)
	if err != nil {
		return err
	}
	for i := range l.found {
		for _, v := range verdicts {
			if v.Verdict == CannotLink && holds(l.found[i].members, v.B) {
				l.found[i].set.vetoes |= vetoSteward
				l.found[i].grade = x.model.grade(&l.found[i].set)
			}
		}
	}
	return nil
}

// placeAlone links a record that is new or alone in its person: to the one person it certainly is, else to
// none, asking a steward where that is not settled.
func (g *registering) placeAlone(ctx context.Context, own []MemberRow, l lookup) error {
	self := MemberRow{Member: Member{Record: g.record, Site: g.r.Site, Local: g.r.Local}, Features: g.features.AppendTo(nil)}
	target, err := g.target(ctx, own, l)
	if err != nil {
		return err
	}
	to := g.old.Person
	switch {
	case target != nil:
		to = target.person
	case g.out.Created:
		if to, err = g.change.newPerson(ctx); err != nil {
			return err
		}
	}
	g.out.Person = to
	if err := g.put(ctx, to, hashes(g.keys)); err != nil {
		return err
	}
	if len(own) > 0 {
		self.Person, self.Link = own[0].Person, own[0].Link
	}
	if target == nil {
		if len(own) > 0 {
			err = g.refresh(ctx, self)
		} else {
			err = g.change.move(ctx, self, Place{to, hie.LinkConfirmed}, 0)
		}
		if err != nil {
			return err
		}
		return g.review(ctx, l)
	}
	g.out.Grade = GradeCertain
	g.change.grade, g.change.bits, g.change.proof = GradeCertain, target.set.Bits, g.x.model.evidence(&target.set)
	if err := g.change.move(ctx, self, Place{to, hie.LinkConfirmed}, target.best); err != nil {
		return err
	}
	if len(own) > 0 {
		return g.change.redirect(ctx, self.Person, 0, to)
	}
	return nil
}

// target returns the person to link to, its members locked and as they were weighed, or nil. Two certain
// persons are joined first if they agree with each other.
func (g *registering) target(ctx context.Context, own []MemberRow, l lookup) (*found, error) {
	if len(l.found) == 0 || l.found[0].grade != GradeCertain || l.found[0].best == 0 {
		return nil, nil
	}
	if len(own) > 0 && own[0].Link == hie.LinkDisputed {
		return nil, nil
	}
	best := l.found[0]
	if _, clear := g.x.margin(l.found); clear {
		if err := g.lockAsSeen(ctx, best); err != nil {
			return nil, err
		}
		return &best, nil
	}
	next := l.found[1]
	if next.grade != GradeCertain || len(l.found) > 2 && l.found[2].grade == GradeCertain {
		return nil, nil
	}
	verdicts, err := g.tx.Constraints(ctx, recordsOf(best.members))
	if err != nil {
		return nil, err
	}
	if !g.x.agree(best.members, next.members, verdicts) {
		return nil, nil
	}
	if err := g.lockAsSeen(ctx, best, next); err != nil {
		return nil, err
	}
	winner, loser := best, next
	if w, _ := survivorOf(best.person, next.person, len(best.members), len(next.members)); w == next.person {
		winner, loser = next, best
	}
	g.change.grade, g.change.bits, g.change.proof = GradeCertain, next.set.Bits, g.x.model.evidence(&next.set)
	if err := g.change.merge(ctx, winner.person, loser.person, loser.members, winner.best); err != nil {
		return nil, err
	}
	return &winner, nil
}

// refresh writes the record's features into its membership, which must still be there. No link changes, so the
// person's version stays.
func (g *registering) refresh(ctx context.Context, self MemberRow) error {
	err := g.tx.PutFeatures(ctx, self.Person, self.Record, self.Features)
	if errors.Is(err, hie.ErrNotFound) {
		return errMoved
	}
	return err
}

// lockAsSeen locks persons (and the record's own) and makes sure that their members are those weighed.
func (g *registering) lockAsSeen(ctx context.Context, all ...found) error {
	persons := []hie.PersonID{g.old.Person} // 0 for a new record
	for _, f := range all {
		persons = append(persons, f.person)
	}
	if err := g.change.lock(ctx, persons...); err != nil {
		return err
	}
	now, err := members(ctx, g.tx, persons...)
	if err != nil {
		return err
	}
	if g.old.Person != 0 && !holds(now[g.old.Person], g.record) {
		return errMoved
	}
	for _, f := range all {
		if !sameMembers(now[f.person], f.members) {
			return errMoved
		}
	}
	return nil
}

// placeAmong revises a record that shares its person with others. It stays where it is: if the update
// contradicts the others, or certainly is another person too, the link becomes tentative or a steward is asked.
func (g *registering) placeAmong(ctx context.Context, own []MemberRow, l lookup) error {
	var self MemberRow
	others := make([]MemberRow, 0, len(own))
	for _, m := range own {
		if m.Record == g.record {
			self = m
		} else {
			others = append(others, m)
		}
	}
	self.Features = g.features.AppendTo(nil)
	if err := g.put(ctx, g.old.Person, hashes(g.keys)); err != nil {
		return err
	}
	if err := g.refresh(ctx, self); err != nil {
		return err
	}
	g.out.Person, g.out.Grade = g.old.Person, GradeCertain
	w := g.x.weigh(&g.features, g.old.Person, others)
	ties, err := g.tx.Constraints(ctx, []hie.SourcePatientID{g.record})
	if err != nil {
		return err
	}
	tied := slices.ContainsFunc(ties, func(c Constraint) bool { return c.Verdict == MustLink && holds(others, c.B) })
	if w.best != 0 && !tied && self.Link == hie.LinkConfirmed && (w.set.vetoes != 0 || w.set.Bits < g.x.model.Possible) {
		own[slices.IndexFunc(own, func(m MemberRow) bool { return m.Record == g.record })] = self
		if err := g.lockAsSeen(ctx, found{person: self.Person, members: own}); err != nil {
			return err
		}
		g.out.Grade = w.grade
		g.change.grade, g.change.bits, g.change.proof = w.grade, w.set.Bits, g.x.model.evidence(&w.set)
		if err := g.change.move(ctx, self, Place{self.Person, hie.LinkTentative}, w.best); err != nil {
			return err
		}
		if err := g.ask(ctx, TaskConflict, &w); err != nil {
			return err
		}
	}
	return g.review(ctx, l)
}

// review asks a steward about persons the record may be but was not linked to: probable ones, certain ones
// without margin, and newborns that only their birth order could tell apart.
func (g *registering) review(ctx context.Context, l lookup) error {
	const most = 3
	for i := range l.found[:min(most, len(l.found))] {
		f := &l.found[i]
		newborn := f.set.vetoes == vetoNewborn && f.set.Bits >= g.x.model.Probable
		reopened := f.set.vetoes == vetoSteward && f.set.Bits >= g.x.model.Certain
		switch {
		case f.person == g.out.Person:
		case reopened:
			if err := g.reopen(ctx, f); err != nil {
				return err
			}
		case f.grade >= GradeProbable || newborn:
			if err := g.ask(ctx, TaskDuplicate, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// reopen asks again about a pair a steward parted, if the evidence has grown since.
func (g *registering) reopen(ctx context.Context, f *found) error {
	verdicts, err := g.tx.Constraints(ctx, []hie.SourcePatientID{g.record})
	if err != nil {
		return err
	}
	for _, v := range verdicts {
		if v.Verdict == CannotLink && holds(f.members, v.B) && f.set.Bits >= v.Bits+g.x.model.Margin {
			return g.ask(ctx, TaskConflict, f)
		}
	}
	return nil
}

func (g *registering) ask(ctx context.Context, kind TaskKind, f *found) error {
	opened, err := g.tx.OpenTask(ctx, Task{ID: TaskID(g.x.ids.Next()), Kind: kind, Record: g.record, Other: f.best, Grade: f.grade,
		Bits: f.set.Bits, Evidence: g.x.model.evidence(&f.set), Missing: g.x.missing(&f.set), Opened: g.change.at})
	g.out.ReviewTask = g.out.ReviewTask || opened
	return err
}

// missing names what would settle a set that is not certain.
func (x *Index) missing(s *Set) string {
	if s.vetoes&vetoNewborn != 0 {
		return "birth-order"
	}
	return x.model.gap(s)
}

// overlay stores an update that looks like somebody else: the link is put in dispute, and features and keys
// stay those last accepted, so that nothing is matched on it.
//
// Source: spec mpi section 6, 16; section 7 scenario 3.
func (g *registering) overlay(ctx context.Context, own []MemberRow) (bool, error) {
	var self MemberRow
	for _, m := range own {
		if m.Record == g.record {
			self = m
		}
	}
	var before Features
	if before.Decode(self.Features) != nil {
		return false, nil //nolint:nilerr // written by another version of the program: nothing to compare with
	}
	c := Compare(&before, &g.features)
	c.levels[fieldSource], c.levels[fieldID] = missing, idAgainstSelf(&before, &g.features)
	set := Set{Union: c, Bits: g.x.model.Score(&c)}
	if set.Bits >= g.x.model.Overlay {
		return false, nil
	}
	if err := g.lockAsSeen(ctx, found{person: self.Person, members: own}); err != nil {
		return false, err
	}
	g.out.Person = self.Person
	row := g.row(self.Person, g.old.Keys)
	if err := g.tx.PutPatient(ctx, row); err != nil {
		return false, err
	}
	if err := g.putTerms(ctx); err != nil {
		return false, err
	}
	g.change.bits, g.change.proof = set.Bits, g.x.model.evidence(&set)
	if err := g.change.move(ctx, self, Place{self.Person, hie.LinkDisputed}, g.record); err != nil {
		return false, err
	}
	return true, g.ask(ctx, TaskOverlay, &found{set: set})
}

// idAgainstSelf compares identifiers other than the local one, which always agrees with itself.
func idAgainstSelf(before, after *Features) level {
	a, b := *before, *after
	drop := func(f, other *Features) {
		n := byte(0)
		for i := range f.nIDs {
			if i == 0 && other.nIDs > 0 && f.ids[0] == other.ids[0] {
				continue // the local identifier stands first
			}
			f.ids[n] = f.ids[i]
			n++
		}
		f.nIDs = n
	}
	drop(&a, after)
	drop(&b, before)
	return compareIDs(&a, &b)
}

// withdraw stores an inactive registration: it is no longer found, and stays a member.
func (g *registering) withdraw(ctx context.Context) error {
	g.keys = nil
	if _, err := g.claim(ctx); err != nil {
		return err
	}
	if !g.out.Created {
		g.out.Person = g.old.Person
		return g.put(ctx, g.old.Person, nil)
	}
	person, err := g.change.newPerson(ctx)
	if err != nil {
		return err
	}
	g.out.Person = person
	if err := g.put(ctx, person, nil); err != nil {
		return err
	}
	self := MemberRow{Member: Member{Record: g.record, Site: g.r.Site, Local: g.r.Local}, Features: g.features.AppendTo(nil)}
	return g.change.move(ctx, self, Place{person, hie.LinkConfirmed}, 0)
}

// replace withdraws the registration and makes it an alias of the one that replaces it.
func (g *registering) replace(ctx context.Context) error {
	if err := g.withdraw(ctx); err != nil {
		return err
	}
	survivor, home, err := g.x.homeOf(ctx, g.tx, *g.r.ReplacedBy)
	if errors.Is(err, hie.ErrNotFound) {
		return hie.Invalid("link", "names a registration that does not exist")
	}
	if err != nil {
		return err
	}
	g.change.cause, g.change.model = CauseSite, ""
	g.change.by = string(g.actor.Organization) + "/" + g.actor.User
	if err := g.x.alias(ctx, g.change, g.row(g.out.Person, nil), survivor, home, g.old.Active || g.out.Created); err != nil {
		return err
	}
	g.out.Person = home.Person
	return nil
}

// event tells of the registration.
func (g *registering) event() audit.Event {
	e := audit.NewEvent(audit.PatientRegistered, g.actor, g.change.at).About(g.record)
	e.Site, e.Action = g.r.Site, "U"
	interaction := "update"
	switch {
	case g.out.Created:
		e.Action, interaction = "C", "create"
	case g.r.ReplacedBy != nil:
		interaction = "replace"
	case !g.r.Active:
		interaction = "deactivate"
	}
	e.Detail = map[string]string{"interaction": interaction, "grade": g.out.Grade.String()}
	e.Ground = []string{"model " + g.x.model.ID}
	return e
}
