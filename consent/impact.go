package consent

import (
	"cmp"
	"hash/maphash"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Cell is a kind of question that no rule tells apart from another of its kind: documents of one site, class, label and
// confidentiality, asked for by one kind of requester for one purpose.
//
// Source: spec consent section 4 (which site × purpose × label cells change).
type Cell struct {
	Site            hie.SiteID
	Purpose         hie.Purpose
	Class           string // "other" for a class nothing names
	Label           string // "plain" for none; a flag stands behind it: "plain self-pay"
	Confidentiality string
	// Requester says who, in words: "any organisation", "organisation x", "kind health-plan, role ed".
	Requester string
	// Emergency says that a valid emergency is claimed.
	Emergency bool
}

// A CellChange is a cell whose answer is another after a change of policy.
type CellChange struct {
	Cell
	Before, After Reason
}

// Opens reports whether something is released that was not, Closes the opposite. Where neither does, only the ground or an
// obligation changed.
func (c CellChange) Opens() bool  { return c.After.Permits() && !c.Before.Permits() }
func (c CellChange) Closes() bool { return c.Before.Permits() && !c.After.Permits() }

// An Impact compares two environments over people. Its methods may be used by several goroutines.
type Impact struct {
	before, after *Env
	now           time.Time
	axes          axes
	seed          maphash.Seed

	mu    sync.Mutex
	known map[uint64]*alike // by fingerprint of a person
}

// alike are people who fare alike.
type alike struct {
	changes  []CellChange
	patients int64
}

// A CellCount is a cell with how many patients' answers change in it.
type CellCount struct {
	CellChange
	Patients int64
}

// NewImpact compares before and after, as decisions stand at now.
func NewImpact(before, after *Env, now time.Time) *Impact {
	return &Impact{before: before, after: after, now: now, axes: newAxes(before, after), seed: maphash.MakeSeed(),
		known: map[uint64]*alike{}}
}

// At is the instant as of which answers are compared.
func (im *Impact) At() time.Time { return im.now }

// Patient adds a person and returns the cells whose answers change for them, nil for none. People whose records lie at the
// same sites and who said the same in the same order are decided once. The slice is shared: do not write to it.
func (im *Impact) Patient(subject Subject, directives []Directive) []CellChange {
	key := im.fingerprint(&subject, directives)
	im.mu.Lock()
	a := im.known[key]
	im.mu.Unlock()
	if a == nil { // two of one kind at once are compared twice, and counted once each
		a = &alike{changes: im.compare(subject, directives)}
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	if first := im.known[key]; first != nil {
		a = first
	}
	im.known[key] = a
	a.patients++
	return a.changes
}

// Patients returns how many people were looked at, and for how many of them some answer changes.
func (im *Impact) Patients() (seen, changed int64) {
	im.mu.Lock()
	defer im.mu.Unlock()
	for _, a := range im.known {
		if seen += a.patients; len(a.changes) > 0 {
			changed += a.patients
		}
	}
	return seen, changed
}

// Kinds returns how many kinds of people were told apart.
func (im *Impact) Kinds() int {
	im.mu.Lock()
	defer im.mu.Unlock()
	return len(im.known)
}

// Cells returns the cells that change with how many patients' answers change in each, what opens first, then what closes,
// most patients first.
func (im *Impact) Cells() []CellCount {
	im.mu.Lock()
	defer im.mu.Unlock()
	cells := map[CellChange]int64{}
	for _, a := range im.known {
		for _, c := range a.changes {
			cells[c] += a.patients
		}
	}
	out := make([]CellCount, 0, len(cells))
	for c, n := range cells {
		out = append(out, CellCount{c, n})
	}
	weight := func(c CellCount) int {
		switch {
		case c.Opens():
			return 0
		case c.Closes():
			return 1
		}
		return 2
	}
	slices.SortFunc(out, func(a, b CellCount) int {
		return cmp.Or(cmp.Compare(weight(a), weight(b)), cmp.Compare(b.Patients, a.Patients), strings.Compare(a.String(), b.String()))
	})
	return out
}

// String names the cell in one line.
func (c Cell) String() string {
	out := strings.Join([]string{string(c.Site), string(c.Purpose), c.Class, c.Label, c.Confidentiality, c.Requester}, " · ")
	if c.Emergency {
		out += " · emergency"
	}
	return out
}

// compare asks every question of the axes under both environments.
func (im *Impact) compare(subject Subject, directives []Directive) []CellChange {
	if im.axes.none {
		return nil
	}
	return im.differ(Compile(im.before, subject, directives), Compile(im.after, subject, directives), im.axes.with(directives, subject.Instruments))
}

// WhatIf returns the cells whose answers change for one person when after is on file instead of before: what a new wish, a
// revocation or a return to the default would do, before it is done.
//
// Source: spec consent 2.17 and 2.19 (simulate).
func WhatIf(env *Env, subject Subject, before, after []Directive, now time.Time) []CellChange {
	im := &Impact{before: env, after: env, now: now, axes: wholeAxes(env)}
	return im.differ(Compile(env, subject, before), Compile(env, subject, after), im.axes.with(slices.Concat(before, after), subject.Instruments))
}

// differ asks every question of the axes of both. A cell in which the answers about several records of one site change is one
// change for each way in which they do.
func (im *Impact) differ(before, after *Decider, ax *axes) []CellChange {
	var out []CellChange
	seen := map[hie.SiteID]map[CellChange]bool{} // of sites with more than one record
	for i, rec := range before.records {
		if slices.ContainsFunc(before.records[i+1:], func(r Record) bool { return r.Site == rec.Site }) && seen[rec.Site] == nil {
			seen[rec.Site] = map[CellChange]bool{}
		}
	}
	for _, rec := range before.records {
		if !im.axes.site(rec.Site) {
			continue
		}
		for _, who := range ax.requesters {
			for _, purpose := range ax.purposes {
				for _, emergency := range []bool{false, true} {
					req, ok := im.request(who, purpose, emergency, rec.Site)
					if !ok {
						continue
					}
					b, a := before.Ask(req, im.now), after.Ask(req, im.now)
					ax.documents(rec, func(doc *Document, label string) {
						x, y := b.decide(doc), a.decide(doc)
						if x.Reason == y.Reason && slices.Equal(x.Obligations, y.Obligations) {
							return
						}
						change := CellChange{Cell{rec.Site, purpose, ax.className(doc.Class), label, doc.Confidentiality, who.name, emergency}, x.Reason, y.Reason}
						if told := seen[rec.Site]; told != nil {
							if told[change] {
								return
							}
							told[change] = true
						}
						out = append(out, change)
					})
				}
			}
		}
	}
	return out
}

// request is who's question; ok is false where it cannot be asked.
func (im *Impact) request(who requester, purpose hie.Purpose, emergency bool, site hie.SiteID) (Request, bool) {
	r := who.request
	r.Purposes = []hie.Purpose{purpose}
	if !emergency {
		return r, purpose != hie.PurposeBreakGlass
	}
	s := im.after.sites[site]
	if !im.axes.emergency || s == nil || len(s.PrivilegedRoles) == 0 || r.OwnRecord || !im.after.Treatment(purpose) {
		return r, false
	}
	role := s.PrivilegedRoles[0]
	r.Roles = append(slices.Clone(r.Roles), role)
	r.Emergency = &Emergency{ReasonCode: EmergencyReasons()[0], Text: "supposed while a change of policy is looked at", Role: role, At: im.now, Attested: Attestations()}
	return r, true
}

// fingerprint tells people apart who may fare differently: the sites, links and home of their records, what they said and the
// legal bases in force, without who they are. Times count by their order alone, since decisions compare them with nothing else but now.
func (im *Impact) fingerprint(s *Subject, directives []Directive) uint64 {
	var h maphash.Hash
	h.SetSeed(im.seed)
	text := func(v string) { _, _ = h.WriteString(v); _ = h.WriteByte(0) }
	texts := func(list []string) {
		for _, v := range list {
			text(v)
		}
		_ = h.WriteByte(1)
	}
	place := map[string]byte{}
	for i, r := range s.Records {
		place[r.ID] = byte(i + 1)
		text(string(r.Site))
		_ = h.WriteByte(byte(r.Link))
	}
	text(s.Home)
	if !s.Died.IsZero() {
		text(s.Died.Format(time.RFC3339))
	}
	proxies := ""
	for _, p := range s.Proxies {
		proxies += p.Ref + "\x00" + p.Period.Start + "\x00" + p.Period.End + "\x00" + p.Lapses.String() + "\x00"
	}
	text(proxies)
	for i := range s.Instruments {
		in := &s.Instruments[i]
		if im.now.Before(in.From) || !in.Until.IsZero() && !im.now.Before(in.Until) {
			continue // no basis for anything now
		}
		_ = h.WriteByte(place[in.Record.String()])
		text(in.Kind)
		text(string(in.Organization))
		for _, p := range in.Purposes {
			text(string(p))
		}
		_ = h.WriteByte(1)
	}
	for i := range directives {
		d := &directives[i]
		_ = h.WriteByte(place[d.Record])
		for _, flag := range []bool{d.Verified, d.NetworkWide, d.Absolute, d.ReturnToDefault, d.Modified, d.Signed.IsZero(), d.Filed.After(im.now)} {
			_ = h.WriteByte(map[bool]byte{false: 2, true: 3}[flag])
		}
		for j := range directives {
			_ = h.WriteByte(byte(4 + d.Filed.Compare(directives[j].Filed)))
			_ = h.WriteByte(byte(4 + d.Signed.Compare(directives[j].Signed)))
		}
		text(d.Status)
		text(d.Scope)
		for _, p := range d.Performers {
			if strings.HasPrefix(p, "Patient/") {
				p = "Patient/"
			} else { // then it matters when it was signed
				p += d.Signed.String()
			}
			text(p)
		}
		texts(d.Organizations)
		texts(d.Policies)
		texts(d.PolicyRules)
		if d.Provision != nil {
			hashProvision(d.Provision, text, texts)
		}
	}
	return h.Sum64()
}

func hashProvision(p *Provision, text func(string), texts func([]string)) {
	text(p.Type)
	for _, span := range []*Period{p.Period, p.DataPeriod} {
		if span != nil {
			text(span.Start)
			text(span.End)
		}
		text("")
	}
	for _, a := range p.Actors {
		text(a.Role)
		text(a.Reference)
		if t := a.Team; t != nil {
			text(t.Organization)
			text(t.Practitioner)
			texts(t.Codes)
		}
	}
	for _, list := range [][]string{p.Actions, p.Labels, p.Purposes, p.Classes, p.Codes} {
		texts(list)
	}
	for _, d := range p.Data {
		text(d.Meaning)
		text(d.Reference)
	}
	if p.Modified {
		text("modified")
	}
	for i := range p.Provisions {
		text("(")
		hashProvision(&p.Provisions[i], text, texts)
		text(")")
	}
}

// changedRules returns the rules that are in one setup and not in the other.
func changedRules(a, b []Rule) []Rule {
	var out []Rule
	missing := func(in, from []Rule) {
		for _, r := range in {
			if !slices.ContainsFunc(from, func(o Rule) bool { return sameRule(r, o) }) {
				out = append(out, r)
			}
		}
	}
	missing(a, b)
	missing(b, a)
	return out
}

// sameRule compares what rules do, not what they are called.
func sameRule(a, b Rule) bool {
	a.ID, a.Words, a.Source = b.ID, b.Words, b.Source
	return reflect.DeepEqual(a, b)
}
