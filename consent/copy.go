package consent

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Copy is all that binds one registration, for a site that enforces for itself: with the rules that hold at the site
// ([Env.SetupAt]) the engine there decides about the documents of that registration as it does here.
//
// Wishes given on the registration itself are whole. Of one given elsewhere the site learns what it must enforce and nothing
// about where, by whom and under which form it was given: such a wish is there only if it can act on documents of the site; its
// record, custodian, signer and policies are stand-ins; places it names besides the site are one place without a name, parts of it
// about other places are left out, and dates are instants. So a wish given at a Part 2 program reads like any other, and a wish
// that binds only the program is not there at all. Of other registrations of the person nothing is told.
//
// Source: spec consent 2.13 (what crosses a link) and 2.19; DESIGN idea 6 (a site's name is content).
type Copy struct {
	hie.Private
	Record string
	Site   hie.SiteID
	// Subject holds the record, stand-ins for others, and what is on file about this record alone.
	Subject Subject
	// Directives are those given on the record, in the order they were passed, then the others, by when they were filed.
	Directives []Copied
	// Policies and Sites are the stand-ins that Directives name, besides those of the rules.
	Policies []Policy
	Sites    []Site
	// Ask says of what the copy is stricter than the exchange, so that a site may ask about what it refuses: "care-team" (who
	// belongs to a team is asked of the exchange), "source" (which of several wishes is narrower hangs on places not named here),
	// "erasure" (a permission that obliges to erase, or to ask no more often than it says, does not cross). nil: it decides alike.
	Ask []string
	// Until is the first instant from which it may not hold any more, zero for never: then it is had anew.
	Until time.Time
}

// A Copied is a directive in a copy; Elsewhere says that it was given on another record, and so is reduced.
type Copied struct {
	Directive
	Elsewhere bool
}

// Binds reports whether there is anything in c beside the rules that hold for everybody.
func (c *Copy) Binds() bool {
	return len(c.Directives) > 0 || len(c.Subject.Grants) > 0 || len(c.Subject.Instruments) > 0 || !c.Subject.Died.IsZero() ||
		slices.ContainsFunc(c.Subject.Records, func(r Record) bool { return r.ID == c.Record && r.Link == hie.LinkDisputed })
}

// Stand-ins of a copy. A policy's says what the policies of the wish mean together.
const (
	elsewhere       = "elsewhere-"
	elsewherePolicy = "https://concord-hie.org/policies/elsewhere"
)

// CopyOf makes the copy of what binds record at now. own says which documents, by their ids as directives name them, are the
// record's. It is not ok where nothing can be said: the record or its site is not known, or something on file cannot be read; then
// nothing leaves.
func CopyOf(env *Env, subject Subject, directives []Directive, record string, now time.Time, own func(document string) bool) (_ Copy, ok bool) {
	d := Compile(env, subject, directives)
	rec := d.record(record)
	if d.fault || env.closed || rec == nil || env.sites[rec.Site] == nil {
		return Copy{}, false
	}
	c := copier{d: d, rec: rec, site: env.sites[rec.Site], own: own, now: tickOf(now), out: Copy{Record: record, Site: rec.Site}}
	c.turns = turns{now: c.now, next: forever}
	link := hie.LinkConfirmed
	if rec.Link == hie.LinkDisputed {
		link = rec.Link // the others only tell what crosses, which is said below
	}
	c.out.Subject.Records = []Record{{ID: record, Site: rec.Site, Link: link}}
	live := map[*compiled]mode{}
	for _, l := range d.at(c.now).live {
		live[l.compiled] = l.mode
	}
	for i := range directives {
		if in := &d.dirs[i]; directives[i].Record == record {
			c.whole(in, directives[i])
		}
	}
	for _, i := range byFiling(directives) {
		in := &d.dirs[i]
		if in.shape == nil || directives[i].Record == record {
			continue
		}
		if !c.reaches(in) {
			c.replaces(in)
			continue
		}
		c.turn(in)
		if m, now := live[in]; now {
			c.reduce(in, &directives[i], m)
		}
	}
	c.onFile(subject)
	if c.narrowed && len(c.out.Directives) > 1 {
		c.ask("source")
	}
	slices.Sort(c.out.Ask)
	if c.turns.next != forever {
		c.out.Until = c.turns.next.time()
	}
	return c.out, true
}

// byFiling returns the places of directives by when they were filed, then by name: an order that says nothing of records.
func byFiling(directives []Directive) []int {
	out := make([]int, len(directives))
	for i := range out {
		out[i] = i
	}
	slices.SortFunc(out, func(i, j int) int {
		a, b := &directives[i], &directives[j]
		return cmp.Or(a.Filed.Compare(b.Filed), strings.Compare(a.ID, b.ID))
	})
	return out
}

// A copier makes one copy.
type copier struct {
	d     *Decider
	rec   *Record
	site  *site
	own   func(string) bool
	now   tick
	turns turns
	out   Copy
	// others counts the wishes given elsewhere; narrowed says that places one of them names were left out.
	others   int
	narrowed bool
}

func (c *copier) ask(what string) {
	if !slices.Contains(c.out.Ask, what) {
		c.out.Ask = append(c.out.Ask, what)
	}
}

// whole adds a wish given on the record itself.
func (c *copier) whole(in *compiled, said Directive) {
	c.out.Directives = append(c.out.Directives, Copied{Directive: said})
	if in.shape == nil {
		return
	}
	c.turn(in)
	if in.teams != nil {
		c.ask("care-team")
	}
}

// turn notes when something of in begins or ends.
func (c *copier) turn(in *compiled) {
	c.turns.at(in.filed)
	c.turns.at(in.begins)
	if in.ends != forever {
		c.turns.at(in.ends + 1)
	}
	if in.lapses != forever {
		c.turns.at(in.lapses)
	}
	for n := range in.root.all {
		if s := n.scope.period; s != nil && !s.unreadable {
			c.turns.at(s.from)
			if s.to != forever {
				c.turns.at(s.to + 1)
			}
		}
	}
}

// replaces notes when in, which does not reach the site, takes the place of an earlier version that does.
func (c *copier) replaces(in *compiled) {
	for i := range c.d.dirs {
		if o := &c.d.dirs[i]; o.shape != nil && o != in && o.sameWish(in) && o.filed < in.filed && c.reaches(o) {
			c.turns.at(in.filed)
			c.turns.at(in.begins)
		}
	}
}

// here matches the sources of a scope with the site; none stated is everywhere.
func (c *copier) here(s *scope) tri {
	if s.source == nil {
		return yes
	}
	return matchSources(s.source, &query{site: c.site})
}

// reaches reports whether any part of in can act on documents of the site.
func (c *copier) reaches(in *compiled) bool {
	for n := range in.root.all {
		if c.here(&n.scope) != no {
			return true
		}
	}
	return false
}

// reduce adds a wish given on another record, as far as it concerns the site.
func (c *copier) reduce(in *compiled, said *Directive, m mode) {
	c.others++
	name := elsewhere + strconv.Itoa(c.others)
	r := reducer{copier: c, name: name, mode: m}
	root := said.Provision
	if root == nil {
		root = &Provision{}
	}
	tree, acts := r.node(in.root, root, true)
	if !acts {
		c.others--
		return
	}
	out := Directive{ID: said.ID, Version: said.Version, Record: name, Filed: said.Filed, Signed: said.Signed, SignedWithin: said.SignedWithin, Verified: true, NetworkWide: true,
		Absolute: said.Absolute, ReturnToDefault: said.ReturnToDefault, Status: said.Status, Scope: "patient-privacy", Policies: c.policies(in), Provision: &tree}
	if in.research {
		out.Scope = "research"
	}
	tree.Period = nil
	if in.begins != always || in.ends != forever {
		tree.Period = &Period{Start: in.begins.instant(), End: in.ends.instant()}
	}
	link := hie.LinkTentative // what does not cross a tentative link does not cross here: its denies act, its permits do not
	if !in.restricted() && in.networkWide && c.d.givenOn(in).Link == hie.LinkConfirmed && c.rec.Link == hie.LinkConfirmed {
		link = hie.LinkConfirmed
	}
	if in.obliges() && link == hie.LinkConfirmed {
		link = hie.LinkTentative
		c.ask("erasure")
	}
	c.out.Subject.Records = append(c.out.Subject.Records, Record{ID: name, Link: link})
	c.out.Directives = append(c.out.Directives, Copied{Directive: out, Elsewhere: true})
	if r.others {
		c.out.Sites = append(c.out.Sites, Site{ID: hie.SiteID(name), Org: hie.OrgID(name)})
		c.narrowed = true
	}
	if in.teams != nil {
		c.ask("care-team")
	}
}

// policies returns stand-ins for in's policies. Which instrument they are is said only where a rule of the site asks for it.
func (c *copier) policies(in *compiled) []string {
	p := Policy{URI: elsewherePolicy, Widening: true, Additive: in.root.sense == permitting && !in.exhaustive}
	if p.Additive {
		p.URI += "/additive"
	}
	if in.denyExpiry {
		p.URI, p.OnExpiry = p.URI+"/kept", "deny"
	}
	all := []Policy{p}
	for _, kind := range in.instrument {
		asked := slices.ContainsFunc(c.site.rules, func(r siteRule) bool { return r.Effect == Require && r.Kind == kind })
		if asked && !slices.ContainsFunc(all, func(p Policy) bool { return p.Instrument == kind }) {
			as := p
			as.URI, as.Instrument = p.URI+"/"+kind, kind
			all = append(all, as)
		}
	}
	var out []string
	for _, p := range all {
		out = append(out, p.URI)
		if !slices.Contains(c.out.Policies, p) {
			c.out.Policies = append(c.out.Policies, p)
		}
	}
	return out
}

// onFile adds what is on file about the record besides directives, and when that begins and ends.
func (c *copier) onFile(s Subject) {
	out := &c.out.Subject
	for _, p := range s.Proxies {
		if slices.ContainsFunc(c.out.Directives, func(d Copied) bool { return !d.Elsewhere && slices.Contains(d.Performers, p.Ref) }) {
			out.Proxies = append(out.Proxies, p)
		}
	}
	for _, g := range s.Grants {
		if g.Record == c.rec.ID {
			out.Grants = append(out.Grants, g)
			c.turns.time(g.At)
			c.turns.time(g.Until)
			c.turns.time(g.At.Add(c.d.env.Window()))
		}
	}
	for _, in := range s.Instruments {
		if in.Record.String() == c.rec.ID {
			out.Instruments = append(out.Instruments, in)
			c.turns.time(in.From)
			c.turns.time(in.Until)
		}
	}
	out.Home = s.Home
	for i := range c.site.rules {
		years := c.site.rules[i].Scope.DiedWithin
		if years == 0 || s.Died.IsZero() {
			continue
		}
		over := s.Died.UTC().AddDate(years, 0, 0)
		if c.turns.time(over); tickOf(over) <= c.now {
			out.Died = s.Died // only when it makes a difference: else it says what another registration says
		}
	}
}

// Digest is the same for two copies that say the same of the record, whenever they were made.
func (c *Copy) Digest() [sha256.Size]byte {
	var key []byte
	at := func(t time.Time) { key = keyText(key, stampOf(t)) }
	key = keyTexts(keyText(keyText(key, c.Record), string(c.Site)), c.Ask)
	for _, r := range c.Subject.Records {
		key = append(keyText(keyText(key, r.ID), string(r.Site)), byte(r.Link))
	}
	for _, p := range c.Subject.Proxies {
		key = keyText(keyText(keyText(key, p.Ref), p.Period.Start), p.Period.End)
		at(p.Lapses)
	}
	for _, g := range c.Subject.Grants {
		key = keyText(keyText(keyText(key, strconv.FormatInt(g.ID, 10)), string(g.Organization)), g.User)
		at(g.At)
		at(g.Until)
	}
	for _, i := range c.Subject.Instruments {
		key = keyText(keyText(keyText(key, strconv.FormatInt(i.ID, 10)), strconv.FormatInt(i.Number, 10)), i.Kind)
		at(i.Until)
	}
	at(c.Subject.Died)
	for _, p := range c.Policies {
		key = keyText(key, p.URI)
	}
	for i := range c.Directives {
		in := &c.Directives[i]
		key = keyText(keyText(key, in.ID), strconv.FormatInt(in.Version, 10))
		key = keyFlags(key, in.Elsewhere, in.Verified)
		key = keyTexts(shapeKey(key, &in.Directive, ""), in.Performers)
		at(in.Filed)
		at(in.Signed)
		key = keyText(key, in.SignedWithin.String())
	}
	return sha256.Sum256(key)
}

// stampOf writes t as exactly as it is compared.
func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
