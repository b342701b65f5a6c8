package federation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// Directives returns what is on file about records.
type Directives func(ctx context.Context, records []hie.SourcePatientID) (consent.OnFile, error)

// abilities are the obligations this exchange honours by itself: it delivers the notice, the refrain and the label
// with every entry and document they are attached to.
var abilities = []string{"P2-NOTICE", "NORDSCLCD", "NODSCLCDS", "NO-PROCEEDINGS", "STATE-STMT", "LABELS", "MINEC"}

// A standing is what an answer rests on: who belongs to the person, the epochs of their records, and the directory.
type standing struct {
	person  hie.PersonID
	version int64
	epochs  map[hie.SourcePatientID]int64
	// picture stands for the directory and the policies in force.
	picture int64
	// teams are the versions of the care teams that directives name, nil where they name none.
	teams map[string]int64
}

// digest returns a number that stands for s in a cursor: equal standings give equal numbers.
func (s standing) digest() int64 {
	h := uint64(14695981039346656037) // FNV-1a over the numbers
	mix := func(v int64) {
		for i := range 8 {
			h = (h ^ uint64(byte(v>>(8*i)))) * 1099511628211
		}
	}
	mix(int64(s.person))
	mix(s.version)
	mix(s.picture)
	for _, r := range slices.Sorted(maps.Keys(s.epochs)) {
		mix(int64(r))
		mix(s.epochs[r])
	}
	s.teamDigest(mix)
	return int64(h >> 1)
}

// A matter is one requester asking about one person at one instant, with everything a decision needs. Its standing
// was read before anything else.
type matter struct {
	standing
	actor   hie.Actor
	members []mpi.Member
	network *directory.Network
	env     *consent.Env
	decider *consent.Decider
	// question is request made ready for the decisions about many documents.
	question *consent.Question
	request  consent.Request
	now      time.Time
	// until is when something about the answers ends by the passing of time alone; zero is never.
	until time.Time
	// shut says that nothing may be disclosed to actor's organisation.
	shut bool
	name func(locator.Ref) string
}

// person returns whom a query is about. hie.ErrNotFound means that nobody is, or nobody this actor may ask about: a
// patient asks for their own record only.
func (x *Exchange) person(ctx context.Context, actor hie.Actor, patient hie.Identifier, record hie.SourcePatientID) (p mpi.Person, err error) {
	end := hie.Step(ctx)
	defer func() { end(hie.Span{Name: stepIdentity, Outcome: traceOutcome(err)}) }()
	switch {
	case record != 0:
		p, err = x.Patients.PersonOf(ctx, record)
	case !patient.IsZero():
		p, err = x.Patients.Resolve(ctx, patient)
	default:
		return mpi.Person{}, hie.ErrNotFound
	}
	if err != nil {
		return mpi.Person{}, err
	}
	if !own(actor, p) {
		return mpi.Person{}, hie.ErrNotFound
	}
	if _, err := x.represents(ctx, actor, x.Network(), x.Now()); err != nil {
		return mpi.Person{}, err
	}
	return p, nil
}

// own reports whether actor may ask about p at all: everyone may, but a patient only about themselves.
func own(actor hie.Actor, p mpi.Person) bool {
	if actor.Patient == 0 {
		return !actor.HasRole(hie.RolePatient) // a patient's token that names no patient is nobody's
	}
	_, member := p.Member(actor.Patient)
	return member
}

// theirs are the members of p an answer to actor may come from: all of them, but for a patient only records that are
// theirs beyond doubt. No consent of theirs could be wrong about a record that may be somebody else's; we could.
//
// Source: DESIGN idea 3; spec consent 2.13 and 2.18 (own access is a mandate, which crosses tentative links).
func theirs(actor hie.Actor, p mpi.Person) []mpi.Member {
	if actor.Patient == 0 {
		return p.Members
	}
	self, _ := p.Member(actor.Patient)
	var out []mpi.Member
	for _, m := range p.Members {
		if m.Record == actor.Patient || (self.Link == hie.LinkConfirmed && m.Link == hie.LinkConfirmed) {
			out = append(out, m)
		}
	}
	return out
}

// disclosable are those of members whose sites' go-live is signed off. Nothing of others is disclosed to anybody, whatever consent
// says: who is joining, or suspended, has not been found fit for it.
//
// Source: spec ux A3; directory.Participation.
func disclosable(network *directory.Network, members []mpi.Member) []mpi.Member {
	out := make([]mpi.Member, 0, len(members))
	for _, m := range members {
		if network.Live(m.Site) {
			out = append(out, m)
		}
	}
	return out
}

// shut reports whether nothing may be disclosed to actor. A patient who is told by an app that no participant stands behind is
// not: it is they who are told.
func shut(actor hie.Actor, network *directory.Network) bool {
	if _, known := network.Organization(actor.Organization); !known && actor.Patient != 0 {
		return false
	}
	return !network.Admitted(actor.Organization)
}

// open reads the rules about p for actor: epochs first, then what they guard.
func (x *Exchange) open(ctx context.Context, actor hie.Actor, p mpi.Person) (_ *matter, err error) {
	end := hie.Step(ctx)
	defer func() { end(hie.Span{Name: stepConsent, Outcome: traceOutcome(err)}) }()
	records := p.Records()
	network, env := x.Network(), x.Env()
	if !env.Open() {
		return nil, fmt.Errorf("federation: the policies in force are not known: %w", hie.ErrUnavailable)
	}
	epochs, err := x.Epochs(ctx, records)
	if err != nil {
		return nil, err
	}
	onFile, err := x.Directives(ctx, records)
	if err != nil {
		return nil, err
	}
	m := &matter{standing: standing{person: p.ID, version: p.Version, epochs: epochs, picture: env.Version()},
		actor: actor, members: disclosable(network, theirs(actor, p)), shut: shut(actor, network), network: network, env: env, now: onFile.NoEarlier(x.Now()), name: x.DocumentID}
	acts, err := x.represents(ctx, actor, network, m.now)
	if err != nil {
		return nil, err
	}
	m.request = RequestOf(actor, network, p)
	m.decider = consent.Compile(env, SubjectOf(p, onFile), onFile.Directives)
	m.until = acts
	if err := x.joinTeams(ctx, m); err != nil {
		return nil, err
	}
	if ends := m.decider.Until(m.now); !ends.IsZero() && (m.until.IsZero() || ends.Before(m.until)) {
		m.until = ends
	}
	m.ask()
	return m, nil
}

// represents returns until when actor may look in the name of the patient they act for, zero when they act for nobody.
// hie.ErrNotFound means that they may not: to them there is no such patient.
//
// Source: 45 CFR 164.502(g); spec federation 2.7 (RelatedPerson with period, scope and evidence).
func (x *Exchange) represents(ctx context.Context, actor hie.Actor, network *directory.Network, now time.Time) (time.Time, error) {
	if actor.Representative == "" {
		return time.Time{}, nil
	}
	if x.Representatives == nil {
		return time.Time{}, hie.ErrNotFound
	}
	all, err := x.Representatives(ctx, []hie.SourcePatientID{actor.Patient})
	if err != nil {
		return time.Time{}, err
	}
	own, err := x.Patients.PersonOf(ctx, actor.Patient)
	if err != nil {
		return time.Time{}, err
	}
	member, _ := own.Member(actor.Patient)
	until := consent.RepresentedUntil(all, actor.Representative, consent.RightsView, now, network.Zone(member.Site))
	if until.IsZero() {
		return time.Time{}, hie.ErrNotFound
	}
	return until, nil
}

// SubjectOf is p as decisions about them see it: their records, when they died, and what is on file about them.
func SubjectOf(p mpi.Person, onFile consent.OnFile) consent.Subject {
	records := make([]consent.Record, 0, len(p.Members))
	for _, m := range p.Members {
		records = append(records, consent.Record{ID: m.Record.String(), Site: m.Site, Link: m.Link})
	}
	return onFile.Subject(records, p.Died())
}

// ask has m's decider decide about its request from here on.
func (m *matter) ask() { m.question = m.decider.Ask(m.request, m.now) }

// still reports whether m's standing is what it was.
func (x *Exchange) still(ctx context.Context, m *matter) (bool, error) {
	if !m.until.IsZero() && !x.Now().Before(m.until) {
		return false, nil // midnight has struck, or a period has ended
	}
	if x.Network().Version() != m.network.Version() || x.Env().Version() != m.picture {
		return false, nil
	}
	versions, err := x.Patients.Versions(ctx, []hie.PersonID{m.person})
	if err != nil {
		return false, err
	}
	if versions[m.person] != m.version {
		return false, nil
	}
	epochs, err := x.Epochs(ctx, slices.Collect(maps.Keys(m.epochs)))
	if err != nil {
		return false, err
	}
	if !maps.Equal(epochs, m.epochs) {
		return false, nil
	}
	return x.sameTeams(ctx, m)
}

// fresh is still, looked at recently enough to act on: seen is when the look began. A look that took too long is repeated;
// while none succeeds in time nothing leaves.
//
// Source: spec consent 2.14; consent.ReleaseLease.
func (x *Exchange) fresh(ctx context.Context, m *matter) (still bool, seen time.Time, err error) {
	for range maxLooks {
		seen = time.Now()
		if still, err = x.still(ctx, m); err != nil || !still || time.Since(seen) < consent.ReleaseLease/2 {
			return still, seen, err
		}
	}
	return false, time.Time{}, fmt.Errorf("federation: the gate is too slow to release anything: %w", hie.ErrUnavailable)
}

// maxLooks bounds how often the standing is looked at for one release.
const maxLooks = 32

// RequestOf turns who asks about p into the words of consent: what the token establishes, and what the directory and the
// registrations say of the organisation. Whether who acts for a patient may is not settled here.
func RequestOf(actor hie.Actor, network *directory.Network, p mpi.Person) consent.Request {
	r := consent.Request{Organization: actor.Organization, Roles: slices.Clone(actor.Roles), Purposes: slices.Clone(actor.Purposes),
		Abilities: abilities, User: actor.User, OwnRecord: actor.Patient != 0, Representative: actor.Representative != "",
		Exchange: actor.Exchange, Relationship: relationship(actor.Organization, network, p)}
	r.Practitioner, _ = strings.CutPrefix(actor.User, "Practitioner/") // a bare id, as directives are compared
	if r.Practitioner == actor.User {
		r.Practitioner = "" // not named as a practitioner: not known
	}
	if r.Roles == nil {
		r.Roles = []string{} // the token states the roles; none stated is none held
	}
	for _, id := range network.Ancestors(actor.Organization) {
		o, ok := network.Organization(id)
		if !ok {
			continue
		}
		r.Kinds = append(r.Kinds, o.Kind)
		if r.Jurisdiction == "" {
			r.Jurisdiction = o.Jurisdiction
		}
	}
	return r
}

// relationship says whether the organisation treats p: it, a unit of it or one it is a unit of has registered them. A
// registration whose link is not sure says nothing, nor does one of a site that is not live.
//
// Source: 45 CFR 164.506(c)(4); 42 CFR 2.31(a)(4)(ii)(B).
func relationship(asks hie.OrgID, network *directory.Network, p mpi.Person) consent.Relationship {
	out := consent.Unrelated
	for _, m := range p.Members {
		s, known := network.Site(m.Site)
		if !known || s.Membership != directory.Live || !slices.Contains(network.Ancestors(s.Org), asks) && !slices.Contains(network.Ancestors(asks), s.Org) {
			continue
		}
		if m.Link == hie.LinkConfirmed {
			return consent.Treating
		}
		out = consent.RelationshipUnknown
	}
	return out
}

// documents returns what consent decides about for one document or kind: one for each pair of class and type, each
// of which must be permitted. A document without class, or without type, is one whose class or type is not known.
func documents(base consent.Document, k locator.Kind) []consent.Document {
	classes, types := k.Classes, k.Types
	if len(classes) == 0 {
		classes = []string{""}
	}
	if len(types) == 0 {
		types = []string{""}
	}
	out := make([]consent.Document, 0, len(classes)*len(types))
	for _, c := range classes {
		for _, t := range types {
			d := base
			d.Class, d.Type = c, t
			out = append(out, d)
		}
	}
	return out
}

// about is what is known of every document of kind k of one record.
func (m *matter) about(record hie.SourcePatientID, site hie.SiteID, k locator.Kind) consent.Document {
	d := consent.Document{Record: record.String(), Site: site, Confidentiality: k.Confidentiality}
	d.Sensitivity, d.Flags = consent.ReadLabels(k.Sensitivity)
	s, known := m.network.Site(site)
	switch {
	case !known:
	case !s.Labelled:
		d.LabelState = consent.Unlabelled
	case k.Labelled:
		d.LabelState = consent.Labelled
	}
	if d.LabelState != consent.Labelled && len(d.Flags) == 0 {
		d.Flags = nil // a site that does not label says nothing by silence
	}
	return d
}

// whole is what is known of one document.
func (m *matter) whole(p locator.Pointer) consent.Document {
	d := m.about(p.Record, p.Site, p.Kind)
	d.ID = m.name(p.Ref())
	for _, a := range p.Authors {
		for _, ref := range []string{a.Reference, a.Organization} {
			if ref != "" {
				d.Authors = append(d.Authors, ref)
			}
		}
	}
	d.Start = p.Period.Start
	if !p.Period.End.IsZero() {
		d.End = p.Period.End.Add(-time.Microsecond) // a span ends before its End, a document's interval with it
	}
	if len(p.Encounters) == 1 { // of several none is known to be the one
		d.Encounter = p.Encounters[0][strings.LastIndexByte(p.Encounters[0], '/')+1:]
	}
	for _, r := range p.Relations {
		if r.Code == "replaces" && r.Target != (locator.Ref{}) {
			d.Replaces = append(d.Replaces, m.name(r.Target))
		}
	}
	return d
}

// A ruling is what consent says of one document or kind, over all its classes and types together.
type ruling struct {
	release bool
	// perRow says that documents of the kind must be decided one by one.
	perRow      bool
	emergency   bool
	reasons     []string
	ground      []string
	obligations []string
}

// add joins the decision on one more part: all must release; what they rest on and ask for adds up.
func (r *ruling) add(d consent.Decision, perRow bool) {
	r.release = r.release && d.Release
	r.perRow = r.perRow || perRow
	r.emergency = r.emergency || d.Emergency
	r.reasons = append(r.reasons, d.Reason.String())
	r.obligations = append(r.obligations, d.Obligations...)
}

// ours are the obligations that bind this exchange alone; a requester is told of the others.
var ours = []string{"AUDIT", "RECHECK", "AOD", "NOTIFY-PATIENT", "NOTIFY-SITE", "P2-EMERGENCY-RECORD"}

// told are the obligations that go with what is shown.
func (r ruling) told() []string {
	return slices.DeleteFunc(slices.Clone(r.obligations), func(o string) bool { return slices.Contains(ours, o) })
}

func (r *ruling) tidy() {
	for _, list := range []*[]string{&r.reasons, &r.ground, &r.obligations} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}

// refusal is what is said of everything while nothing may be disclosed to who asks.
func refusal() ruling { return ruling{reasons: []string{consent.ReasonNetworkForbid.String()}} }

// kind decides a kind of one record.
func (m *matter) kind(record hie.SourcePatientID, site hie.SiteID, k locator.Kind) ruling {
	if m.shut || !m.network.Live(site) {
		return refusal()
	}
	r := ruling{release: true}
	for _, d := range documents(m.about(record, site, k), k) {
		decision, perRow := m.question.DecideKind(d)
		r.add(decision, perRow)
	}
	r.tidy()
	return r
}

// document decides one document.
func (m *matter) document(p locator.Pointer) ruling {
	if _, member := (mpi.Person{Members: m.members}).Member(p.Record); !member {
		return ruling{} // not this person's: nothing permits it
	}
	if m.shut || !m.network.Live(p.Site) {
		return refusal()
	}
	r := ruling{release: true}
	for _, d := range documents(m.whole(p), p.Kind) {
		r.add(m.question.Decide(d), false)
	}
	r.tidy()
	return r
}

// grounds names what decided: directives as "id/version", rules by their id, defaults by their rule. It is dearer
// than a decision and made for what is shown and recorded alone.
func (m *matter) grounds(ds []consent.Document) []string {
	var out []string
	for _, d := range ds {
		if m.shut || !m.network.Live(d.Site) {
			out = append(out, groundMembership)
			continue
		}
		for _, step := range m.decider.Explain(m.request, d, m.now).Steps {
			if step.Decides && step.Rule != "" {
				out = append(out, step.Rule)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// groundMembership is the ground for what is withheld since a site, or who asks, is not live.
const groundMembership = "membership"

// worthAsking reports whether member's site, which does not publish, could tell anything that may be shown: whether
// any kind of document there might be permitted. Its documents are decided one by one when it has answered.
func (m *matter) worthAsking(member mpi.Member, held []locator.Presence) bool {
	site, ok := m.network.Site(member.Site)
	if !ok {
		return false
	}
	try := func(k locator.Kind) bool {
		k.Labelled = site.Labelled
		r := m.kind(member.Record, member.Site, k)
		return r.release || r.perRow
	}
	for _, class := range probeClasses {
		if try(locator.Kind{Classes: []string{class}, Confidentiality: "N"}) {
			return true
		}
	}
	for _, h := range held {
		if try(h.Kind) {
			return true
		}
	}
	return try(locator.Kind{})
}

// probeClasses are the classes of document that sites hold most: LOINC codes of the US Core and IHE class lists.
var probeClasses = []string{
	"clinical-note", "11506-3", "34133-9", "18842-5", "34117-2", "11488-4", "28570-0", "57133-1", "34105-7",
	"11502-2", "26436-6", "18748-4", "18726-0", "47045-0", "29749-9", "57016-8", "10160-0", "11369-6", "47420-5",
	"52521-2", "46241-6", "51847-2", "57024-2",
}

// presences returns what is held of m's records.
func (x *Exchange) presences(ctx context.Context, m *matter) ([]locator.Presence, error) {
	records := make([]hie.SourcePatientID, len(m.members))
	for i, member := range m.members {
		records[i] = member.Record
	}
	var held []locator.Presence
	err := traced(ctx, stepLocate, func() (err error) { held, err = x.Holdings.Presence(ctx, records); return err })
	if err != nil {
		return nil, fmt.Errorf("federation: presence: %w", err)
	}
	return held, nil
}

// absent reports whether err means that there is nobody to answer about.
func absent(err error) bool { return errors.Is(err, hie.ErrNotFound) }
