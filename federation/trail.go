package federation

import (
	"slices"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// queried returns the event of one query: what was asked, how much was released and withheld, and why. m, found and l
// are nil when nobody was found.
func (x *Exchange) queried(actor hie.Actor, q Query, m *matter, found *Found, l *lot) audit.Event {
	e := audit.NewEvent(audit.DocumentsQueried, actor, x.Now())
	e.Query = q.Raw
	e.Detail = map[string]string{"interaction": "search-type"}
	if q.CountOnly {
		e.Detail["interaction"] = "count"
	}
	if m == nil {
		e.Reasons = []string{"UNKNOWN_PATIENT"}
		return e
	}
	for _, member := range m.members {
		e = e.About(member.Record)
	}
	if len(found.Withheld) > 0 {
		e.Detail["named"] = strings.Join(found.Withheld, " ")
	}
	e.Released, e.Withheld = int(found.Total), l.withheld
	why := l.refusals
	for _, entry := range found.Entries {
		why.reasons = append(why.reasons, entry.ruling.reasons...)
		why.ground = append(why.ground, entry.ruling.ground...)
		e.Classes = append(e.Classes, entry.Kind.Classes...)
		e.Emergency = e.Emergency || entry.ruling.emergency
	}
	why.tidy()
	e.Reasons, e.Ground = why.reasons, why.ground
	slices.Sort(e.Classes)
	e.Classes = slices.Compact(e.Classes)
	return e
}

// accompany notes in detail the statement that went with what was disclosed, with the pack and version its words are from:
// "P2-NOTICE us-part2 2026-02-16 v0". That the scope of a consent was explained beside it is "scope"; which consent is the ground.
//
// Source: 42 CFR 2.32; spec consent 2.11.
func accompany(detail map[string]string, c consent.Caveat) {
	s := c.Statement
	if c.Nature != "" {
		detail["nature"] = c.Nature // of the emergency
	}
	if s.Pack == "" {
		return // the engine's own words, which follow from the event
	}
	words := c.Obligation + " " + s.Pack + " " + s.Edition + " v" + strconv.FormatInt(s.Version, 10)
	if len(c.Permissions) > 0 {
		words += " scope"
	}
	all := strings.Split(detail["statements"], "; ")
	if detail["statements"] == "" {
		all = nil
	}
	all = append(all, words)
	slices.Sort(all)
	detail["statements"] = strings.Join(slices.Compact(all), "; ")
}

// owe notes in detail what the exchange itself comes to owe by a disclosure: to list it in the patient's accounting, and to keep
// what 42 CFR 2.51(c) has documented of one in an emergency. Who received it, with their organisation, when, and from which site is
// in the event already; the nature of the emergency stands beside it.
//
// Source: spec consent 2.11 (AOD, P2-EMERGENCY-RECORD).
func owe(detail map[string]string, r ruling) {
	for _, o := range []string{"AOD", "P2-EMERGENCY-RECORD"} {
		if slices.Contains(r.obligations, o) && !slices.Contains(strings.Fields(detail[consent.DetailOwed]), o) {
			detail[consent.DetailOwed] = strings.TrimSpace(detail[consent.DetailOwed] + " " + o)
		}
	}
}

// disclosed returns one event for each record of which documents are shown: attribution is by source patient, so it
// follows merge and unmerge.
func (x *Exchange) disclosed(m *matter, shown []Entry, interaction string) []audit.Event {
	byRecord := map[hie.SourcePatientID]*audit.Event{}
	var order []hie.SourcePatientID
	add := func(e Entry) {
		class := ""
		if len(e.Kind.Classes) > 0 {
			class = e.Kind.Classes[0]
		}
		ev := byRecord[e.Record]
		if ev == nil {
			fresh := audit.NewEvent(audit.Disclosed, m.actor, x.Now()).About(e.Record)
			fresh.Action, fresh.Site = "R", e.Site
			fresh.Detail = map[string]string{"interaction": interaction}
			ev = &fresh
			byRecord[e.Record], order = ev, append(order, e.Record)
		}
		ev.Documents = append(ev.Documents, audit.Document{Record: e.Record, Pointer: e.ID, Class: class})
		ev.Released++
		ev.Classes = append(ev.Classes, e.Kind.Classes...)
		ev.Reasons = append(ev.Reasons, e.ruling.reasons...)
		ev.Ground = append(ev.Ground, e.ruling.ground...)
		ev.Emergency = ev.Emergency || e.ruling.emergency
		for _, c := range e.Caveats {
			accompany(ev.Detail, c)
		}
		owe(ev.Detail, e.ruling)
		if e.Live {
			ev.Detail["live"] = strconv.FormatBool(true)
		}
	}
	for _, e := range shown {
		add(e)
		for _, a := range e.Alternates {
			add(a)
		}
	}
	out := make([]audit.Event, 0, len(order))
	for _, r := range order {
		ev := byRecord[r]
		for _, list := range []*[]string{&ev.Classes, &ev.Reasons, &ev.Ground} {
			slices.Sort(*list)
			*list = slices.Compact(*list)
		}
		out = append(out, *ev)
	}
	return out
}
