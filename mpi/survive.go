package mpi

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Best record is what a person's records together say, each value with the record it is taken from. It is a view,
// made anew from the members each time; nothing is matched on it.
//
// Source: spec mpi section 6, 17: survivorship is a view computed from members, never an input to matching.
type Best struct {
	hie.Private
	Person       Person
	Demographics Demographics
	// Origins say where each value of Demographics comes from, in the order of its fields.
	Origins []Origin
}

// An Origin says where one value of a Best record comes from.
type Origin struct {
	// Field is "name", "birth-date", "sex", "address", "phone", "email", "identifier", "multiple-birth",
	// "mothers-maiden-name" or "deceased"; Place counts values of the field, from 0.
	Field string
	Place int
	// Record said it first among those that say so; Site is its site.
	Record hie.SourcePatientID
	Site   hie.SiteID
	// Reason is the rule that chose it before the next: "only", "link", "use", "complete", "agreed", "recent" or "oldest-record".
	Reason string
	// Agree and Differ count the records that say the same and those that say something else.
	Agree, Differ int
}

// A saying is one record's word on a field.
type saying struct {
	member  *SourcePatient
	link    hie.LinkState
	key     string // normalised: equal keys say the same
	use     int    // how current the site says it is: official before usual before none before old
	full    int    // how complete it is
	agree   int
	set     func(*Demographics)
	updated time.Time
}

// Survive returns the best record of members, of which links say how surely each belongs (missing: confirmed).
// Placeholders never win. For each field the value is taken of the record whose link is surest, then whose site marks it
// the most current use, then that is most complete, then that most records agree on, then that is most recent, then of
// the oldest record. Names, addresses, phones, mail and identifiers keep all values, best first.
// Withdrawn registrations count only when there are no others. The order of members changes nothing.
func Survive(members []SourcePatient, links map[hie.SourcePatientID]hie.LinkState) (Demographics, []Origin) {
	s := survival{links: links}
	active := slices.DeleteFunc(slices.Clone(members), func(m SourcePatient) bool { return !m.Active })
	if len(active) == 0 {
		active = slices.Clone(members)
	}
	slices.SortFunc(active, func(a, b SourcePatient) int { return cmp.Compare(a.Record, b.Record) })
	s.members = active
	s.all("name", nameSayings)
	s.one("birth-date", birthSayings)
	s.one("sex", sexSayings)
	s.all("address", addressSayings)
	s.all("phone", phoneSayings)
	s.all("email", mailSayings)
	s.all("identifier", identifierSayings)
	s.one("multiple-birth", multipleSayings)
	s.one("mothers-maiden-name", maidenSayings)
	s.one("deceased", deceasedSayings)
	return s.out, s.origins
}

type survival struct {
	links   map[hie.SourcePatientID]hie.LinkState
	members []SourcePatient
	out     Demographics
	origins []Origin
}

// ranked returns what the members say about a field, best first, and why the first beats the next.
func (s *survival) ranked(say func(*SourcePatient) []saying) []saying {
	var all []saying
	for i := range s.members {
		m := &s.members[i]
		link, known := s.links[m.Record]
		if !known {
			link = hie.LinkConfirmed
		}
		for _, v := range say(m) {
			v.member, v.link, v.updated = m, link, m.Updated
			all = append(all, v)
		}
	}
	for i := range all {
		seen := map[hie.SourcePatientID]bool{}
		for _, w := range all {
			if w.key == all[i].key {
				seen[w.member.Record] = true
			}
		}
		all[i].agree = len(seen)
	}
	slices.SortStableFunc(all, func(a, b saying) int { c, _ := better(a, b); return c })
	return all
}

// better orders two sayings, the better first, and names the rule that decided.
func better(a, b saying) (int, string) {
	for _, r := range []struct {
		c   int
		why string
	}{
		{cmp.Compare(b.link, a.link), "link"}, {cmp.Compare(b.use, a.use), "use"}, {cmp.Compare(b.full, a.full), "complete"},
		{cmp.Compare(b.agree, a.agree), "agreed"}, {b.updated.Compare(a.updated), "recent"}, {cmp.Compare(a.member.Record, b.member.Record), "oldest-record"},
	} {
		if r.c != 0 {
			return r.c, r.why
		}
	}
	return 0, "oldest-record"
}

// all keeps every value of a field once, best first.
func (s *survival) all(field string, say func(*SourcePatient) []saying) {
	ranked := s.ranked(say)
	var kept []saying
	for _, v := range ranked {
		if !slices.ContainsFunc(kept, func(k saying) bool { return k.key == v.key }) {
			kept = append(kept, v)
		}
	}
	records := speakers(ranked)
	for i, v := range kept {
		v.set(&s.out)
		o := Origin{Field: field, Place: i, Record: v.member.Record, Site: v.member.Site, Reason: "only", Agree: v.agree, Differ: records - v.agree}
		if i+1 < len(kept) {
			_, o.Reason = better(v, kept[i+1])
		}
		s.origins = append(s.origins, o)
	}
}

// one keeps the best value of a field.
func (s *survival) one(field string, say func(*SourcePatient) []saying) {
	ranked := s.ranked(say)
	if len(ranked) == 0 {
		return
	}
	v := ranked[0]
	v.set(&s.out)
	o := Origin{Field: field, Record: v.member.Record, Site: v.member.Site, Reason: "only", Agree: v.agree, Differ: speakers(ranked) - v.agree}
	for _, w := range ranked[1:] {
		if w.key != v.key {
			_, o.Reason = better(v, w)
			break
		}
	}
	s.origins = append(s.origins, o)
}

func speakers(all []saying) int {
	seen := map[hie.SourcePatientID]bool{}
	for _, v := range all {
		seen[v.member.Record] = true
	}
	return len(seen)
}

// uses say how current a site holds a value to be.
var uses = map[string]int{"official": 3, "usual": 2, "home": 3, "mobile": 3, "": 1, "nickname": 0, "work": 1, "secondary": 1, "billing": 0, "temp": -1,
	"maiden": -2, "old": -3, "anonymous": -3}

func nameSayings(m *SourcePatient) []saying {
	var out []saying
	for _, n := range m.Demographics.Names {
		v := normalize(Demographics{Names: []Name{n}})
		if len(v.families)+len(v.givens) == 0 {
			continue
		}
		var parts []string
		for _, f := range v.families {
			parts = append(parts, f.whole)
		}
		parts = append(append(parts, "/"), append(v.givens, v.middles...)...)
		full := min(len(v.families), 1)*2 + min(len(v.givens), 1)*2 + len(v.middles)
		out = append(out, saying{key: strings.Join(parts, " "), use: uses[n.Use], full: full, set: func(d *Demographics) { d.Names = append(d.Names, n) }})
	}
	return out
}

func birthSayings(m *SourcePatient) []saying {
	b := m.Demographics.Birth
	v := normalize(Demographics{Birth: b})
	if v.birth.IsZero() {
		return nil
	}
	full := 2
	switch {
	case v.birth.Month == 0:
		full = 0
	case v.birth.Day == 0, weakBirth(v.birth):
		full = 1
	}
	return []saying{{key: fmt.Sprint(v.birth.BirthNumber()), full: full, set: func(d *Demographics) { d.Birth = b }}}
}

func sexSayings(m *SourcePatient) []saying {
	if x := m.Demographics.Sex; x != "" && x != SexIsUnknown {
		return []saying{{key: string(x), set: func(d *Demographics) { d.Sex = x }}}
	}
	return nil
}

func addressSayings(m *SourcePatient) []saying {
	var out []saying
	for _, a := range m.Demographics.Addresses {
		v := normalize(Demographics{Addresses: []Address{a}})
		if len(v.addresses) == 0 {
			continue
		}
		p := v.addresses[0]
		full := len(a.Lines)*2 + min(len(a.City), 1) + min(len(a.State), 1) + min(len(a.PostalCode), 1)
		if !a.Period.End.IsZero() {
			full -= 10
		}
		out = append(out, saying{key: fmt.Sprint(p), use: uses[a.Use], full: full, set: func(d *Demographics) { d.Addresses = append(d.Addresses, a) }})
	}
	return out
}

func telecomSayings(m *SourcePatient, pick func(*values) []string) []saying {
	var out []saying
	for _, t := range m.Demographics.Telecoms {
		v := normalize(Demographics{Telecoms: []Telecom{t}})
		if keys := pick(&v); len(keys) == 1 {
			out = append(out, saying{key: keys[0], use: uses[t.Use], set: func(d *Demographics) { d.Telecoms = append(d.Telecoms, t) }})
		}
	}
	return out
}

func phoneSayings(m *SourcePatient) []saying {
	return telecomSayings(m, func(v *values) []string { return v.phones })
}

func mailSayings(m *SourcePatient) []saying {
	return telecomSayings(m, func(v *values) []string { return v.emails })
}

func identifierSayings(m *SourcePatient) []saying {
	var out []saying
	for _, i := range m.Demographics.Identifiers {
		v := normalize(Demographics{Identifiers: []Identifier{i}})
		if v.ssn == "" && len(v.ids) == 0 {
			continue
		}
		full := 1
		if v.ssn != "" && len(v.ssn) < 9 {
			full = 0
		}
		out = append(out, saying{key: i.System + "|" + v.ssn + fmt.Sprint(v.ids), use: uses[i.Use], full: full,
			set: func(d *Demographics) { d.Identifiers = append(d.Identifiers, i) }})
	}
	return out
}

func multipleSayings(m *SourcePatient) []saying {
	b := m.Demographics.Multiple
	if !b.Known {
		return nil
	}
	return []saying{{key: fmt.Sprint(b.Multiple, b.Order), full: min(b.Order, 1), set: func(d *Demographics) { d.Multiple = b }}}
}

func maidenSayings(m *SourcePatient) []saying {
	n := m.Demographics.MothersMaidenName
	if v := normalize(Demographics{MothersMaidenName: n}); v.maiden != "" {
		return []saying{{key: v.maiden, set: func(d *Demographics) { d.MothersMaidenName = n }}}
	}
	return nil
}

func deceasedSayings(m *SourcePatient) []saying {
	x := m.Demographics.Deceased
	if !x.Known {
		return nil
	}
	full := 0
	if x.Dead {
		full = 1 // a site that knows of a death knows more than one that has not heard of it
	}
	if !x.On.IsZero() {
		full++
	}
	return []saying{{key: fmt.Sprint(x.Dead, x.On.BirthNumber()), full: full, set: func(d *Demographics) { d.Deceased = x }}}
}

// BestOf returns the best record of record's person, or hie.ErrNotFound.
func (x *Index) BestOf(ctx context.Context, record hie.SourcePatientID) (Best, error) {
	p, err := x.PersonOf(ctx, record)
	if err != nil {
		return Best{}, err
	}
	rows, err := x.Records(ctx, p.Records())
	if err != nil {
		return Best{}, err
	}
	links := map[hie.SourcePatientID]hie.LinkState{}
	for _, m := range p.Members {
		links[m.Record] = m.Link
	}
	out := Best{Person: p}
	out.Demographics, out.Origins = Survive(rows, links)
	return out, nil
}
