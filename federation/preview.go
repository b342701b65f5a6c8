package federation

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// A Preview asks what somebody would be shown of the records of the patient who asks.
type Preview struct {
	hie.Private
	// As is who would ask, and what for.
	As hie.Actor
	// Emergency supposes that As has made a valid emergency claim.
	Emergency bool
	// Propose returns the directives to suppose in place of those on file; nil supposes those on file.
	Propose func(onFile []consent.Directive) []consent.Directive
}

// An Outlook says what would be shown of one class of documents at one site.
type Outlook struct {
	Site hie.SiteID
	// Class is the document class, "" when the documents have none.
	Class string
	// Shown and Kept are how many current documents would be shown and how many not.
	Shown, Kept int64
}

// Preview says what p.As would be shown of actor's own records, decided now exactly as a query of theirs would be:
// ordered by site and class, nil when there is nothing. Nothing is disclosed to p.As and nothing changes. It tells of
// the index alone, since asking a live site would tell it of the question. Only a patient may ask, about their own
// records; others get hie.ErrForbidden. That they asked is recorded.
//
// Source: spec ux, finding 6 (a preview across a live network) and P5.
func (x *Exchange) Preview(ctx context.Context, actor hie.Actor, p Preview) ([]Outlook, error) {
	if actor.Patient == 0 {
		return nil, fmt.Errorf("federation: preview: %w", hie.ErrForbidden)
	}
	out, err := x.preview(ctx, actor, p)
	if err != nil {
		return nil, fmt.Errorf("federation: preview: %w", err)
	}
	return out, nil
}

func (x *Exchange) preview(ctx context.Context, actor hie.Actor, p Preview) ([]Outlook, error) {
	person, err := x.person(ctx, actor, hie.Identifier{}, actor.Patient)
	if err != nil {
		return nil, err
	}
	own := disclosable(x.Network(), theirs(actor, person)) // the patient is told of their own records alone, whatever As would be shown
	m, err := x.suppose(ctx, p, person.Records())
	if err != nil {
		return nil, err
	}
	m.members, m.person, m.version = own, person.ID, person.Version
	m.shut = shut(p.As, m.network)
	m.request = RequestOf(p.As, m.network, person)
	m.request.OwnRecord = false
	m.decider = consent.Compile(x.Env(), SubjectOf(person, m.OnFile), m.Directives)
	if err := x.joinTeams(ctx, &m.matter); err != nil {
		return nil, err
	}
	m.ask()
	held, err := x.presences(ctx, &m.matter)
	if err != nil {
		return nil, err
	}
	sums := map[Outlook]*Outlook{}
	add := func(site hie.SiteID, classes []string, shown, kept int64) {
		if len(classes) == 0 {
			classes = []string{""}
		}
		for _, class := range classes {
			key := Outlook{Site: site, Class: class}
			if sums[key] == nil {
				sums[key] = &Outlook{Site: site, Class: class}
			}
			sums[key].Shown += shown
			sums[key].Kept += kept
		}
	}
	var singly []locator.Plan
	for _, h := range held {
		switch r := m.kind(h.Record, h.Site, h.Kind); {
		case h.Current == 0:
		case r.perRow:
			singly = append(singly, locator.Plan{Record: h.Record, PerRow: []int64{h.Kind.ID}, Decide: func(locator.Pointer) bool { return true }})
		case r.release:
			add(h.Site, h.Kind.Classes, h.Current, 0)
		default:
			add(h.Site, h.Kind.Classes, 0, h.Current)
		}
	}
	current := locator.Filter{Status: []locator.Status{locator.Current}}
	for _, plan := range singly {
		err := x.Holdings.All(ctx, current, []locator.Plan{plan}, locator.Cursor{}, func(d locator.Pointer) bool {
			if m.document(d).release {
				add(d.Site, d.Kind.Classes, 1, 0)
			} else {
				add(d.Site, d.Kind.Classes, 0, 1)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	e := audit.NewEvent(audit.Decision, actor, x.Now()).About(actor.Patient)
	e.Detail = map[string]string{"interaction": "preview"}
	if err := x.record(ctx, e); err != nil {
		return nil, err
	}
	var out []Outlook
	for _, o := range sums {
		out = append(out, *o)
	}
	slices.SortFunc(out, func(a, b Outlook) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Class, b.Class)) })
	return out, nil
}

// supposed is a matter that may never come about, with what it rests on.
type supposed struct {
	matter
	consent.OnFile
}

// suppose reads what is on file and puts what p proposes in its place. Grants of emergencies that were claimed are no
// part of it: whether one is supposed is p's to say.
func (x *Exchange) suppose(ctx context.Context, p Preview, records []hie.SourcePatientID) (*supposed, error) {
	onFile, err := x.Directives(ctx, records)
	if err != nil {
		return nil, err
	}
	m := &supposed{OnFile: onFile}
	m.Grants = nil
	if p.Propose != nil {
		m.Directives = p.Propose(slices.Clone(onFile.Directives))
	}
	m.network, m.now, m.name, m.actor = x.Network(), onFile.NoEarlier(x.Now()), x.DocumentID, p.As
	if p.Emergency {
		role, _ := x.Env().PrivilegedAnywhere(p.As.Roles)
		for _, r := range records {
			m.Grants = append(m.Grants, consent.Grant{Emergency: consent.Emergency{ReasonCode: consent.EmergencyReasons()[0], Role: role, At: m.now,
				Text: "supposed for a preview, nothing claimed", Attested: consent.Attestations()}, Record: r.String(), Organization: p.As.Organization,
				User: p.As.User, Until: m.now.Add(x.Env().Window())})
		}
	}
	return m, nil
}
