package consent

import (
	"slices"
	"strconv"
	"time"
)

// A Finding is something about a patient's wishes that somebody must see to.
type Finding struct {
	Kind      FindingKind
	Directive DirectiveName
	// Other is the other directive of a conflict.
	Other DirectiveName
	// Mark tells findings of one kind about one directive apart: "60", "30" and "7" days before an end, "ended" after it; of a
	// form the number of its newer version.
	Mark string
	// Due is when it should be settled, zero for as soon as possible.
	Due time.Time
	// Detail says what it is about in plain words without personal data.
	Detail []string
}

// A FindingKind says what is to be done.
type FindingKind string

// The kinds of finding.
const (
	FindConflict   FindingKind = "conflict"   // ask the patient which was meant
	FindHeld       FindingKind = "held"       // only its denies act: read it, and mend or refile it
	FindUnverified FindingKind = "unverified" // look at its evidence
	FindRenewal    FindingKind = "renewal"    // it ends or has ended: ask whether it goes on
	FindMajority   FindingKind = "majority"   // the patient comes of age: ask them
	FindBroken     FindingKind = "broken"     // it names somebody the directory no longer has
	// The power of who signed for the patient ends, or has ended: what they signed stands; ask the patient, or who speaks for
	// them now.
	FindRepresentative FindingKind = "representative"
	// The form it was signed on has a newer version: what was signed stands; ask whether the patient would sign the new one.
	FindForm FindingKind = "form"
)

// FindingKinds are the kinds, in order.
func FindingKinds() []FindingKind {
	return []FindingKind{FindConflict, FindHeld, FindUnverified, FindRenewal, FindMajority, FindBroken, FindRepresentative, FindForm}
}

// renewalMarks are the days before an end at which a task is opened.
//
// Source: spec consent 2.20 (expiry and renewal tasks at 60/30/7 days).
var renewalMarks = []int{7, 30, 60}

// remindedFor is how long after its end a directive's renewal is still asked for.
const remindedFor = 90 * 24 * time.Hour

// Findings returns what somebody must see to at now, in the order of the directives and kinds. noTeams are those of
// [Decider.CareTeams] that there are not.
//
// Source: spec consent 2.7 (held: task opened), 2.8c (conflict task), 2.20.
func (d *Decider) Findings(now time.Time, noTeams ...string) []Finding {
	at := tickOf(now)
	var out []Finding
	for i := range d.dirs {
		c := &d.dirs[i]
		if !d.stands(c, at) {
			continue
		}
		name := c.named()
		if c.held != nil {
			out = append(out, Finding{Kind: FindHeld, Directive: name, Detail: c.held})
		}
		if !c.verified {
			out = append(out, Finding{Kind: FindUnverified, Directive: name})
		}
		out = append(out, ending(c, FindRenewal, c.ends, now)...)
		if c.root.sense == permitting {
			out = append(out, ending(c, FindMajority, c.lapses, now)...)
		}
		if broken := c.broken(noTeams); broken != nil {
			out = append(out, Finding{Kind: FindBroken, Directive: name, Detail: broken})
		}
	}
	for _, c := range d.Conflicts(now) {
		out = append(out, Finding{Kind: FindConflict, Directive: c.Permit, Other: c.Deny, Detail: []string{c.Why, c.PermitNode, c.DenyNode}})
	}
	return out
}

// stands reports whether c is the newest version of a wish that was not revoked, in force, to begin or over.
func (d *Decider) stands(c *compiled, at tick) bool {
	return c.shape != nil && c.filed <= at && d.newestOf(c, at) && !c.revoked
}

// FindingsOfSigning returns what somebody must see to at now because of who signed what d was compiled from, and on what:
// directives are those, in their order; forms are what some of them were signed on, by id, and offered the forms patients are
// offered now where each was given. It goes through the directives in order.
//
// Source: spec consent 2.20 (guardian end, policy-version change).
func (d *Decider) FindingsOfSigning(directives []Directive, forms map[string]SignedForm, offered func(Directive) []Template, now time.Time) []Finding {
	at := tickOf(now)
	var out []Finding
	for i := range d.dirs {
		c, in := &d.dirs[i], &directives[i]
		if !d.stands(c, at) {
			continue
		}
		if end := c.powerEnds(in, d.subject.Proxies); end != forever {
			out = append(out, ending(c, FindRepresentative, end, now)...)
		}
		form, known := forms[in.ID]
		if !known || c.ends < at {
			continue
		}
		for _, t := range offered(*in) {
			if t.ID == form.ID && t.Version > form.Version {
				out = append(out, Finding{Kind: FindForm, Directive: c.named(), Mark: strconv.FormatInt(t.Version, 10)})
			}
		}
	}
	return out
}

// A SignedForm is the version of a form that a directive was signed on.
type SignedForm struct {
	ID      string
	Version int64
}

// powerEnds returns the last instant at which somebody who signed in for the patient may act for them, by the dates of their
// power; forever where nothing ends it. When a parent's lapses is another's to say.
func (c *compiled) powerEnds(in *Directive, proxies []Proxy) tick {
	end := forever
	for _, ref := range in.Performers {
		last := always
		for _, p := range proxies {
			if span, ok := p.Period.read(c.zone); p.Ref == ref && ok {
				last = max(last, span.to)
			}
		}
		if last != always {
			end = min(end, last)
		}
	}
	return end
}

// ending returns the finding about an end that comes near or has lately come.
func ending(c *compiled, kind FindingKind, end tick, now time.Time) []Finding {
	if end == forever {
		return nil
	}
	due := end.time().Truncate(time.Microsecond) // what stores it would round the end of a day up to the next
	left := due.Sub(now)
	f := Finding{Kind: kind, Directive: c.named(), Due: due}
	switch {
	case left < -remindedFor:
		return nil
	case left <= 0:
		f.Mark = "ended"
		return []Finding{f}
	}
	for _, days := range renewalMarks {
		if left <= time.Duration(days)*24*time.Hour {
			f.Mark = map[int]string{7: "7", 30: "30", 60: "60"}[days]
			return []Finding{f}
		}
	}
	return nil
}

// Ending returns what the patient is to be told of ahead before it ends, by directive and version. What was filed when no more
// was left is not named: whoever filed it has said the day.
func (d *Decider) Ending(now time.Time, ahead time.Duration) []DirectiveName {
	var out []DirectiveName
	for _, f := range d.Findings(now) {
		if f.Kind != FindRenewal || !f.Due.After(now) || f.Due.Sub(now) > ahead {
			continue
		}
		filed := slices.ContainsFunc(d.dirs, func(c compiled) bool { return c.named() == f.Directive && f.Due.Sub(c.filed.time()) > ahead })
		if filed {
			out = append(out, f.Directive)
		}
	}
	return out
}

// broken lists the places in c's tree that name an organisation, a site or a care team the directory does not have.
//
// Source: spec consent 2.20 (identifiers re-resolved nightly, breakage lists the affected directives).
func (c *compiled) broken(noTeams []string) []string {
	var out []string
	for n := range c.root.all {
		for _, r := range n.scope.recipient {
			if r.unresolved || r.organization != nil && r.organization.org == nil || r.team != "" && slices.Contains(noTeams, r.team) {
				out = append(out, n.path+".actor")
			}
		}
		for _, s := range n.scope.source {
			if s.unknown() {
				out = append(out, n.path+".actor")
			}
		}
		for _, v := range n.scope.data {
			if v.kind == "Organization" && v.org == nil {
				out = append(out, n.path+".data")
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
