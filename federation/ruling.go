package federation

import (
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

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
func (r ruling) told() []string { return Owed(r.obligations) }

// Owed returns those of obligations that bind who is given something, in their order, in a slice of its own.
//
// Source: spec consent 2.11.
func Owed(obligations []string) []string {
	return slices.DeleteFunc(slices.Clone(obligations), func(o string) bool { return slices.Contains(ours, o) })
}

// spoken reports whether something of what goes with r is told in words.
func (r ruling) spoken() bool {
	return slices.ContainsFunc(r.obligations, func(o string) bool { return consent.Spoken(o) || o == "BTG-REVIEW" })
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

// caveats are what is told in words with a document or kind that is shown, of which r is the ruling over parts. As grounds they
// are dearer than a decision, and made for what is shown alone.
func (m *matter) caveats(r ruling, parts []consent.Document) []consent.Caveat {
	if !r.spoken() {
		return nil
	}
	var out []consent.Caveat
	for _, d := range parts {
		out = consent.Join(out, m.decider.Caveats(m.request, d, m.now))
	}
	return out
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
