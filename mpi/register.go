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
	// Packed is what the store keeps of Demographics and Received, if it was made ahead; nil otherwise.
	Packed []byte
	// seen is what Prepare worked out; nil without it.
	seen *seeker
}

// Prepare works out what r is found by and compared on, so that Load need not. Demographics must not change any more.
func (r *Registration) Prepare() {
	if r.check() == nil {
		s := r.seeker(0)
		r.seen = &s
	}
}

// Registered says what came of a registration.
type Registered struct {
	Record  hie.SourcePatientID
	Version int64
	// Created is set for the first registration of the identifier; Changed when anything was written.
	Created bool
	Changed bool
	Person  hie.PersonID
	// Stored is the registration as it stands now; zero when it was replaced by another.
	Stored SourcePatient
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
	seen := r.seeker(hie.SourcePatientID(x.ids.Next())) // once for all attempts
	var out Registered
	err := x.update(ctx, func(tx attempt) error {
		reg := registering{x: x, tx: tx, actor: actor, r: r, seeker: seen}
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
	x     *Index
	tx    attempt
	actor hie.Actor
	r     Registration
	seeker
	// near are the records that resemble a new one, when foreseen says that a load has looked for them ahead.
	near     []EdgeRow
	foreseen bool
	old      PatientRow // zero when created
	link     hie.LinkState
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
	g.change.self = g.record
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
	if !created && g.r.Active {
		g.change.notify(Notice{Kind: NoticeRevised, Record: g.record, Person: g.out.Person})
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
			return true, nil // replaced before
		}
		if g.r.ReplacedBy == nil {
			return false, fmt.Errorf("the registration was merged into another: %w", hie.ErrConflict)
		}
		return false, nil
	}
	if same && g.r.ReplacedBy == nil {
		g.out = Registered{Record: owner, Version: g.old.Version, Person: g.old.Person, Stored: g.old.SourcePatient}
		return true, nil
	}
	return false, nil
}

// row returns the record's row as it will be.
func (g *registering) row(person hie.PersonID, keys []int64) PatientRow {
	now := g.change.at
	p := PatientRow{SourcePatient: SourcePatient{Record: g.record, Site: g.r.Site, Local: g.r.Local, Demographics: g.r.Demographics,
		Received: g.r.Received, Active: g.r.Active, Version: g.out.Version, Created: now, Updated: now}, Person: person, Keys: keys, Packed: g.r.Packed}
	if !g.out.Created {
		p.Created, p.AliasOf = g.old.Created, g.old.AliasOf
	}
	return p
}

// put writes the record's row and what it is found by, and keeps what it said before.
func (g *registering) put(ctx context.Context, person hie.PersonID, live []int64, features []byte) error {
	if err := g.putRow(ctx, g.row(person, live)); err != nil {
		return err
	}
	if g.out.Created { // written before its keys were claimed
		return nil
	}
	dead := slices.DeleteFunc(slices.Clone(g.old.Keys), func(k int64) bool { _, in := slices.BinarySearch(live, k); return in })
	if len(live)+len(dead) == 0 {
		return nil
	}
	return g.tx.PutCandidates(ctx, g.record, live, dead, features)
}

// putRow writes the record's row and search terms, and keeps the version it replaces.
func (g *registering) putRow(ctx context.Context, row PatientRow) error {
	var before *Version
	if g.old.Version > 0 {
		v := g.old.version(g.change.at, g.link == hie.LinkDisputed)
		before = &v
	}
	was, now := terms(g.old.Demographics), terms(g.r.Demographics)
	within := func(in []string) func(string) bool { return func(t string) bool { return slices.Contains(in, t) } }
	add, remove := slices.DeleteFunc(slices.Clone(now), within(was)), slices.DeleteFunc(slices.Clone(was), within(now))
	if err := g.tx.PutRegistration(ctx, row, before, add); err != nil {
		return err
	}
	g.out.Stored = row.SourcePatient
	if len(remove) == 0 {
		return nil
	}
	return g.tx.RemoveTerms(ctx, g.record, remove)
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
	own, err := g.ownMember(ctx)
	if err != nil {
		return err
	}
	if own.Person != 0 {
		g.link = own.Link
		if overlaid, err := g.overlay(ctx, own); overlaid || err != nil {
			return err
		}
	}
	self := MemberRow{Person: own.Person, Member: Member{Record: g.record, Site: g.r.Site, Local: g.r.Local, Link: own.Link}}
	self.Features = g.features.AppendTo(nil)
	if g.out.Created { // what a new record is found by is settled: the shorter its keys are locked, the shorter others wait
		if err := g.tx.PutCandidates(ctx, g.record, hashes(g.keys), nil, self.Features); err != nil {
			return err
		}
	}
	counts, err := g.claim(ctx)
	if err != nil {
		return err
	}
	near := g.near
	if !g.foreseen || !g.out.Created {
		if near, err = g.x.near(ctx, g.tx, &g.seeker, counts); err != nil {
			return err
		}
	}
	s, err := g.settle(ctx, self, near)
	if err != nil {
		return err
	}
	if err := g.put(ctx, g.out.Person, hashes(g.keys), self.Features); err != nil {
		return err
	}
	if s == nil {
		return nil
	}
	s.dead = g.r.Demographics.Deceased.Known && g.r.Demographics.Deceased.Dead
	if g.deceasedBefore(s) {
		s.tasks = append(s.tasks, Task{Kind: TaskDeceased, Record: g.record, Other: g.deceased(s)})
	}
	if s.n.cut {
		s.tasks = append(s.tasks, Task{Kind: TaskHub, Record: s.n.records[0]}) // the oldest stands for all
	}
	opened, err := s.ask(ctx)
	g.out.ReviewTask = opened > 0
	return err
}

// settle re-evaluates the record and everybody it concerns. A record nobody resembles gets a person of its own at
// once; then there is nothing to ask either, and nil is returned.
func (g *registering) settle(ctx context.Context, self MemberRow, near []EdgeRow) (*settling, error) {
	if g.out.Created && len(near) == 0 {
		person := g.change.newPerson()
		g.out.Person = person
		return nil, g.change.move(ctx, self, Place{person, hie.LinkConfirmed}, 0)
	}
	s, err := g.x.resettle(ctx, g.change, &self, near)
	if err != nil {
		return nil, err
	}
	g.out.Person = s.persons[s.parted.Group[s.n.index(g.record)]]
	if s.joined {
		g.out.Grade = GradeCertain
	}
	return s, nil
}

// ownMember returns the record's membership as it is; the zero row for a new record.
func (g *registering) ownMember(ctx context.Context) (MemberRow, error) {
	if g.out.Created {
		return MemberRow{}, nil
	}
	rows, err := g.tx.Members(ctx, []hie.PersonID{g.old.Person})
	if err != nil {
		return MemberRow{}, err
	}
	for _, m := range rows {
		if m.Record == g.record {
			return m, nil
		}
	}
	return MemberRow{}, errMoved
}

// deceased returns a record of the same person that says the person died before today, or 0.
func (g *registering) deceased(s *settling) hie.SourcePatientID {
	for _, r := range s.together(g.record) {
		f := &s.features[s.n.index(r)]
		if r != g.record && f.Died != 0 && unpackDate(f.Died).year <= g.change.at.Year() {
			return r
		}
	}
	return 0
}

// deceasedBefore reports whether the record lives on although another of its person says that it died.
func (g *registering) deceasedBefore(s *settling) bool {
	return g.features.Died == 0 && !s.dead && g.deceased(s) != 0
}

// withdraw stores an inactive registration: it is no longer found, and stays a member.
func (g *registering) withdraw(ctx context.Context) error {
	g.keys = nil
	if _, err := g.claim(ctx); err != nil {
		return err
	}
	if !g.out.Created {
		g.out.Person = g.old.Person
		g.change.notify(Notice{Kind: NoticeWithdrawn, Record: g.record, Person: g.old.Person})
		return g.put(ctx, g.old.Person, nil, nil)
	}
	person := g.change.newPerson()
	g.out.Person = person
	if err := g.put(ctx, person, nil, nil); err != nil {
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
	g.change.by = nameOf(g.actor)
	g.out.Stored = SourcePatient{}
	if g.out.Person, err = g.x.alias(ctx, g.change, g.row(g.out.Person, nil), survivor, home, g.old.Active || g.out.Created); err != nil {
		return err
	}
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
